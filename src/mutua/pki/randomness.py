"""The one place in the pure layers where chance comes in: new keys, serial numbers and tokens."""

import secrets
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mutua.pki.keys import KeyType, PrivateKey


def generate_key(kind: KeyType = KeyType.P256) -> PrivateKey:
    """Make a new private key of the given kind."""
    match kind:
        case KeyType.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.RSA2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case KeyType.RSA3072:
            return rsa.generate_private_key(public_exponent=65537, key_size=3072)
        case KeyType.RSA4096:
            return rsa.generate_private_key(public_exponent=65537, key_size=4096)
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()


def new_serial(now: datetime | None = None) -> int:
    """A serial number of 128 bits, never zero (RFC 5280 section 4.1.2.2).

    Args:
        now: when it is issued, UTC. Then the first 32 bits are its seconds since 1970, so that the numbers of a million
            certificates are stored in their order, and 96 are random: 64 are asked for at the least (CA/Browser Forum
            Baseline Requirements section 7.1). Without it all of them are.
    """
    if now is None:
        return secrets.randbits(128) or new_serial()
    return (int(now.timestamp()) & 0xFFFFFFFF) << 96 | secrets.randbits(96) or new_serial()


def new_token() -> str:
    """A secret of 256 bits, base64url without padding: 43 characters."""
    return secrets.token_urlsafe(32)
