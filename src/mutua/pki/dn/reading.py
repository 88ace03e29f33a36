"""The reader of distinguished names in text, strictly as RFC 4514 section 3."""

import re
from contextlib import suppress

from cryptography import x509

from mutua.errors import InvalidDistinguishedName, UnreadableContents
from mutua.pki.der import read_der
from mutua.pki.dn.attribute_types import READ
from mutua.pki.dn.attributes import Attribute

MAX_DN_CHARACTERS = 8192
"""OpenLDAP's SLAP_LDAPDN_MAXLEN. Open Finance Brasil's names take under 500."""

MAX_ATTRIBUTES = 64
"""Open Finance Brasil's names have ten attributes, those of qualified certificates no more than twenty."""

Rdn = tuple[Attribute, ...]
"""A RelativeDistinguishedName: a set of attributes, in the order in which they are written."""

_TYPE = re.compile(r"([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)=")
_NUMERIC_OID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
_HEXADECIMAL = re.compile(r"#((?:[0-9A-Fa-f]{2})+)(?![0-9A-Fa-f])")
_PAIR = r'\\(?:[\\ "#+,;<=>]|[0-9A-Fa-f]{2})'
_TRAIL = rf'(?:[^\\"+,;<>\x00 ]|{_PAIR})'
_STRING = re.compile(rf'(?:(?!\#){_TRAIL}(?:(?:[^\\"+,;<>\x00]|{_PAIR})*{_TRAIL})?)?')
_PIECE = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)|([^\\]+)", re.DOTALL)
_NOT_PRIMITIVE = 0xE0  # the bits of class and construction in an identifier octet
_HINT = "the most specific first, without spaces between: CN=api.bank.example,O=Bank,C=BR"


def read_rdns(text: str) -> tuple[Rdn, ...]:
    """Read a distinguished name.

    Args:
        text: RFC 4514, at most 8192 characters and 64 attributes. Types are OIDs or names, in any case; values are text
            with its escapes, or ``#`` and BER in hexadecimal.

    Returns:
        The RDNs as they are encoded, the most general first; none for an empty text.

    Raises:
        InvalidDistinguishedName: the message says at which character, counted from 1.
    """
    if len(text) > MAX_DN_CHARACTERS:
        raise _invalid(f"it has {len(text)} characters, and {MAX_DN_CHARACTERS} are the most")
    rdns: list[Rdn] = []
    rdn: list[Attribute] = []
    position, count, separator = 0, 0, "," if text else ""
    while separator:
        attribute, position = _read_attribute(text, position)
        count += 1
        if count > MAX_ATTRIBUTES:
            raise _invalid(f"it has more than {MAX_ATTRIBUTES} attributes")
        if attribute in rdn:
            raise _at(position, text, f"this RDN has the same {attribute.name} twice")
        rdn.append(attribute)
        separator = text[position : position + 1]
        if separator not in {"", ",", "+"}:
            raise _at(position, text, _unexpected(separator))
        if separator != "+":
            rdns.append(in_order(rdn))
            rdn = []
        position += 1
    return tuple(reversed(rdns))


def in_order(rdn: list[Attribute]) -> Rdn:
    """The attributes of an RDN, sorted as they are written: DER's order changes with the string types."""
    return tuple(sorted(rdn, key=str) if len(rdn) > 1 else rdn)


def _read_attribute(text: str, start: int) -> tuple[Attribute, int]:
    """The attribute that begins here, and where it ends."""
    found = _TYPE.match(text, start)
    if found is None:
        raise _at(start, text, "here belongs an attribute type and an equals sign, such as CN= or 2.5.4.97=")
    oid, start = _oid(found[1], text, start), found.end()
    if text.startswith("#", start):
        return _read_hexadecimal(oid, text, start)
    value = _STRING.match(text, start)
    end = value.end() if value else start
    try:
        return Attribute.of_text(oid, _unescaped(text[start:end])), end
    except UnicodeError:
        raise _at(start, text, "the value is not UTF-8 once its escapes are resolved") from None


def _oid(type_: str, text: str, start: int) -> str:
    if not type_[0].isdigit():
        oid = READ.get(type_.lower())
        if oid is None:
            raise _at(start, text, f"no attribute type is called {type_[:40]!r}; give its OID, as in 2.5.4.97=")
        return oid
    if _NUMERIC_OID.fullmatch(type_):
        with suppress(ValueError):
            return x509.ObjectIdentifier(type_).dotted_string
    raise _at(start, text, f"{type_[:40]!r} is not an OID")


def _read_hexadecimal(oid: str, text: str, start: int) -> tuple[Attribute, int]:
    found = _HEXADECIMAL.match(text, start)
    if found is None:
        raise _at(start, text, "behind # belongs BER in hexadecimal; a value that begins with # is written \\#")
    try:
        element = read_der(bytes.fromhex(found[1]))
    except UnreadableContents as error:
        raise _at(start, text, f"the value is not BER: {error.message}") from None
    if not element.tag or element.tag & _NOT_PRIMITIVE:
        raise _at(start, text, f"the tag {element.tag:#04x} is not one of a string in one piece")
    return Attribute(oid, element.tag, element.content), found.end()


def _unescaped(raw: str) -> str:
    octets = bytearray()
    for found in _PIECE.finditer(raw):
        octets += bytes.fromhex(found[1]) if found[1] else (found[2] or found[3]).encode()
    return octets.decode()


def _unexpected(character: str) -> str:
    match character:
        case "\\":
            return "behind a backslash belongs a character that needs it, or two hexadecimal digits"
        case " ":
            return "a value ends here or begins with a space; leave it out, or write it as '\\ '"
        case _:
            return f"{character!r} cannot stand here; in a value it is written \\{ord(character):02x}"


def _at(position: int, text: str, why: str) -> InvalidDistinguishedName:
    seen = f", before {text[position : position + 20]!r}" if position < len(text) else ", at the end"
    return _invalid(f"at character {position + 1}{seen}: {why}")


def _invalid(why: str) -> InvalidDistinguishedName:
    return InvalidDistinguishedName(f"not a distinguished name: {why}", hint=_HINT)
