"""One attribute of a distinguished name: its type and its value, as they are encoded."""

import re
from dataclasses import dataclass

from cryptography import x509

from mutua.pki.der import encode, read_der
from mutua.pki.dn.attribute_types import CASE_IGNORED, IA5, PRINTABLE, SHOWN, WRITTEN
from mutua.pki.dn.preparation import prepare, prohibited

UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
IA5_STRING = 0x16

_CHARACTERS = {
    UTF8_STRING: "utf-8",
    0x12: "ascii",  # NumericString
    PRINTABLE_STRING: "ascii",
    # TeletexString: what stands above ASCII is T.61 in the standard, Latin-1 or UTF-8 in fact, so nobody can tell.
    0x14: "ascii",
    IA5_STRING: "ascii",
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_PRINTABLE_TEXT = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*")
_TO_ESCAPE = re.compile(r'\A[ #]|[\\"+,;<>]| \Z')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute type and value.

    Attributes:
        oid: the type, dotted.
        tag: the identifier octet of the value's ASN.1 type.
        content: the value's contents octets.
    """

    oid: str
    tag: int
    content: bytes

    @classmethod
    def of(cls, attribute: x509.NameAttribute[str | bytes]) -> "Attribute":
        """The one that was read out of a certificate."""
        (rdn,) = read_der(x509.Name([attribute]).public_bytes()).members()
        _type, value = rdn.members()[0].members()
        return cls(attribute.oid.dotted_string, value.tag, value.content)

    @classmethod
    def of_text(cls, oid: str, text: str) -> "Attribute":
        """The value as a certificate is to hold it: in the string type of the attribute's syntax, else UTF8String."""
        if oid in PRINTABLE and _PRINTABLE_TEXT.fullmatch(text):
            return cls(oid, PRINTABLE_STRING, text.encode("ascii"))
        if oid in IA5 and text.isascii():
            return cls(oid, IA5_STRING, text.encode("ascii"))
        return cls(oid, UTF8_STRING, text.encode())

    @property
    def name(self) -> str:
        """What a person calls the type."""
        return SHOWN.get(self.oid, self.oid)

    @property
    def text(self) -> str | None:
        """The value; ``None`` where it is of no string type, or its octets are not what that type says."""
        characters = _CHARACTERS.get(self.tag)
        try:
            return self.content.decode(characters) if characters else None
        except UnicodeDecodeError:
            return None

    @property
    def value(self) -> str:
        """The text, or where there is none ``#`` and the BER in hexadecimal."""
        return self._hexadecimal() if self.text is None else self.text

    def __str__(self) -> str:
        """As RFC 4514 section 2.3 and 2.4: a short name with text, or the OID with ``#`` and the BER."""
        if self.oid not in WRITTEN or self.text is None:
            return f"{WRITTEN.get(self.oid, self.oid)}={self._hexadecimal()}"
        escaped = _TO_ESCAPE.sub(r"\\\g<0>", self.text)
        # These need no escape by the RFC; they have one so that a name is always one line.
        return f"{WRITTEN[self.oid]}={_CONTROL.sub(_in_hexadecimal, escaped)}"

    @property
    def match_key(self) -> str | None:
        """Type and prepared value; those that match have the same. ``None``: it matches nothing."""
        text = self.text
        if text is None or (self.oid in IA5 and not text.isascii()):
            return None
        prepared = prepare(text, fold_case=self.oid in CASE_IGNORED)
        return None if prepared is None else f"{self.oid}={prepared}"

    @property
    def flaw(self) -> str:
        """Why it matches nothing; empty where it may match."""
        if self.match_key is not None:
            return ""
        if self.text is None:
            return f"the value of {self.name} is not text in a string type of ASN.1"
        if self.oid in IA5 and not self.text.isascii():
            return f"the value of {self.name} is not ASCII"
        return f"the value of {self.name} has {prohibited(self.text)}"

    def _hexadecimal(self) -> str:
        return f"#{encode(self.tag, self.content).hex()}"


def _in_hexadecimal(found: re.Match[str]) -> str:
    return f"\\{ord(found[0]):02X}"
