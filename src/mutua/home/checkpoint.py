"""Checkpoints: what an audit trail was at a moment, signed, to be kept where whoever can write the store cannot.

A checkpoint is a small JSON object. Its signature is Ed25519, with the home's audit key, over these four lines
without a line feed at the end: ``mutua audit checkpoint``, the count, the hash, the time as it stands in the object.
"""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mutua.errors import UnreadableCheckpoint

KIND = "mutua audit checkpoint"

MAX_CHECKPOINT_BYTES = 4096
"""One takes under 400 bytes."""

MAX_COUNT = 2**63 - 1
"""What a database counts to."""

_HASH = re.compile(r"[0-9a-f]{64}")
_HINT = "give a file that 'mutua audit checkpoint --out FILE' wrote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What an audit trail was.

    Attributes:
        count: how many events there were.
        hash: of the last of them.
        at: when it was drawn up, UTC.
        public_key: the home's audit key, its 32 public bytes.
        signature: 64 bytes.
    """

    count: int
    hash: str
    at: datetime
    public_key: bytes
    signature: bytes

    def json(self) -> dict[str, object]:
        """As it is written into a file."""
        return {
            "kind": KIND,
            "count": self.count,
            "hash": self.hash,
            "at": self.at.isoformat(),
            "public_key": b64encode(self.public_key).decode("ascii"),
            "signature": b64encode(self.signature).decode("ascii"),
        }


def draw_checkpoint(key: Ed25519PrivateKey, *, count: int, digest: str, at: datetime) -> Checkpoint:
    """Sign what an audit trail is.

    Args:
        key: the home's audit key.
        count: how many events there are.
        digest: the hash of the last of them.
        at: now, UTC.
    """
    return Checkpoint(
        count=count,
        hash=digest,
        at=at,
        public_key=key.public_key().public_bytes_raw(),
        signature=key.sign(_signed(count, digest, at.isoformat())),
    )


def read_checkpoint(data: bytes) -> Checkpoint:
    """Read a checkpoint and check its signature against the key it names; whose key that is, the caller must see.

    Args:
        data: the file's bytes, at most 4 KiB.

    Raises:
        UnreadableCheckpoint: it is none, or was changed since it was signed.
    """
    if len(data) > MAX_CHECKPOINT_BYTES:
        raise UnreadableCheckpoint(f"{len(data)} bytes are too many for a checkpoint", hint=_HINT)
    try:
        found = _parse(json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnreadableCheckpoint("that is not a checkpoint of an audit trail", hint=_HINT) from None
    try:
        Ed25519PublicKey.from_public_bytes(found.public_key).verify(
            found.signature, _signed(found.count, found.hash, found.at.isoformat())
        )
    except InvalidSignature:
        raise UnreadableCheckpoint(
            "the checkpoint was changed since it was signed, or never was", hint="give the file as it was written"
        ) from None
    return found


def _parse(content: Any) -> Checkpoint:
    count, digest, at = content["count"], content["hash"], datetime.fromisoformat(content["at"])
    if content["kind"] != KIND or type(count) is not int or not 0 <= count <= MAX_COUNT or not _HASH.fullmatch(digest):
        raise ValueError("another kind of object")
    if at.utcoffset() != timedelta(0) or at.isoformat() != content["at"]:
        raise ValueError("not a time as it is written")
    public_key, signature = (b64decode(content[name], validate=True) for name in ("public_key", "signature"))
    if (len(public_key), len(signature)) != (32, 64):
        raise ValueError("not Ed25519")
    return Checkpoint(count=count, hash=digest, at=at, public_key=public_key, signature=signature)


def _signed(count: int, digest: str, at: str) -> bytes:
    return f"{KIND}\n{count}\n{digest}\n{at}".encode()
