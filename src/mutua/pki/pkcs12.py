"""Reading PKCS#12 (RFC 7292): what a bank sends as ``.p12`` or ``.pfx``."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs12

from mutua.errors import EncryptedKey, UnreadableKey, WrongPassword
from mutua.pki.certificates import read_certificate, write_der
from mutua.pki.foreign import parsing
from mutua.pki.keys import PrivateKey, accepted_public_key

MAX_PKCS12_BYTES = 256 * 1024
"""A key and a chain of ten certificates take under 40 KiB."""

_HINT = "give a .p12 or .pfx file that holds one private key and its certificate"


def looks_like_pkcs12(data: bytes) -> bool:
    """Whether DER starts like a PFX: a SEQUENCE whose first member is the INTEGER 3 (RFC 7292 section 4)."""
    if len(data) < 8 or data[0] != 0x30:
        return False
    header = 2 if data[1] <= 0x80 else 2 + (data[1] & 0x7F)
    return data[header : header + 3] == b"\x02\x01\x03"


def read_pkcs12(data: bytes, password: bytes | None = None) -> tuple[PrivateKey, tuple[x509.Certificate, ...]]:
    """Read the key and the certificates, the key's own first.

    Args:
        data: the file's bytes, at most 256 KiB.
        password: ``None`` tries no password and the empty one, which many tools mean by "none".

    Raises:
        EncryptedKey: it needs a password.
        WrongPassword: the password does not open it.
        UnreadableKey: damaged, too large, or without key or certificate.
    """
    if len(data) > MAX_PKCS12_BYTES:
        raise UnreadableKey(f"{len(data)} bytes are too many for a PKCS#12 file", hint=_HINT)
    attempts = [password] if password is not None else [None, b""]
    for attempt in attempts:
        try:
            with parsing(UnreadableKey("not a readable PKCS#12 file", hint=_HINT)):
                key, certificate, others = pkcs12.load_key_and_certificates(data, attempt)
            break
        except (ValueError, TypeError, UnsupportedAlgorithm, OverflowError) as error:
            if not _is_about_the_password(error):
                raise UnreadableKey(f"not a readable PKCS#12 file: {str(error)[:120]}", hint=_HINT) from None
    else:
        if password is None:
            raise EncryptedKey("the PKCS#12 file needs a password", hint="give it with --password-file FILE")
        raise WrongPassword("the password does not open the PKCS#12 file", hint="try the password again")
    if not isinstance(key, PrivateKey) or certificate is None:
        raise UnreadableKey("the PKCS#12 file holds no usable key with a certificate", hint=_HINT)
    accepted_public_key(key.public_key())
    return key, tuple(read_certificate(write_der(each)) for each in (certificate, *others))


def _is_about_the_password(error: Exception) -> bool:
    return "password" in str(error).lower() or isinstance(error, TypeError)
