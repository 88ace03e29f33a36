"""``mutua client show``."""

import click

from mutua.cli.client.crls import crl_json
from mutua.cli.client.record import listed_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import day, facts, json_data, printable, talk
from mutua.home.client_list import ListedCredential, listed_client
from mutua.home.foreign_crls import CrlState, ForeignCrls
from mutua.home.home import Home
from mutua.registry.credentials import CredentialKind


@click.command()
@click.argument("name")
@home_option
@json_option
def show(home: Home, name: str, *, as_json: bool) -> None:
    """Show a client, its grants, how it proves itself, its open invitations, and the CRLs that its CAs are asked for.

    \b
    Examples:
      mutua client show woovi
    """
    found = listed_client(home, name)
    crls = ForeignCrls(home).states(name)
    invitations = [each for each in home.invitations.of(name) if each.is_open(home.now())]
    certificates = list(home.authority.certificates(client=name))
    now = home.now()
    if as_json:
        listed = [
            {"thumbprint": each.thumbprint, "state": each.state(now).value, "not_after": each.not_after}
            for each in certificates
        ]
        invited = [
            {"id": each.id, "profile": each.profile, "names": each.names, "expires_at": each.expires_at}
            for each in invitations
        ]
        crls_json = list(map(crl_json, crls))
        json_data({**listed_json(found), "certificates": listed, "invitations": invited, "crls": crls_json})
        return
    facts(
        [
            ("client", found.name),
            ("state", found.state.value),
            ("last seen", day(found.last_seen) if found.last_seen else "never"),
            *(("may call", str(grant)) for grant in found.grants),
            *(
                ("certificate", f"{each.thumbprint}  {each.state(now).value}  until {day(each.not_after)}")
                for each in certificates
            ),
            *(
                ("invited", f"for {', '.join(each.names)} ({each.profile})  until {day(each.expires_at)}")
                for each in invitations
            ),
            *(
                ("known by", _known_by(each))
                for each in found.credentials
                if each.credential.kind is not CredentialKind.ISSUED
            ),
            *(("crl", _crl(each)) for each in crls),
        ]
    )
    for each in crls:
        if each.fetched and each.fetched.error:
            talk(f"warning: {printable(each.source.url)}: {printable(each.fetched.error)}")
    if not found.grants:
        talk("warning: it may call nothing")


def _known_by(each: ListedCredential) -> str:
    return (
        f"{each.credential}  {each.state.value}  until {day(each.not_after)}"
        if each.not_after
        else f"{each.credential}"
    )


def _crl(each: CrlState) -> str:
    until = f"  until {day(each.fetched.next_update)}" if each.fetched and each.fetched.next_update else ""
    return f"{each.source.url}  {each.condition.value}{until}"
