"""``mutua config nginx``."""

import re
from collections.abc import Collection
from pathlib import Path

import click

from mutua.cli.config.nginx_server import NginxServer, Verify
from mutua.cli.options import home_option
from mutua.cli.output import data, printable, talk
from mutua.errors import InvalidAddress, InvalidInput
from mutua.home.client_crls import ClientCrls
from mutua.home.crls import BUNDLE_FILE
from mutua.home.files import PUBLIC_FILE, alone, update_file
from mutua.home.home import CA_FILE, Home
from mutua.pki.certificates import write_pem
from mutua.pki.names import DnsName, IpName, parse_name
from mutua.tls.identity import CHAIN_FILE, KEY_FILE
from mutua.tls.trust import Trust

CLIENT_CAS_FILE = "client-cas.pem"
"""In the home: what clients are verified with, where that is more than its own CAs."""

MAX_SHOWN = 80
"""Characters of a CA's name in a comment."""

_UNIX = re.compile(r"unix:(/[A-Za-z0-9._/@+-]{1,106})")
_TCP = re.compile(r"(https://)?((?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,39}\]):[0-9]{1,5})")
_LISTEN = re.compile(r"(?:(?:[0-9.]{7,15}|\[[0-9A-Fa-f:]{2,39}\]|\*):)?[0-9]{1,5}")
_PATH = re.compile(r"[^\x00-\x1f\x7f\"\\$]+")


@click.command()
@click.option("--server-name", "name", required=True, metavar="NAME", help="What clients call the server.")
@click.option("--identity", metavar="NAME", help="The server's identity; the server's name when not given.")
@click.option("--listen", metavar="[HOST:]PORT", default="443", show_default=True)
@click.option(
    "--upstream",
    metavar="ADDRESS",
    default="unix:/run/mutua/app.sock",
    show_default=True,
    help="The application: unix:PATH, HOST:PORT, or https://HOST:PORT with --proxy-identity.",
)
@click.option("--proxy-identity", metavar="NAME", help="What nginx itself shows to an application on https.")
@click.option(
    "--verify",
    type=click.Choice([each.value for each in Verify]),
    show_default="on; optional where mutua.toml has public paths",
    help="What nginx does by itself: refuse whoever has no good certificate (on); let those without any pass, to be "
    "refused with a reason (optional); leave it all to mutua (optional_no_ca).",
)
@home_option
def nginx(
    home: Home,
    name: str,
    identity: str | None,
    listen: str,
    upstream: str,
    proxy_identity: str | None,
    verify: str | None,
) -> None:
    """Write a server for nginx that demands client certificates and forwards them to mutua.

    It goes inside http { }, such as into conf.d. Write it anew and reload nginx when a partner is registered.

    \b
    Examples:
      mutua config nginx --server-name api.acme.example --upstream unix:/run/acme/api.sock
      mutua config nginx --server-name api.acme.example > /etc/nginx/conf.d/api.conf
      mutua config nginx --server-name api.acme.example --upstream https://127.0.0.1:8443 --proxy-identity edge
    """
    trust, mode = home.trust_in_clients, _mode(home, verify)
    unix, tcp = _UNIX.fullmatch(upstream), _TCP.fullmatch(upstream)
    if unix is None and tcp is None:
        raise InvalidAddress(f"{upstream[:80]!r} is no upstream", hint="unix:/run/acme/api.sock, or 127.0.0.1:8000")
    is_tls = tcp is not None and tcp[1] is not None
    if is_tls != (proxy_identity is not None):
        raise InvalidInput(
            "over https the proxy shows a certificate of its own, and else none",
            hint="--upstream https://HOST:PORT --proxy-identity NAME",
        )
    is_verifying = mode is not Verify.OPTIONAL_NO_CA
    # As they may stand in a comment: they are names that others have chosen.
    uncovered = [printable(each)[:MAX_SHOWN] for each in ClientCrls(home).uncovered()] if is_verifying else []
    server = NginxServer(
        name=_host(name),
        listen=_listen(listen),
        chain=_path(home.identities.find(identity or name) / CHAIN_FILE),
        key=_path(home.identities.find(identity or name) / KEY_FILE),
        client_cas=_path(_client_cas(home, trust)),
        crl=_crl(home, trust, uncovered) if is_verifying else None,
        uncovered=uncovered,
        verify=mode,
        upstream=upstream if tcp is None else tcp[2],
        own_cas=_path(home.path / CA_FILE) if is_tls else None,
        proxy=(proxy_identity, _path(home.identities.find(proxy_identity))) if proxy_identity else None,
    )
    data(server.text())


def _mode(home: Home, wanted: str | None) -> Verify:
    public = home.settings.public
    if wanted is None:
        return Verify.OPTIONAL if public else Verify.ON
    if public and Verify(wanted) is Verify.ON:
        talk(f"warning: nginx will demand a certificate for what is public too, such as {public[0]}")
    return Verify(wanted)


def _client_cas(home: Home, trust: Trust) -> Path:
    """The file of what clients are verified with; mutua keeps ``ca.pem`` up to date by itself."""
    foreign = trust.partners + trust.intermediates
    if not foreign:
        return home.path / CA_FILE
    with alone(home.path):
        update_file(home.path / CLIENT_CAS_FILE, write_pem(trust.anchors + foreign), mode=PUBLIC_FILE)
    talk(f"mutua: wrote '{home.path / CLIENT_CAS_FILE}': do this again when a partner is registered, and reload nginx")
    if any(each.subject != each.issuer for each in trust.partners):
        talk(
            "warning: nginx ends a path at self-signed certificates only, and some partners are known by others: "
            "--verify optional_no_ca leaves the verdict to mutua"
        )
    return home.path / CLIENT_CAS_FILE


def _crl(home: Home, trust: Trust, uncovered: Collection[str]) -> str | None:
    """The revocation lists, where nginx can use them: once it has any, it wants one of every CA."""
    home.crls.publish_due()
    home.crls.write_files()
    bundle = home.crls.folder / BUNDLE_FILE
    if not bundle.is_file():
        talk(
            "warning: without ssl_crl, for nginx cannot read lists that are cut into parts; mutua itself refuses what "
            "is revoked"
        )
        return None
    if uncovered:
        talk(
            "warning: without ssl_crl, for nginx would refuse everybody below a partner's CA whose list is not here; "
            "mutua itself refuses what is revoked. See which lists are here: mutua client crls"
        )
        return None
    if not trust.partners:
        return _path(bundle)
    lists = ClientCrls(home)
    lists.write()
    return _path(lists.path)


def _host(text: str) -> str:
    parsed = parse_name(text)
    if not isinstance(parsed, DnsName | IpName):
        raise InvalidInput(f"{text[:80]!r} is no name of a server", hint="such as api.acme.example")
    return str(parsed)


def _listen(text: str) -> str:
    if not _LISTEN.fullmatch(text) or not 1 <= int(text.rpartition(":")[2]) <= 65535:
        raise InvalidAddress(f"{text[:80]!r} cannot be listened on", hint="give a port, or an address and a port")
    return text


def _path(path: Path) -> str:
    """A path as it stands between quotes in nginx's settings, where a dollar would begin a variable."""
    text = str(path.absolute())
    if not _PATH.fullmatch(text):
        raise InvalidInput(
            f"nginx cannot read the path '{text}'", hint="move the home: no quotes, dollars or backslashes"
        )
    return text
