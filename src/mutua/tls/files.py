"""The one place in the pure layers that touches files: what ``load`` is given, and the way a key takes into ``ssl``.

``ssl`` loads keys from paths only. The key goes there through an anonymous file in memory, and sealed
under a password made for that one load, so that it is in clear nowhere but in this process.
"""

import os
import secrets
import ssl
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mutua.errors import UnreadableCertificate, UnreadableFile
from mutua.pki.keys import PrivateKey, write_private_key

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_file(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a file of at most ``limit`` bytes.

    Raises:
        UnreadableFile: it is missing, closed to us, no file, or too large.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFile(f"{os.fspath(path)!r} cannot be read: {reason}", hint="check the path") from None
    if len(data) > limit:
        raise UnreadableFile(f"{os.fspath(path)!r} is larger than {limit} bytes", hint="give the file itself")
    return data


def load_cert_chain(context: ssl.SSLContext, key: PrivateKey, chain_pem: bytes) -> None:
    """Give ``context`` a key and its chain without the key ever being in clear in a file.

    Raises:
        UnreadableCertificate: OpenSSL refuses the chain, such as one signed with SHA-1.
    """
    password = secrets.token_hex(32)
    with _private_path(write_private_key(key, password.encode()) + chain_pem) as path:
        try:
            context.load_cert_chain(path, password=password)
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).replace("_", " ").lower()
            raise UnreadableCertificate(
                f"OpenSSL refuses the certificate chain: {reason}",
                hint="ask whoever issued it for one signed with SHA-256 or better",
            ) from None


@contextmanager
def _private_path(data: bytes) -> "Iterator[str]":
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("mutua", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:  # pragma: no cover -- not on Linux; the file is 0600 and sealed with a password that is never stored
        with tempfile.NamedTemporaryFile(prefix="mutua-") as file:
            file.write(data)
            file.flush()
            yield file.name
