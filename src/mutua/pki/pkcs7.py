"""Reading and writing PKCS#7 that holds certificates only, ``.p7b`` and ``.p7c`` (RFC 2315, RFC 5652 section 5.1)."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from mutua.errors import UnreadableCertificate, UnreadableContents
from mutua.pki.certificates import MAX_BUNDLE_BYTES, read_certificate, write_der
from mutua.pki.foreign import parsing
from mutua.pki.pem import looks_like_pem, pem_blocks, write_pem_block

PEM_LABEL = "PKCS7"

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # 1.2.840.113549.1.7.2
_HINT = "give a .p7b file, in PEM or DER, that holds certificates"


def looks_like_pkcs7(der: bytes) -> bool:
    """Whether DER, or BER of indefinite length, starts like a ContentInfo of SignedData."""
    if len(der) < 2 or der[0] != 0x30:
        return False
    header = 2 if der[1] <= 0x80 else 2 + (der[1] & 0x7F)
    return der.startswith(_SIGNED_DATA, header)


def read_pkcs7(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read the certificates, in the order of the file, which is that of their bytes and says nothing.

    Args:
        data: PEM (its first block) or DER, at most 4 MiB. Signatures in it are not looked at.

    Raises:
        UnreadableCertificate: too large, damaged, without a certificate, or one of them is not readable.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise UnreadableCertificate(f"{len(data)} bytes are too many for a PKCS#7 file", hint=_HINT)
    try:
        der = next((block.der for block in pem_blocks(data)), b"") if looks_like_pem(data) else data
    except UnreadableContents as error:
        raise UnreadableCertificate(f"not a readable PKCS#7 file: {error.message}", hint=_HINT) from None
    if not looks_like_pkcs7(der):
        raise UnreadableCertificate("not a PKCS#7 file of certificates", hint=_HINT)
    try:
        with parsing(UnreadableCertificate("not a readable PKCS#7 file", hint=_HINT)):
            certificates = pkcs7.load_der_pkcs7_certificates(der)
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise UnreadableCertificate(f"not a readable PKCS#7 file: {str(error)[:120]}", hint=_HINT) from None
    if not certificates:
        raise UnreadableCertificate("there is no certificate in the PKCS#7 file", hint=_HINT)
    return tuple(read_certificate(write_der(each)) for each in certificates)


def write_pkcs7(certificates: Sequence[x509.Certificate], *, pem: bool = True) -> bytes:
    """Write certificates, at least one, in PEM or DER. The format keeps them as a set: their order is lost."""
    der = pkcs7.serialize_certificates(list(certificates), Encoding.DER)
    return write_pem_block(PEM_LABEL, der) if pem else der
