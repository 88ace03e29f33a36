"""Where a key in a token is, as a ``pkcs11:`` URI (RFC 7512). A PIN is never part of it."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from mutua.errors import UnreadableKey

SCHEME = "pkcs11:"

MAX_URI_CHARACTERS = 4096
"""A token's label has 32 bytes, a key's identifier seldom more than 20; all of it escaped is under 1,000."""

_SPECIAL = ":[]@!$'()*+,=&"
"""What pk11-path-res-avail leaves unescaped besides the unreserved (RFC 7512 section 2.3)."""

_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*")
_KNOWN = frozenset({"token", "object", "id", "type"})
_HINT = "restore the store from a backup"


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A private key in a token.

    Attributes:
        token: the token's label.
        label: the key's label (CKA_LABEL).
        identifier: the key's identifier (CKA_ID), any bytes.
    """

    token: str
    label: str
    identifier: bytes

    def __str__(self) -> str:
        # An identifier is escaped as a whole: RFC 7512 section 2.3.
        identifier = "".join(f"%{byte:02X}" for byte in self.identifier)
        token, label = quote(self.token, safe=_SPECIAL), quote(self.label, safe=_SPECIAL)
        return f"{SCHEME}token={token};object={label};id={identifier};type=private"

    @classmethod
    def parse(cls, text: str) -> "TokenUri":
        """Read a URI; attributes may come in any order, each once, and ``type`` may be left out.

        Raises:
            UnreadableKey: not such a URI, or one that says more or less than which private key in which token.
        """
        attributes = _attributes(text)
        try:
            token, label = (attributes[name].decode() for name in ("token", "object"))
            identifier = attributes["id"]
        except KeyError as error:
            raise _unreadable(f"it has no {error}") from None
        except UnicodeDecodeError:
            raise _unreadable("a label is not UTF-8") from None
        if attributes.get("type", b"private") != b"private":
            raise _unreadable("it names no private key")
        if not (token and label and identifier) or "\0" in token + label:
            raise _unreadable("a part of it is empty or holds a NUL")
        return cls(token, label, identifier)


def _attributes(text: str) -> dict[str, bytes]:
    if len(text) > MAX_URI_CHARACTERS or text[: len(SCHEME)].lower() != SCHEME:
        raise _unreadable(f"it is not a {SCHEME} URI of at most {MAX_URI_CHARACTERS} characters")
    path, question, _ = text[len(SCHEME) :].partition("?")
    if question:
        # There is nothing in a query but PINs and modules, and both have their place elsewhere.
        raise _unreadable("it has a query, such as a PIN, which is never stored")
    found: dict[str, bytes] = {}
    for part in path.split(";"):
        name, equals, value = part.partition("=")
        if not equals or name not in _KNOWN or name in found or not _VALUE.fullmatch(value):
            raise _unreadable("an attribute is unknown, malformed or there twice")
        found[name] = unquote_to_bytes(value)
    return found


def _unreadable(why: str) -> UnreadableKey:
    # The text is not repeated: whoever wrote it by hand may have put a PIN into it.
    return UnreadableKey(f"where the key is in the token cannot be understood: {why}", hint=_HINT)
