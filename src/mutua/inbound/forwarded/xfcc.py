"""Envoy: ``x-forwarded-client-cert`` (XFCC), with ``forward_client_cert_details: SANITIZE_SET`` and ``cert: true``.

Elements with commas between them, one for each proxy; in each, ``key=value`` with semicolons between them. Envoy quotes
``Cert``, ``Chain`` and ``Subject``, and writes ``URI`` and ``DNS`` out of the client's certificate as they are, commas
and semicolons included (envoy#32945): a client may so write whole pairs and elements, behind those of Envoy.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from mutua.inbound.forwarded.certificate import ForwardedCertificate, malformed
from mutua.inbound.forwarded.decoding import pem_certificates, percent_decoded
from mutua.inbound.forwarded.fields import Fields, Values

XFCC = "x-forwarded-client-cert"

MAX_PAIRS = 1000
"""Of all elements together. In Envoy's there are five, and one for each name in the certificate."""

_PAIR = re.compile(rb'([A-Za-z]+)=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^",; ]*+))([,;]|\Z)')
_HASH = re.compile(rb"[0-9a-f]{64}")
_ONCE = frozenset({"hash", "cert", "chain", "subject"})
_UNQUOTED_BY_ENVOY = frozenset({"uri", "dns"})
_KEYS = _ONCE | _UNQUOTED_BY_ENVOY | {"by"}


class Pair(NamedTuple):
    """A key, lower-case, and its value, without the quotes around it and with the escapes in it."""

    key: str
    value: bytes
    quoted: bool


Element = tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Xfcc:
    """Envoy, and the meshes made of it.

    Args:
        append: Envoy is set to ``APPEND_FORWARD``: the last of several elements is its own. Those before it may then
            have no ``URI`` and no ``DNS``, or nobody could tell who wrote the last.
    """

    append: bool = False
    name: ClassVar[str] = "xfcc"
    headers: ClassVar[tuple[str, ...]] = (XFCC,)

    def read(self, values: Values) -> ForwardedCertificate | None:
        """The certificate, or ``None`` where the proxy says that there is none.

        Raises:
            MalformedForward: it is not XFCC, has several elements, has no certificate, or its hash is another's.
        """
        text = Fields.take(values, self.headers).one(XFCC)
        if not text:
            return None
        *earlier, element = _elements(text)
        if earlier and not self.append:
            hint = "set Envoy's forward_client_cert_details to SANITIZE_SET"
            raise malformed(XFCC, f"has {1 + len(earlier)} elements", hint=hint)
        if any(pair.key in _UNQUOTED_BY_ENVOY for each in earlier for pair in each):
            hint = "leave uri and dns out of set_current_client_cert_details, or use SANITIZE_SET"
            raise malformed(
                XFCC, "has URI or DNS before its last element, where a client can forge what follows", hint=hint
            )
        return _certificate(element)


def _elements(text: bytes) -> list[Element]:
    elements: list[list[Pair]] = [[]]
    place, separator, pairs = 0, b";", 0
    while separator:
        found = _PAIR.match(text, place)
        pairs += 1
        if found is None or pairs > MAX_PAIRS:
            raise malformed(XFCC, f"is not XFCC of at most {MAX_PAIRS} pairs, from byte {place} on")
        key, quoted, plain, separator = found.groups()
        elements[-1].append(Pair(key.decode().lower(), plain if quoted is None else quoted, quoted is not None))
        if separator == b",":
            elements.append([])
        place = found.end()
    return [tuple(each) for each in elements]


def _certificate(element: Element) -> ForwardedCertificate:
    keys = [pair.key for pair in element]
    if not _KEYS.issuperset(keys):
        raise malformed(XFCC, "has a key that Envoy does not write")
    if any(keys.count(key) > 1 for key in _ONCE):
        raise malformed(XFCC, "has a key twice that Envoy writes once")
    values = {pair.key: pair for pair in element}
    cert, whole = (_pem(values[key]) if key in values else () for key in ("cert", "chain"))
    if not cert and not whole:
        hint = 'set "cert: true" in Envoy\'s set_current_client_cert_details'
        raise malformed(XFCC, "has no Cert", hint=hint)
    if len(cert) > 1 or (cert and whole and cert[0] != whole[0]):
        raise malformed(XFCC, "has a Cert that is not the first certificate of its Chain")
    leaf = (cert or whole)[0]
    if "hash" in values and not _is_hash_of(values["hash"].value, leaf):
        raise malformed(XFCC, "has a Hash that is not the SHA-256 of its certificate")
    return ForwardedCertificate(leaf, whole[1:])


def _pem(pair: Pair) -> tuple[bytes, ...]:
    if not pair.quoted:
        raise malformed(XFCC, f"has a {pair.key} without quotes")
    return pem_certificates(XFCC, percent_decoded(XFCC, pair.value))


def _is_hash_of(text: bytes, der: bytes) -> bool:
    return _HASH.fullmatch(text) is not None and hashlib.sha256(der).hexdigest().encode() == text
