"""A distinguished name, from a certificate or from text."""

from dataclasses import dataclass
from itertools import islice

from cryptography import x509

from mutua.errors import InvalidDistinguishedName
from mutua.pki.dn.attributes import Attribute
from mutua.pki.dn.reading import MAX_ATTRIBUTES, MAX_DN_CHARACTERS, Rdn, in_order, read_rdns

# Control characters: no prepared value has one.
_BETWEEN_ATTRIBUTES = "\x1f"
_BETWEEN_RDNS = "\x1e"


@dataclass(frozen=True, slots=True)
class DistinguishedName:
    """A distinguished name (X.501).

    Two are ``==`` when they are encoded the same. Whether they name the same is what ``matches`` says.

    Attributes:
        rdns: as they are encoded, the most general first.
    """

    rdns: tuple[Rdn, ...]

    @classmethod
    def of(cls, name: x509.Name) -> "DistinguishedName":
        """The name in a certificate, a request or a CRL.

        It raises nothing, however long the name is. Of one with more than 64 attributes, which matches nothing, the
        first 65 are kept.
        """
        rdns: list[Rdn] = []
        left = MAX_ATTRIBUTES + 1
        for rdn in islice(name.rdns, left):
            kept = list(islice(rdn, left))
            if kept:
                rdns.append(in_order([Attribute.of(each) for each in kept]))
                left -= len(kept)
        return cls(tuple(rdns))

    @classmethod
    def parse(cls, text: str) -> "DistinguishedName":
        """Read one from text.

        Args:
            text: RFC 4514, at most 8192 characters and 64 attributes, as ``CN=api.bank.example,O=Bank,C=BR``. Types are
                OIDs or names, in any case; values are text with its escapes, or ``#`` and BER in hexadecimal.

        Raises:
            InvalidDistinguishedName: the message says at which character.
        """
        return cls(read_rdns(text))

    def __str__(self) -> str:
        """RFC 4514 as Open Finance Brasil wants it: most specific first, names of its section 3 alone, else OIDs."""
        return ",".join("+".join(map(str, rdn)) for rdn in reversed(self.rdns))

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """All of them, the most general first."""
        return tuple(each for rdn in self.rdns for each in rdn)

    @property
    def match_key(self) -> str | None:
        """One text for all names that match each other, the same in every version of Python; for looking them up.

        Returns:
            ``None`` for a name that matches nothing: ``flaw`` says why.
        """
        if self._excess():
            return None
        rdns = []
        for rdn in self.rdns:
            keys = [key for each in rdn if (key := each.match_key) is not None]
            if len(keys) != len(rdn):
                return None
            rdns.append(_BETWEEN_ATTRIBUTES.join(sorted(keys)))
        return _BETWEEN_RDNS.join(rdns)

    def matches(self, other: "DistinguishedName") -> bool:
        """Whether both name the same (RFC 4517 section 4.2.15, distinguishedNameMatch).

        The RDNs are compared in their order, the attributes in one as a set; values as caseIgnoreMatch, whichever
        string type they are in. An empty name, one above the limits of ``parse`` and one with prohibited characters
        match nothing, not even themselves.
        """
        key = self.match_key
        return key is not None and key == other.match_key

    @property
    def flaw(self) -> str:
        """Why it matches nothing; empty where it may match."""
        return self._excess() or next(filter(None, (each.flaw for each in self.attributes)), "")

    def require_key(self) -> str:
        """The ``match_key`` of a name that somebody is to be known by.

        Raises:
            InvalidDistinguishedName: it would match nothing.
        """
        key = self.match_key
        if key is None:
            raise InvalidDistinguishedName(
                f"nobody can be known by this name: {self.flaw}", hint="take another name, or pin the certificate"
            )
        return key

    def _excess(self) -> str:
        if not self.rdns:
            return "it is empty"
        if sum(map(len, self.rdns)) > MAX_ATTRIBUTES:
            return f"it has more than {MAX_ATTRIBUTES} attributes"
        if len(str(self)) > MAX_DN_CHARACTERS:
            return f"it has more than {MAX_DN_CHARACTERS} characters"
        return ""
