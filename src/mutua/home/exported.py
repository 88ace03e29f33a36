"""An exported key: the file that holds a CA's sealed key while it is away. It is of no use without the passphrase."""

import json
from pathlib import Path
from typing import Any

from cryptography import x509

from mutua.errors import KeyMismatch, UnreadableKey
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.files import read_file

MAX_EXPORTED_KEY_BYTES = 64 * 1024
"""That of an RSA key of 8192 bits takes under 10 KiB."""

_FIELDS = {"authority", "certificate", "key"}


def exported_key(authority: str, certificate: x509.Certificate, sealed: str) -> bytes:
    """What goes into the file.

    Args:
        authority: the CA's id.
        certificate: its certificate, of which the thumbprint is noted.
        sealed: its key, as ``mutua.home.sealing`` writes it.
    """
    content = {"authority": authority, "certificate": x5t_s256(certificate), "key": json.loads(sealed)}
    return json.dumps(content, indent=2).encode() + b"\n"


def load_exported_key(path: Path, authority: str, certificate: x509.Certificate) -> str:
    """The sealed key in such a file.

    Raises:
        UnreadableFile: it cannot be read. UnreadableKey: it is no exported key, or damaged.
        KeyMismatch: it is another CA's.
    """
    return read_exported_key(read_file(path, MAX_EXPORTED_KEY_BYTES), path, authority, certificate)


def read_exported_key(data: bytes, path: Path, authority: str, certificate: x509.Certificate) -> str:
    """The sealed key in the bytes of such a file; ``path`` is how messages call it. Raises as ``load_exported_key``."""
    try:
        holder, thumbprint, sealed = _parse(json.loads(data))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise UnreadableKey(
            f"'{path}' is not a key that mutua exported", hint="give the file of 'mutua ca export --key'"
        ) from None
    if holder != authority:
        raise KeyMismatch(f"'{path}' holds the key of the CA {str(holder)[:80]!r}", hint=f"give that of {authority!r}")
    if thumbprint != x5t_s256(certificate):
        raise KeyMismatch(
            f"'{path}' holds the key of another CA of the name {authority!r}", hint="give the one of this home"
        )
    return sealed


def _parse(content: Any) -> tuple[object, object, str]:
    if content.keys() != _FIELDS:
        raise ValueError("another kind of object")
    return content["authority"], content["certificate"], json.dumps(content["key"])
