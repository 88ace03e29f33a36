"""What each proxy writes, written by other means than those that read it."""

import base64
import hashlib
import ssl
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from mutua.inbound.forwarded.alb import Alb, Mode
from mutua.inbound.forwarded.apache import Apache
from mutua.inbound.forwarded.dialects import Dialect
from mutua.inbound.forwarded.haproxy import HaProxy
from mutua.inbound.forwarded.nginx import Nginx
from mutua.inbound.forwarded.rfc9440 import Rfc9440
from mutua.inbound.forwarded.traefik import Traefik
from mutua.inbound.forwarded.xfcc import Xfcc
from mutua.pki.certificates import write_der
from mutua.pki.keys import KeyType
from tests.pki.hierarchy import client, issuing_ca, root

Lines = dict[str, list[bytes]]

LEAF, OTHER_LEAF = write_der(client().certificate), write_der(client(KeyType.RSA2048).certificate)
ISSUER, ROOT = write_der(issuing_ca().certificate), write_der(root().certificate)


class Case(NamedTuple):
    """A dialect, and how its proxy writes a leaf with the others behind it.

    Attributes:
        main: the header with the leaf.
        none: what the proxy sends where there is no certificate.
        carries_chain: whether it sends more than the leaf.
    """

    dialect: Dialect
    write: Callable[..., Lines]
    main: str
    none: tuple[Lines, ...]
    carries_chain: bool = True


def b64(der: bytes) -> bytes:
    return base64.b64encode(der)


def pem(*ders: bytes) -> str:
    return "".join(map(ssl.DER_cert_to_PEM_cert, ders))


def escaped(*ders: bytes) -> bytes:
    return quote(pem(*ders), safe="").encode()


def rfc9440(leaf: bytes, *chain: bytes) -> Lines:
    lines = {"client-cert": [b":%b:" % b64(leaf)]}
    return lines | ({"client-cert-chain": [b", ".join(b":%b:" % b64(each) for each in chain)]} if chain else {})


def xfcc(leaf: bytes, *chain: bytes) -> Lines:
    return {"x-forwarded-client-cert": [element(leaf, *chain)]}


def element(leaf: bytes, *chain: bytes) -> bytes:
    subject = b'CN=woovi,O=Acme \\"Pay\\"\\, Inc\\\\'
    values = hashlib.sha256(leaf).hexdigest().encode(), escaped(leaf), escaped(leaf, *chain), subject
    return b'Hash=%b;Cert="%b";Chain="%b";Subject="%b";URI=spiffe://acme.example/pay;DNS=woovi' % values


def nginx(leaf: bytes, *_: bytes) -> Lines:
    return {"ssl-client-cert": [escaped(leaf)], "ssl-client-verify": [b"SUCCESS"]}


def alb(leaf: bytes, *_: bytes) -> Lines:
    return {"x-amzn-mtls-clientcert-leaf": [quote(pem(leaf), safe="+/=").encode()]}


def alb_passthrough(*ders: bytes) -> Lines:
    return {"x-amzn-mtls-clientcert": [quote(pem(*ders), safe="+/=").encode()]}


def traefik(*ders: bytes) -> Lines:
    return {"x-forwarded-tls-client-cert": [b",".join(map(b64, ders))]}


def old_traefik(*ders: bytes) -> Lines:
    return {"x-forwarded-tls-client-cert": [b",".join(quote_plus(b64(each)).encode() for each in ders)]}


def haproxy(leaf: bytes, *chain: bytes) -> Lines:
    return {"x-ssl-client-cert": [b64(leaf)], "x-ssl-client-chain": [b64(b"".join(chain))]}


def apache(leaf: bytes, *chain: bytes) -> Lines:
    names = ["x-ssl-client-cert", *(f"x-ssl-client-cert-chain-{number}" for number in range(len(chain) + 1))]
    blocks = [*(pem(each).replace("\n", " ").encode() for each in (leaf, *chain)), b"(null)"]
    return {name: [block] for name, block in zip(names, blocks, strict=True)}


ABSENT: Lines = {}
CASES = {
    "rfc9440": Case(Rfc9440(), rfc9440, "client-cert", (ABSENT,)),
    "xfcc": Case(Xfcc(), xfcc, "x-forwarded-client-cert", (ABSENT,)),
    "xfcc-append": Case(Xfcc(append=True), xfcc, "x-forwarded-client-cert", (ABSENT,)),
    "nginx": Case(Nginx(), nginx, "ssl-client-cert", (ABSENT, {"ssl-client-verify": [b"NONE"]}), carries_chain=False),
    "alb": Case(Alb(), alb, "x-amzn-mtls-clientcert-leaf", (ABSENT,), carries_chain=False),
    "alb-passthrough": Case(Alb(Mode.PASSTHROUGH), alb_passthrough, "x-amzn-mtls-clientcert", (ABSENT,)),
    "traefik": Case(Traefik(), traefik, "x-forwarded-tls-client-cert", (ABSENT,)),
    "old traefik": Case(Traefik(), old_traefik, "x-forwarded-tls-client-cert", (ABSENT,)),
    "haproxy": Case(
        HaProxy(), haproxy, "x-ssl-client-cert", (ABSENT, {"x-ssl-client-cert": [b""], "x-ssl-client-chain": [b""]})
    ),
    "apache": Case(
        Apache(),
        apache,
        "x-ssl-client-cert",
        (ABSENT, {"x-ssl-client-cert": [b"(null)"], "x-ssl-client-cert-chain-0": [b"(null)"]}),
    ),
}
