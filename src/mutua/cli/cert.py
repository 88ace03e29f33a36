"""``mutua cert``: the certificates of the authority."""

import os
from datetime import timedelta

import click

from mutua.cli.options import home_option, json_option, key_type_option, lifetime_option
from mutua.cli.output import data, day, facts, json_data, table, talk
from mutua.errors import AlreadyExists, InvalidName
from mutua.home.authority import REVOCATION_REASONS
from mutua.home.home import CA_FILE, Home
from mutua.pki.keys import KeyType
from mutua.store.inventory import CertificateRecord

_THUMBPRINT_FIRST = {"ignore_unknown_options": True}
"""One base64url thumbprint in 64 begins with a hyphen."""


@click.group()
def cert() -> None:
    """Certificates.

    \b
    Examples:
      mutua cert issue server api.acme.example 127.0.0.1
      mutua cert issue client woovi
      mutua cert list --client woovi
      mutua cert revoke Q3LFby
    """


@cert.command()
@click.argument("profile", type=click.Choice(["server", "client"]))
@click.argument("names", nargs=-1, required=True)
@click.option("--identity", metavar="NAME", help="The identity to write; the first of NAMES when not given.")
@click.option("--force", is_flag=True, help="Replace an identity of that name.")
@key_type_option
@lifetime_option
@home_option
@json_option
def issue(
    home: Home,
    profile: str,
    names: tuple[str, ...],
    identity: str | None,
    key_type: KeyType,
    lifetime: timedelta | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Make a key and a certificate, and write both as an identity into the home.

    For a server, NAMES are what its clients call it. For a client, the first of NAMES is the client in the
    registry, and any others go into the certificate.

    \b
    Examples:
      mutua cert issue server api.acme.example 127.0.0.1
      mutua cert issue client woovi
      mutua cert issue client bank --key-type rsa2048 --days 30
    """
    if not all(names):
        raise InvalidName("a name is empty", hint="name what the certificate is for, such as api.acme.example")
    target = (identity or names[0]).lower()
    if not force and os.path.lexists(home.identities.path(target)):
        raise AlreadyExists(f"the identity {target!r} is there already", hint="give --force to replace it")
    if profile == "server":
        made = home.authority.issue_server(*names, key_type=key_type, lifetime=lifetime)
    else:
        made = home.authority.issue_client(names[0], *names[1:], key_type=key_type, lifetime=lifetime)
    folder = home.identities.save(target, made, replace=force)
    if as_json:
        json_data(
            {
                "identity": target,
                "thumbprint": made.thumbprint,
                "names": [str(name) for name in made.names],
                "not_after": made.not_after,
                "key": str(folder / "key.pem"),
                "chain": str(folder / "chain.pem"),
                "ca": str(home.path / CA_FILE),
            }
        )
        return
    facts(
        [
            ("thumbprint", made.thumbprint),
            ("names", ", ".join(map(str, made.names))),
            ("until", day(made.not_after)),
            ("key", str(folder / "key.pem")),
            ("chain", str(folder / "chain.pem")),
            ("CA", str(home.path / CA_FILE)),
        ]
    )
    talk()
    if profile == "server":
        talk(f"next:  mutua serve main:app --identity {target}")
    else:
        talk(f"next:  mutua call https://127.0.0.1:8443/ --identity {target}")


@cert.command(name="list")
@click.option("--client", metavar="NAME", help="Only this client's.")
@click.option("--profile", type=click.Choice(["server", "client"]), help="Only of this profile.")
@home_option
@json_option
def list_(home: Home, client: str | None, profile: str | None, *, as_json: bool) -> None:
    """List the certificates that were issued, the newest first.

    \b
    Examples:
      mutua cert list
      mutua cert list --client woovi --json
    """
    now = home.now()
    if client is not None:
        home.clients.get(client)
    found = list(home.authority.certificates(client=client, profile=profile))
    if as_json:
        json_data([_as_json(record, home) for record in found])
    elif found:
        table(
            ["THUMBPRINT", "PROFILE", "CLIENT", "NAMES", "STATE", "UNTIL"],
            [
                (
                    record.thumbprint,
                    record.profile,
                    record.client or "-",
                    ", ".join(record.names),
                    record.state(now).value,
                    day(record.not_after),
                )
                for record in found
            ],
        )
    else:
        talk("no certificates yet: mutua cert issue ...")


@cert.command(context_settings=_THUMBPRINT_FIRST)
@click.argument("certificate")
@click.option("--pem", is_flag=True, help="Print the certificate itself.")
@home_option
@json_option
def show(home: Home, certificate: str, *, pem: bool, as_json: bool) -> None:
    """Show one certificate, by the start of its thumbprint or serial number (6 characters or more).

    \b
    Examples:
      mutua cert show Q3LFby
      mutua cert show Q3LFby --pem
    """
    record = home.authority.certificate(certificate)
    if pem:
        data(record.pem().rstrip())
    elif as_json:
        json_data(_as_json(record, home))
    else:
        facts(_facts(record, home))


@cert.command(context_settings=_THUMBPRINT_FIRST)
@click.argument("certificate")
@click.option("--reason", type=click.Choice(REVOCATION_REASONS), default="unspecified", show_default=True)
@home_option
@json_option
def revoke(home: Home, certificate: str, reason: str, *, as_json: bool) -> None:
    """Refuse a certificate from now on; it cannot be taken back.

    \b
    Examples:
      mutua cert revoke Q3LFby --reason key_compromise
    """
    record = home.authority.revoke(certificate, reason=reason)
    if as_json:
        json_data(_as_json(record, home))
    else:
        data(f"{record.thumbprint} is revoked: its next request is refused")


def _facts(record: CertificateRecord, home: Home) -> list[tuple[str, str]]:
    return [
        ("thumbprint", record.thumbprint),
        ("serial", record.serial),
        ("profile", record.profile),
        ("client", record.client or "-"),
        ("subject", record.subject),
        ("names", ", ".join(record.names)),
        ("issued by", record.authority),
        ("from", day(record.not_before)),
        ("until", day(record.not_after)),
        ("state", record.state(home.now()).value),
    ]


def _as_json(record: CertificateRecord, home: Home) -> dict[str, object]:
    return {
        "thumbprint": record.thumbprint,
        "serial": record.serial,
        "profile": record.profile,
        "client": record.client,
        "subject": record.subject,
        "names": list(record.names),
        "authority": record.authority,
        "not_before": record.not_before,
        "not_after": record.not_after,
        "issued_at": record.issued_at,
        "revoked_at": record.revoked_at,
        "state": record.state(home.now()).value,
    }
