"""Base64, percent-encoding and PEM as proxies write them into headers. One spelling for each value, no second."""

import binascii

from mutua.inbound.forwarded.certificate import malformed
from mutua.pki.chains import MAX_GIVEN
from mutua.pki.pem import write_pem_block

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
_ESCAPES = ((b"%20", b" "), (b"%0A", b"\n"), (b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="))
"""All that PEM has besides letters, digits and hyphens."""

_BEGIN = b"-----BEGIN CERTIFICATE-----\n"
_END = b"-----END CERTIFICATE-----\n"


def base64_decoded(name: str, text: bytes) -> bytes:
    """Base64 with padding and nothing else (RFC 4648 section 4); the bits that no byte needs are zero.

    Args:
        name: the header that it comes from, for the error.
        text: no white space, not the URL-safe alphabet.

    Raises:
        MalformedForward: it is another thing.
    """
    try:
        data = binascii.a2b_base64(text)
    except binascii.Error:
        data = b""
    if not data or binascii.b2a_base64(data, newline=False) != text:
        raise malformed(name, "holds no base64")
    return data


def percent_decoded(name: str, text: bytes, *, raw: bytes = b"") -> bytes:
    """Percent-encoded PEM (RFC 3986 section 2.1): capital digits, no letter or digit escaped, ``+`` never a space.

    Args:
        name: the header that it comes from, for the error.
        text: what the header holds.
        raw: of ``+/=`` those that this proxy may leave as they are.

    Raises:
        MalformedForward: a character is escaped that need not be, or stands there and should be escaped.
    """
    if text.translate(None, _UNRESERVED + raw + b"%"):
        raise malformed(name, "is not percent-encoded as this proxy does it")
    for escape, character in _ESCAPES:
        text = text.replace(escape, character)
    if b"%" in text:
        raise malformed(name, "has a percent sign that begins no escape of PEM")
    return text


def pem_certificates(name: str, text: bytes) -> tuple[bytes, ...]:
    """The certificates of PEM in the strict form that all proxies write (RFC 7468 section 3), in DER.

    Args:
        name: the header that it comes from, for the error.
        text: one block or several, lines of 64, nothing before, between or behind them.

    Raises:
        MalformedForward: it is not that, or they are too many.
    """
    *blocks, rest = text.split(_END, MAX_GIVEN + 2)
    if rest or not blocks:
        raise malformed(name, "is not PEM from one BEGIN CERTIFICATE to the last END CERTIFICATE")
    return tuple(_certificate(name, block) for block in blocks)


def _certificate(name: str, block: bytes) -> bytes:
    der = base64_decoded(name, block.removeprefix(_BEGIN).replace(b"\n", b""))
    if write_pem_block("CERTIFICATE", der) != block + _END:
        raise malformed(name, "is not PEM with lines of 64 characters")
    return der
