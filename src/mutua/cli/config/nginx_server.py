"""A server for nginx, as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mutua.inbound.forwarded.dialects import DIALECTS
from mutua.pki.chains import MAX_DEPTH
from mutua.tls.identity import CHAIN_FILE, KEY_FILE


class Verify(StrEnum):
    """``ssl_verify_client``."""

    ON = "on"
    OPTIONAL = "optional"
    OPTIONAL_NO_CA = "optional_no_ca"


@dataclass(frozen=True, slots=True, kw_only=True)
class NginxServer:
    """What the text is made of; every path is absolute and fit to stand between quotes.

    Attributes:
        name: of the server.
        listen: as ``listen`` wants it.
        chain, key: of the server.
        client_cas: what clients are verified with.
        crl: a revocation list of every one of these; ``None`` where there cannot be one.
        uncovered: names of partners' CAs whose list is missing, fit for a comment.
        verify: what nginx does by itself.
        upstream: ``unix:PATH`` or ``HOST:PORT``.
        own_cas: what the application's own certificate is verified with; ``None`` where there is no TLS up there.
        proxy: the name and folder of the identity that nginx shows there.
    """

    name: str
    listen: str
    chain: str
    key: str
    client_cas: str
    crl: str | None
    uncovered: Sequence[str]
    verify: Verify
    upstream: str
    own_cas: str | None
    proxy: tuple[str, str] | None

    def text(self) -> str:
        """The settings, for inside ``http { }``."""
        tag = "".join(character if character.isalnum() else "_" for character in self.name)
        scheme = "https" if self.proxy else "http"
        return _TEXT.format(
            statement=self._statement(),
            name=self.name,
            listen=self.listen,
            chain=self.chain,
            key=self.key,
            verify=self.verify.value,
            depth=MAX_DEPTH,
            client_cas=self.client_cas,
            crl=self._crl(),
            upstream=self.upstream,
            tag=f"mutua_{tag}",
            scheme=scheme,
            strip="\n".join(f'    proxy_set_header {name} "";' for name in _stripped()),
            above=self._above(),
        )

    def _crl(self) -> str:
        if self.crl:
            return _CRL.format(crl=self.crl)
        missing = "".join(f"\n    #     {name}" for name in self.uncovered)
        return _NO_CRL + (_UNCOVERED.format(names=missing) if missing else "")

    def _statement(self) -> str:
        if self.proxy:
            return f'certificate = "{self.proxy[0]}"'
        if self.upstream.startswith("unix:"):
            return "unix_socket = true"
        return "addresses = [\"10.0.0.5\"]     # nginx's own, as the application's machine sees it"

    def _above(self) -> str:
        if self.proxy is None or self.own_cas is None:
            return ""
        _, folder = self.proxy
        return _TLS_ABOVE.format(folder=folder, chain=CHAIN_FILE, key=KEY_FILE, cas=self.own_cas, name=self.name)


def _stripped() -> list[str]:
    """The headers of every dialect but those set here, and the same with underscores: CGI cannot tell them apart."""
    ours = DIALECTS["nginx"]().headers
    names = sorted({name for maker in DIALECTS.values() for name in maker().headers})
    spelled = [spelling for name in names for spelling in (name, name.replace("-", "_"))]
    return [each for each in dict.fromkeys(spelled) if each.replace("_", "-") not in ours]


_CRL = """\
    # The revocation lists of every CA above; mutua keeps the file current. nginx reads it when it starts and when it is
    # reloaded: reload it once a day, and every hour where partners have lists in it, or it refuses everybody below a CA
    # whose list has run out. Until then mutua refuses by itself, request by request, what was revoked meanwhile.
    ssl_crl "{crl}";"""

_NO_CRL = """\
    # No ssl_crl: mutua refuses what is revoked by itself, request by request."""

_UNCOVERED = """
    # With one, nginx would refuse everybody below a CA whose current list it lacks. It would lack those of:{names}
    # Have them fetched (mutua client trust NAME --ca FILE --crl URL; mutua client crls), and write this anew."""

_TLS_ABOVE = """
    # What nginx shows to the application, and how it knows the application.
    proxy_ssl_certificate "{folder}/{chain}";
    proxy_ssl_certificate_key "{folder}/{key}";
    proxy_ssl_trusted_certificate "{cas}";
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 8;
    proxy_ssl_name {name};
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
"""

_TEXT = """\
# nginx in front of an application that mutua serves. It belongs inside http {{ }}.
#
# mutua.toml says that nginx may tell who the client is:
#
#     [forwarded]
#     dialect = "nginx"
#     {statement}

upstream {tag} {{
    server {upstream};
    keepalive 32;
}}

map $http_upgrade ${tag}_connection {{
    ""      "";
    default upgrade;
}}

server {{
    listen {listen} ssl;
    server_name {name};

    ssl_certificate "{chain}";
    ssl_certificate_key "{key}";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;

    # A resumed session is not verified again, and may begin in another server of this nginx (CVE-2025-23419).
    ssl_session_tickets off;
    ssl_session_cache off;

    ssl_verify_client {verify};
    ssl_verify_depth {depth};
    ssl_client_certificate "{client_cas}";
{crl}

    # Nothing that only looks like one of our headers. Both count for the first server on an address: say it there too.
    underscores_in_headers off;
    ignore_invalid_headers on;

    # Who the client is. A client's own copies are replaced, and where it has shown no certificate they are left out.
    proxy_set_header ssl-client-cert   $ssl_client_escaped_cert;
    proxy_set_header ssl-client-verify $ssl_client_verify;

    # Whatever else could pass for a certificate is taken away.
    proxy_set_header ssl_client_cert "";
    proxy_set_header ssl_client_verify "";
{strip}

    proxy_set_header Host              $host;
    proxy_set_header X-Forwarded-For   $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Forwarded         "";
    proxy_set_header Upgrade           $http_upgrade;
    proxy_set_header Connection        ${tag}_connection;
    proxy_http_version 1.1;
{above}
    # A proxy_set_header inside a location takes all of these away from it.
    location / {{
        # Without a path behind it: the application sees the path as it was sent.
        proxy_pass {scheme}://{tag};
    }}
}}
"""
