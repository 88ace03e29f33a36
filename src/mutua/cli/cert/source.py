"""What ``mutua cert export`` writes in another format: found by name, as a file, or in the inventory."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from mutua.cli.output import printable
from mutua.cli.passwords import asked_password
from mutua.errors import (
    EncryptedKey,
    MutuaError,
    UnknownCertificate,
    UnknownIdentity,
    UnreadableCertificate,
    UnreadableKey,
)
from mutua.home.home import CA_FILE, Home
from mutua.home.identities import Identities
from mutua.home.settings import SETTINGS_FILE
from mutua.pki.certificates import MAX_BUNDLE_BYTES, read_certificate, read_certificates
from mutua.pki.chains import leaf_of
from mutua.pki.contents import CertificateContent, Content, Pkcs7Content, Pkcs12Content, read_contents
from mutua.pki.keys import PrivateKey
from mutua.pki.pem import looks_like_pem, pem_blocks
from mutua.pki.pkcs12 import looks_like_pkcs12
from mutua.pki.unwrapping import unwrapped
from mutua.tls.files import read_file
from mutua.tls.identity import Identity


@dataclass(frozen=True, slots=True)
class Source:
    """Something to export.

    Attributes:
        name: how a file of it is called, without its ending.
        chain: the certificate and those above it, in order.
        key: its private key, or ``None`` where only the certificate is known.
        ca: whom to believe: the CAs of the home it is from; empty where it is from elsewhere.
        holder: the identity of the home that has the key, where it was found by its certificate.
        of_inventory: whether it was.
    """

    name: str
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey | None = None
    ca: tuple[x509.Certificate, ...] = ()
    holder: str | None = None
    of_inventory: bool = False


def find_source(text: str, folder: Path, *, key: str | None, password: bytes | None) -> Source:
    """Find what was named: an identity of the home before a file, a file before a certificate of the inventory.

    Args:
        text: a name, a path, or the first 6 characters or more of a thumbprint or serial number.
        folder: the home; it need not be there for a file.
        key: the file of the private key, where it is not in the file itself.
        password: opens an encrypted key or PKCS#12 file; asked for otherwise.

    Raises:
        UnknownCertificate: it is none of the three.
        Unreadable: it is there and cannot be read.
    """
    identities = Identities(folder / "identities")
    try:
        path = identities.find(text)
    except UnknownIdentity:
        return _from_inventory(text, folder)
    if path.parent == identities.folder and key is None:
        identity = Identity.load(path)
        return Source(text.replace("*", "_"), identity.chain, identity.key, _ca(folder))
    return _from_file(path, key, password)


def _from_inventory(text: str, folder: Path) -> Source:
    if not (folder / SETTINGS_FILE).is_file():
        raise UnknownCertificate(
            f"{text[:80]!r} is no file, and there is no home at '{folder}'", hint="check the path, or give --home DIR"
        )
    with Home.open(folder) as home:
        try:
            record = home.authority.certificate(text)
        except UnknownCertificate as error:
            raise UnknownCertificate(
                f"{text[:80]!r} is no identity of the home, no file, and no certificate of the inventory",
                hint=error.hint,
            ) from None
        above = home.authority.issuing.above(home.hierarchy.get(record.authority))
        holder = next((name for name in home.identities.names() if _holds(home, name, record.thumbprint)), None)
        ca = home.trust.anchors
    chain = (read_certificate(record.der), *above)
    return Source(f"certificate-{record.thumbprint[:8]}", chain, None, ca, holder, of_inventory=True)


def _holds(home: Home, name: str, thumbprint: str) -> bool:
    """Whether an identity of the home has this certificate; a damaged one has none."""
    with suppress(MutuaError):
        return home.identities.load(name).thumbprint == thumbprint
    return False


def _from_file(path: Path, key: str | None, password: bytes | None) -> Source:
    try:
        return _read_source(path, key, password)
    except EncryptedKey as error:
        asked = asked_password(printable(str(path))) if password is None else None
        if asked is None:
            raise EncryptedKey(error.message, hint="give its password with --source-password-file FILE") from None
        return _read_source(path, key, asked)


def _read_source(path: Path, key: str | None, password: bytes | None) -> Source:
    if path.is_dir():
        identity = Identity.load(path, key=key, password=password)
        return Source(path.resolve().name, identity.chain, identity.key)
    content = unwrapped(read_file(path, MAX_BUNDLE_BYTES))
    if key is None and not looks_like_pkcs12(content) and not _has_key(content):
        return Source(path.stem, _certificates(path, read_contents(content, None)))
    try:
        identity = Identity.load(content, key=key, password=password)
    except UnreadableKey:
        if key is not None or not looks_like_pkcs12(content):
            raise
        contents = read_contents(content, password)
        if any(isinstance(each, Pkcs12Content) and each.has_key for each in contents):
            raise
        return Source(path.stem, _certificates(path, contents))  # a truststore, as Java has them
    return Source(path.stem, identity.chain, identity.key)


def _has_key(content: bytes) -> bool:
    return looks_like_pem(content) and any(each.label.endswith("PRIVATE KEY") for each in pem_blocks(content))


def _certificates(path: Path, contents: Iterable[Content]) -> tuple[x509.Certificate, ...]:
    """The certificates of a file that has no key."""
    found = [certificate for each in contents for certificate in _certificates_in(each)]
    if not found:
        raise UnreadableCertificate(f"there is no certificate in '{path}'", hint=f"mutua cert inspect '{path}'")
    return _in_order(found)


def _certificates_in(content: Content) -> Iterable[x509.Certificate]:
    match content:
        case CertificateContent():
            return (content.certificate,)
        case Pkcs7Content():
            return content.certificates
        case Pkcs12Content():
            return (certificate for each in content.contents for certificate in _certificates_in(each))
        case _:
            return ()


def _in_order(certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """From the leaf upwards, going by names; what belongs to no such chain comes behind it."""
    above = {each.subject: each for each in certificates}
    chain = [leaf_of(certificates)]
    while (issuer := above.pop(chain[-1].issuer, None)) is not None and issuer not in chain:
        chain.append(issuer)
    return (*chain, *(each for each in certificates if each not in chain))


def _ca(folder: Path) -> tuple[x509.Certificate, ...]:
    return read_certificates(read_file(folder / CA_FILE, MAX_BUNDLE_BYTES))
