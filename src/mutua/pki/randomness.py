"""The one place in the pure layers where chance comes in: new keys and serial numbers."""

import secrets

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


def new_serial() -> int:
    """A serial number of 128 random bits, never zero (RFC 5280 section 4.1.2.2)."""
    return secrets.randbits(128) or new_serial()
