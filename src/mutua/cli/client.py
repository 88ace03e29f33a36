"""``mutua client``: the registry of known clients."""

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, day, facts, json_data, table, talk
from mutua.home.home import Home
from mutua.registry.clients import Client


@click.group()
def client() -> None:
    """The known clients.

    \b
    Examples:
      mutua client add woovi --allow "POST /webhook/*" --allow "GET /status"
      mutua client list
      mutua client suspend woovi        its next request is refused
      mutua client resume woovi
    """


@client.command()
@click.argument("name")
@click.option("--allow", metavar='"METHODS PATH"', multiple=True, help="A grant; may be given several times.")
@home_option
@json_option
def add(home: Home, name: str, allow: tuple[str, ...], *, as_json: bool) -> None:
    """Register a client and what it may call.

    In a path, * is one segment and ** the rest.

    \b
    Examples:
      mutua client add woovi --allow "POST /webhook/*"
      mutua client add bank --allow "GET,POST /pix/**" --allow "GET /status"
    """
    added = home.clients.add(name, allow=allow)
    if as_json:
        json_data(_as_json(added))
    else:
        data(f"{added.name} is registered")
    if not allow:
        talk(f"warning: {name} may call nothing yet: no --allow was given")
    talk(f"next:  mutua cert issue client {name}")


@client.command(name="list")
@home_option
@json_option
def list_(home: Home, *, as_json: bool) -> None:
    """List the known clients.

    \b
    Examples:
      mutua client list
      mutua client list --json
    """
    clients = home.clients.all()
    if as_json:
        json_data([_as_json(each) for each in clients])
    elif clients:
        rows = [(each.name, each.state.value, ", ".join(map(str, each.grants)) or "nothing") for each in clients]
        table(["CLIENT", "STATE", "MAY CALL"], rows)
    else:
        talk("no clients yet: mutua client add NAME --allow ...")


@client.command()
@click.argument("name")
@home_option
@json_option
def show(home: Home, name: str, *, as_json: bool) -> None:
    """Show a client, its grants and its certificates.

    \b
    Examples:
      mutua client show woovi
    """
    found = home.clients.get(name)
    certificates = list(home.authority.certificates(client=name))
    now = home.now()
    if as_json:
        listed = [
            {"thumbprint": each.thumbprint, "state": each.state(now).value, "not_after": each.not_after}
            for each in certificates
        ]
        json_data({**_as_json(found), "certificates": listed})
        return
    facts(
        [
            ("client", found.name),
            ("state", found.state.value),
            *(("may call", str(grant)) for grant in found.grants),
            *(
                ("certificate", f"{each.thumbprint}  {each.state(now).value}  until {day(each.not_after)}")
                for each in certificates
            ),
        ]
    )
    if not found.grants:
        talk("warning: it may call nothing")


@client.command()
@click.argument("name")
@home_option
@json_option
def suspend(home: Home, name: str, *, as_json: bool) -> None:
    """Refuse a client's next request, on every connection it has.

    \b
    Examples:
      mutua client suspend woovi
    """
    _report(home.clients.suspend(name), "is suspended: its next request is refused", as_json=as_json)


@client.command()
@click.argument("name")
@home_option
@json_option
def resume(home: Home, name: str, *, as_json: bool) -> None:
    """Let a suspended client in again.

    \b
    Examples:
      mutua client resume woovi
    """
    _report(home.clients.resume(name), "is active", as_json=as_json)


def _report(changed: Client, text: str, *, as_json: bool) -> None:
    if as_json:
        json_data(_as_json(changed))
    else:
        data(f"{changed.name} {text}")


def _as_json(each: Client) -> dict[str, object]:
    return {
        "name": each.name,
        "state": each.state.value,
        "grants": [str(grant) for grant in each.grants],
        "credentials": [{"kind": credential.kind.value, "value": credential.value} for credential in each.credentials],
    }
