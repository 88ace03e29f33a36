"""The key and the certificates of a PKCS#12 file that holds one of the first, in the file's order."""

from cryptography import x509

from mutua.pki.keys import PrivateKey
from mutua.pki.pkcs12 import open_pkcs12


def read_pkcs12(data: bytes, password: bytes | None = None) -> tuple[PrivateKey, tuple[x509.Certificate, ...]]:
    opened = open_pkcs12(data, password)
    (key,) = opened.keys
    return key.key, tuple(each.certificate for each in opened.certificates)
