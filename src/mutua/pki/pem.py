"""PEM (RFC 7468, and the headers of RFC 1421 that old private keys carry), in one pass over the file."""

import binascii
import re
from dataclasses import dataclass

from mutua.errors import UnreadableContents
from mutua.pki.der import is_der

MAX_BLOCKS = 1000
"""Six times the certificates in the Mozilla bundle, the largest in common use."""

_MARKER = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 #]{1,64})-----")
_HEADER = re.compile(rb"[A-Za-z0-9-]+:")
_HINT = "give a file that was not changed on its way, from -----BEGIN to the last -----END"


@dataclass(frozen=True, slots=True)
class PemBlock:
    """One block.

    Attributes:
        label: what stands behind ``BEGIN``, such as ``CERTIFICATE``.
        der: the bytes it holds.
        headers: whether it has any, as private keys encrypted by old tools do.
        encoding: the block as it was read, from ``-----BEGIN`` to the end of its last line.
    """

    label: str
    der: bytes
    headers: bool
    encoding: bytes


def looks_like_pem(data: bytes) -> bool:
    """Whether a PEM block begins somewhere, and the whole is not DER that holds one."""
    return not is_der(data) and b"-----BEGIN " in data


def pem_blocks(data: bytes) -> tuple[PemBlock, ...]:
    """Every block of a file, in order; text around them is passed over.

    Raises:
        UnreadableContents: a block has no end or holds no base64, or there are more than 1000.
    """
    found: list[PemBlock] = []
    begun: re.Match[bytes] | None = None
    for marker in _MARKER.finditer(data):
        if marker[1] == b"BEGIN":
            if begun is not None:
                break
            begun = marker
        elif begun is not None:
            if marker[2] != begun[2]:
                break
            if len(found) == MAX_BLOCKS:
                raise UnreadableContents(f"there are more than {MAX_BLOCKS} PEM blocks in the file", hint=_HINT)
            found.append(_block(begun, marker))
            begun = None
    if begun is not None:
        raise UnreadableContents(f"the PEM block {begun[2].decode()!r} has no end", hint=_HINT)
    return tuple(found)


def write_pem_block(label: str, der: bytes) -> bytes:
    """A block of the label, 64 characters to a line (RFC 7468 section 2)."""
    text = binascii.b2a_base64(der, newline=False)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])


def _block(begin: re.Match[bytes], end: re.Match[bytes]) -> PemBlock:
    label = begin[2].decode()
    body = begin.string[begin.end() : end.start()].strip()
    headers = _HEADER.match(body) is not None
    if headers:
        # They end at the first empty line, whatever the ends of lines are (RFC 1421 section 4.4).
        body = body.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    try:
        der = binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except binascii.Error:
        raise UnreadableContents(f"the PEM block {label!r} holds no base64", hint=_HINT) from None
    return PemBlock(label, der, headers, begin.string[begin.start() : end.end()] + b"\n")
