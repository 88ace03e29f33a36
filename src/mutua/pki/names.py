"""The names a certificate carries in its SubjectAltName, from and to plain text.

Accepted forms, each told by its look:

=====================================  ===========================================================
``api.acme.example``, ``localhost``    DNS name: letters, digits, hyphens; 63 a label, 253 in all
``*.acme.example``                     wildcard: the whole first label, above at least two others
``bücher.example``                     international DNS name, kept as its A-label (RFC 5891)
``127.0.0.1``, ``::1``                 IP address, v4 or v6, without brackets or zone
``spiffe://acme.example/pay``          URI with an authority: a domain of two labels or more, or an IP
``urn:uuid:5d2c...``                   URN (RFC 8141)
``ops@acme.example``                   e-mail address with an ASCII local part (RFC 5280 section 4.2.1.6)
=====================================  ===========================================================

Anything else is an ``InvalidName``. Domains are compared and stored in lower case.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import idna
from cryptography import x509

from mutua.errors import InvalidName

MAX_NAME_LENGTH = 2048
"""Longer than any DNS name (253) or e-mail address (254); the common limit for a URI."""

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # what URL parsers take for the end of an IPv4 address, however written
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_URI_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]:[^#?\[\]]+", re.IGNORECASE)
_FORMS = "give a DNS name, an IP address, a URI such as spiffe://acme.example/pay, or an e-mail address"


@dataclass(frozen=True, slots=True)
class DnsName:
    """A DNS name in A-label form and lower case, possibly a wildcard."""

    value: str

    def __str__(self) -> str:
        return self.value

    def general_name(self) -> x509.GeneralName:
        return x509.DNSName(self.value)


@dataclass(frozen=True, slots=True)
class IpName:
    """An IPv4 or IPv6 address."""

    value: ipaddress.IPv4Address | ipaddress.IPv6Address

    def __str__(self) -> str:
        return str(self.value)

    def general_name(self) -> x509.GeneralName:
        return x509.IPAddress(self.value)


@dataclass(frozen=True, slots=True)
class UriName:
    """An absolute URI."""

    value: str

    def __str__(self) -> str:
        return self.value

    def general_name(self) -> x509.GeneralName:
        return x509.UniformResourceIdentifier(self.value)


@dataclass(frozen=True, slots=True)
class EmailName:
    """An e-mail address, its domain in A-label form and lower case."""

    value: str

    def __str__(self) -> str:
        return self.value

    def general_name(self) -> x509.GeneralName:
        return x509.RFC822Name(self.value)


Name = DnsName | IpName | UriName | EmailName


def parse_name(text: str) -> Name:
    """Read one name from plain text; the accepted forms stand at the head of this module.

    Raises:
        InvalidName: it has none of these forms; the message says which rule it breaks.
    """
    if not text or len(text) > MAX_NAME_LENGTH:
        raise InvalidName(f"a name has 1 to {MAX_NAME_LENGTH} characters, not {len(text)}", hint=_FORMS)
    if any(character.isspace() or not character.isprintable() for character in text):
        raise _invalid(text, "it contains a space or a control character")
    if "://" in text or text[:4].lower() == "urn:":
        return UriName(_uri(text))
    if "@" in text:
        return EmailName(_email(text))
    try:
        return IpName(_ip(text))
    except ValueError:
        return DnsName(_dns(text, text))


def name_of(general_name: x509.GeneralName) -> Name | None:
    """The typed name of a SubjectAltName entry read from a certificate; ``None`` for kinds mutua does not use."""
    match general_name:
        case x509.DNSName(value=value):
            return DnsName(value.lower())
        case x509.UniformResourceIdentifier(value=value):
            return UriName(value)
        case x509.RFC822Name(value=value):
            return EmailName(value)
        case x509.IPAddress(value=ipaddress.IPv4Address() | ipaddress.IPv6Address() as value):
            return IpName(value)
        case _:
            return None


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise _invalid(text, "a certificate cannot name the zone of an IPv6 address")
    return address


def _dns(domain: str, text: str, *, wildcard: bool = True) -> str:
    """``domain`` in A-label form; ``text`` is the whole name, for the message."""
    star, base = ("*.", domain[2:]) if wildcard and domain.startswith("*.") else ("", domain)
    if base.endswith("."):
        raise _invalid(text, "it ends with a dot")
    try:
        ascii_form = idna.encode(base, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, ValueError):
        raise _invalid(text, "it is not a DNS name") from None
    labels = ascii_form.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(star + ascii_form) > 253:
        raise _invalid(text, "a DNS name has labels of 1 to 63 letters, digits and hyphens, 253 characters in all")
    if _NUMBER.fullmatch(labels[-1]):
        raise _invalid(text, "it looks like an IP address and is not one")
    if star and len(labels) < 2:
        raise _invalid(text, "a wildcard stands above at least two labels, as in *.acme.example")
    return star + ascii_form


def _uri(text: str) -> str:
    if not _URI_CHARACTERS.fullmatch(text) or _BAD_ESCAPE.search(text):
        raise _invalid(text, "a URI has ASCII characters only, others percent-encoded (RFC 3986)")
    if text[:4].lower() == "urn:":
        if not _URN.fullmatch(text):
            raise _invalid(text, "a URN looks like urn:uuid:... (RFC 8141)")
        return text
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _invalid(text, "its authority cannot be read") from None
    if not _SCHEME.fullmatch(parts.scheme) or not host:
        raise _invalid(text, "a URI needs a scheme and a host")
    try:
        _ip(host)
    except ValueError:
        if "[" in parts.netloc:
            raise _invalid(text, "brackets hold an IPv6 address") from None
        if "." not in _dns(host, text, wildcard=False):
            raise _invalid(text, f"the host {host!r} must be a domain, as in spiffe://{host}.example/") from None
    return text


def _email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if not _LOCAL_PART.fullmatch(local) or len(local) > 64:
        raise _invalid(text, "the part before @ is 1 to 64 ASCII characters, unquoted")
    if ":" in domain or "*" in domain:
        raise _invalid(text, "the part after @ must be a domain")
    return f"{local}@{_dns(domain, text, wildcard=False)}"


def _invalid(text: str, why: str) -> InvalidName:
    return InvalidName(f"{text[:80]!r} is not a name for a certificate: {why}", hint=_FORMS)
