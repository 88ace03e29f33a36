"""What happens to PEM and DER on their way: saved as UTF-16, pasted into a variable, put into base64 once more.

What is certainly something else, a Java keystore or a web page, is said by its name.
"""

import binascii
import codecs
import re

from mutua.errors import UnreadableContents
from mutua.pki.der import is_der

MAX_UNWRAPPED_BYTES = 8 * 1024 * 1024
"""Base64 and UTF-16 of the largest bundle that is read (4 MiB) stay below it; revocation lists come as they are."""

_BEGIN = b"-----BEGIN "
_BASE64 = re.compile(rb"[A-Za-z0-9+/]++={0,2}")
_TEXT_BASE64 = re.compile(r"\s*(?:M|LS0tLS1)[A-Za-z0-9+/\s]{40,}+={0,2}\s*", re.ASCII)
"""As DER begins, by the tag of a SEQUENCE, or five hyphens."""

_DER_BEGINS = re.compile(r"\W*M[A-Z][A-Za-z0-9+/=\s]{38}", re.ASCII)
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=]{64,}+")
"""Longer than names in paths are without a full stop or a hyphen; hashes in hex are, in small letters."""

OPENSSH_LABEL = "OPENSSH PRIVATE KEY"
OPENSSH_HINT = "the key is in OpenSSH's own format; on a copy of it: ssh-keygen -p -m PKCS8 -f COPY"

_KEYTOOL = "keytool -importkeystore -srckeystore FILE -destkeystore bank.p12 -deststoretype pkcs12"


def unwrapped(data: bytes) -> bytes:
    """The PEM or DER in a file, whatever it was saved as; the bytes themselves where nothing is around them.

    Read are UTF-16 and a byte order mark, as Windows saves text; ends of lines written as a backslash and an ``n``,
    as in environment variables and JSON; base64 of a whole file, as in Secrets.

    Raises:
        UnreadableContents: it is empty, damaged text, a Java keystore, an archive, a key of PuTTY's or a web page.
    """
    if is_der(data):
        return data
    _require_familiar(data)
    if len(data) > MAX_UNWRAPPED_BYTES:
        return data
    text = _utf8(data)
    if _BEGIN not in text and (decoded := _decoded(text)) is not None:
        if decoded[:1] == _SEQUENCE:
            return decoded
        text = decoded if _BEGIN in decoded else data
    return text.replace(rb"\r", b"").replace(rb"\n", b"\n") if _BEGIN in text and rb"\n" in text else text


def contents_of_text(text: str) -> bytes | None:
    """The bytes where a ``str`` is the contents of a file, not a path: PEM, or base64 of nothing but DER or PEM.

    No path is taken for contents by accident: the base64 of DER says how long it is.
    """
    if _BEGIN.decode() in text:
        return text.encode(errors="replace")
    if _TEXT_BASE64.fullmatch(text) and (decoded := _decoded(text.encode())) is not None:
        return decoded if is_der(decoded) or decoded.startswith(_BEGIN) else None
    return None


def may_hold_secrets(text: str) -> bool:
    """Whether a ``str`` that is no path may be a damaged key, and so belongs in no message."""
    longest = max(map(len, text.split("/")))
    mixed = any(re.search("[A-Z]", run) and re.search("[0-9]", run) for run in _LONG_RUN.findall(text))
    return "\n" in text or longest > _NAME_MAX or mixed or _DER_BEGINS.match(text) is not None


def _utf8(data: bytes) -> bytes:
    if data.startswith(codecs.BOM_UTF8):
        return data.removeprefix(codecs.BOM_UTF8)  # text around PEM may be in any encoding
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return _recoded(data.removeprefix(mark), encoding)
    for encoding in ("utf-16-le", "utf-16-be"):
        # From an even place on: each of the two is in the other, shifted by one.
        if _BEGIN not in data and data.find(_BEGIN.decode().encode(encoding)) % 2 == 0:
            return _recoded(data, encoding)
    return data


def _recoded(data: bytes, encoding: str) -> bytes:
    try:
        return data.decode(encoding).encode()
    except UnicodeError:
        raise UnreadableContents(
            f"the text is damaged: it begins as {encoding.upper()} and does not go on so", hint="save it as UTF-8"
        ) from None


def _decoded(text: bytes) -> bytes | None:
    characters = b"".join(text.split())
    if not _BASE64.fullmatch(characters):
        return None
    try:
        return binascii.a2b_base64(characters, strict_mode=True)
    except binascii.Error:
        return None


def _require_familiar(data: bytes) -> None:
    if not data.strip():
        raise UnreadableContents("the file is empty", hint="ask for it again")
    for beginning, refusal in _FOREIGN.items():
        if data.startswith(beginning):
            raise refusal()
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise UnreadableContents("it is a web page, perhaps the one to log in", hint="download the file itself")


def _keystore(kind: str) -> UnreadableContents:
    return UnreadableContents(f"it is a Java keystore ({kind}), which only Java opens", hint=_KEYTOOL)


def _archive() -> UnreadableContents:
    return UnreadableContents("it is a zip archive", hint="unpack it, and give the file that is in it")


def _putty() -> UnreadableContents:
    return UnreadableContents(
        "it is a private key in PuTTY's format", hint="in PuTTYgen: Conversions, Export OpenSSH key"
    )


_SEQUENCE = b"\x30"
_NAME_MAX = 255  # of one name in a path, on Linux
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_FOREIGN = {
    b"\xfe\xed\xfe\xed": lambda: _keystore("JKS"),
    b"\xce\xce\xce\xce": lambda: _keystore("JCEKS"),
    b"PK\x03\x04": _archive,
    b"PuTTY-User-Key-File": _putty,
}
