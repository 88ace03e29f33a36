"""Sealing: CA keys at rest, under AES-256-GCM with a key that scrypt derives from the passphrase.

It protects copies of the database. Whoever can read the passphrase as well, or the memory of a process
that signs, has the keys.
"""

import json
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mutua.errors import UnreadableKey, WrongPassphrase
from mutua.pki.keys import KeyType, PrivateKey, read_private_key, write_private_key
from mutua.pki.randomness import generate_key

SALT_BYTES = 16
NONCE_BYTES = 12
KEY_BYTES = 32

MAX_COST = 2**20
"""A stored cost above this is refused: at r=8 it would take 1 GiB of memory."""


_FIELDS = {"kdf", "n", "r", "p", "salt", "cipher", "nonce", "sealed"}


@dataclass(frozen=True, slots=True)
class Cost:
    """scrypt's parameters (RFC 7914 section 2), kept beside what they seal.

    The default is the OWASP recommendation of 2023: 128 MiB and about 0.3 s.
    """

    n: int = 2**17
    r: int = 8
    p: int = 1


class Sealer:
    """Seals and unseals keys under one passphrase; derives each key-encryption key once.

    Args:
        passphrase: any bytes.
        cost: for what is sealed from now on.
    """

    def __init__(self, passphrase: bytes, cost: Cost | None = None) -> None:
        self._passphrase = passphrase
        self._cost = cost or Cost()
        self._salt = os.urandom(SALT_BYTES)
        self._derived: dict[tuple[bytes, Cost], AESGCM] = {}

    def make(self, authority: str, kind: KeyType) -> tuple[PrivateKey, str]:
        """Make a key for a CA; with it comes what to store of it."""
        key = generate_key(kind)
        return key, self.seal(authority, key)

    def load(self, authority: str, stored: str) -> PrivateKey:
        """Find the key that ``make`` gave; raises as ``unseal`` does."""
        return self.unseal(authority, stored)

    def seal(self, key_id: str, key: PrivateKey) -> str:
        """Seal a key; ``key_id`` is authenticated with it, so that no sealed key passes for another."""
        nonce = os.urandom(NONCE_BYTES)
        clear = write_private_key(key)
        sealed = self._cipher(self._salt, self._cost).encrypt(nonce, clear, key_id.encode())
        return json.dumps(
            {
                "kdf": "scrypt",
                "n": self._cost.n,
                "r": self._cost.r,
                "p": self._cost.p,
                "salt": b64encode(self._salt).decode(),
                "cipher": "AES-256-GCM",
                "nonce": b64encode(nonce).decode(),
                "sealed": b64encode(sealed).decode(),
            }
        )

    def unseal(self, key_id: str, sealed: str) -> PrivateKey:
        """Unseal a key.

        Raises:
            WrongPassphrase: the passphrase is another, or what is sealed was changed.
            UnreadableKey: it is not what ``seal`` writes.
        """
        try:
            cost, salt, nonce, ciphertext = _parse(sealed)
            clear = self._cipher(salt, cost).decrypt(nonce, ciphertext, key_id.encode())
        except InvalidTag:
            raise WrongPassphrase(
                f"the passphrase does not unseal the key {key_id!r}", hint="check MUTUA_PASSPHRASE or the file"
            ) from None
        except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
            raise UnreadableKey(
                f"the sealed key {key_id!r} is damaged: {error}", hint="restore the store from a backup"
            ) from None
        return read_private_key(clear)

    def _cipher(self, salt: bytes, cost: Cost) -> AESGCM:
        if (salt, cost) not in self._derived:
            kdf = Scrypt(salt=salt, length=KEY_BYTES, n=cost.n, r=cost.r, p=cost.p)
            self._derived[salt, cost] = AESGCM(kdf.derive(self._passphrase))
        return self._derived[salt, cost]

    def __repr__(self) -> str:
        return "<Sealer>"


def _parse(sealed: str) -> tuple[Cost, bytes, bytes, bytes]:
    fields = json.loads(sealed)
    if fields.keys() != _FIELDS:
        raise ValueError("a field is missing, or one too many")
    if (fields["kdf"], fields["cipher"]) != ("scrypt", "AES-256-GCM"):
        raise ValueError("unknown algorithms")
    n, r, p = (fields[name] for name in ("n", "r", "p"))
    if not all(type(each) is int and each > 0 for each in (n, r, p)) or n * r * p > MAX_COST * 8:
        raise ValueError("scrypt parameters out of bounds")
    salt, nonce, ciphertext = (_decoded(fields[name]) for name in ("salt", "nonce", "sealed"))
    return Cost(n, r, p), salt, nonce, ciphertext


def _decoded(text: str) -> bytes:
    """Base64 in its one form, so that a bit that was flipped anywhere is found."""
    data = b64decode(text, validate=True)
    if b64encode(data).decode() != text:
        raise ValueError("loose bits in base64")
    return data
