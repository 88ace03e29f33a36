"""Reading and writing PKCS#12 (RFC 7292): what a bank sends as ``.p12`` or ``.pfx``, and what it can import."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from mutua.errors import EncryptedKey, InvalidInput, Unreadable, UnreadableKey, WrongPassword
from mutua.pki.certificates import read_certificate, write_der
from mutua.pki.der import SEQUENCE, dotted, encode, encode_identifier
from mutua.pki.foreign import parsing
from mutua.pki.keys import PrivateKey, read_encrypted_key, read_private_key
from mutua.pki.pbes import Pkcs12Kdf, require_affordable
from mutua.pki.pfx import (
    CERTIFICATE_BAG,
    EXPLICIT,
    KEY_BAG,
    SHROUDED_KEY_BAG,
    X509_CERTIFICATE,
    Bag,
    EncryptedSafe,
    Pfx,
    read_bags,
    read_pfx,
    write_content_info,
    write_pfx,
)

MAX_PKCS12_BYTES = 256 * 1024
"""A key and a chain of ten certificates take under 40 KiB."""

MAX_PRIVATE_KEYS = 16
"""A keystore of a service holds one or a few; each RSA-8192 key takes 40 ms to check."""

MODERN_ITERATIONS = 600_000
"""For PBKDF2 with SHA-256: OWASP's Password Storage Cheat Sheet, and what GnuTLS writes."""

COMPATIBLE_ITERATIONS = 50_000
"""What Java 8 writes with the same algorithms, the most among those for whom this encoding is."""

MAX_FRIENDLY_NAME = 128
"""Characters: more than any keystore shows."""

_HINT = "give a .p12 or .pfx file that holds one private key and its certificate"
_KEYS = {KEY_BAG, SHROUDED_KEY_BAG}
_MALFORMED = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion)


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A private key, its friendly name or an empty one, and whether it was encrypted."""

    key: PrivateKey
    friendly_name: str
    encrypted: bool

    def __repr__(self) -> str:
        return f"<NamedKey {self.friendly_name!r}>"


@dataclass(frozen=True, slots=True)
class NamedCertificate:
    """A certificate and its friendly name, or an empty one."""

    certificate: x509.Certificate
    friendly_name: str


@dataclass(frozen=True, slots=True)
class Pkcs12:
    """Everything that mutua reads of a PKCS#12 file, in the file's order."""

    keys: tuple[NamedKey, ...]
    certificates: tuple[NamedCertificate, ...]


def looks_like_pkcs12(data: bytes) -> bool:
    """Whether DER starts like a PFX: a SEQUENCE whose first member is the INTEGER 3 (RFC 7292 section 4)."""
    if len(data) < 8 or data[0] != SEQUENCE:
        return False
    header = 2 if data[1] <= 0x80 else 2 + (data[1] & 0x7F)
    return data[header : header + 3] == b"\x02\x01\x03"


def open_pkcs12(data: bytes, password: bytes | None = None) -> Pkcs12:
    """Read every key and certificate.

    Args:
        data: the file's bytes, at most 256 KiB.
        password: ``None`` and the empty one try both, for tools mean "none" by either.

    Raises:
        EncryptedKey: it needs a password.
        WrongPassword: the password does not open it.
        UnreadableKey: damaged, too large, of a kind we do not know, or made to keep us busy.
    """
    if len(data) > MAX_PKCS12_BYTES:
        raise UnreadableKey(f"{len(data)} bytes are too many for a PKCS#12 file", hint=_HINT)
    try:
        pfx = read_pfx(data)
        found = list(_opened(pfx, password))
    except (EncryptedKey, WrongPassword, UnreadableKey):
        raise
    except Unreadable as error:
        raise UnreadableKey(f"not a readable PKCS#12 file: {error.message}", hint=_HINT) from None
    except ValueError:
        raise UnreadableKey("not a readable PKCS#12 file: the DER lacks a member", hint=_HINT) from None
    return Pkcs12(
        tuple(each for each in found if isinstance(each, NamedKey)),
        tuple(each for each in found if isinstance(each, NamedCertificate)),
    )


def write_pkcs12(
    key: PrivateKey,
    chain: Sequence[x509.Certificate],
    *,
    password: bytes,
    friendly_name: str = "",
    compatible: bool = False,
) -> bytes:
    """Write a key and its chain.

    The MAC takes as many iterations as the encryption: whoever guesses passwords would try them on the cheaper.

    Args:
        key: the private key.
        chain: its certificate and the CAs' above it, in order.
        password: UTF-8, not empty.
        friendly_name: how keystores show the key and its certificate, up to 128 characters; Java's alias.
        compatible: triple DES and SHA-1, for what is too old for AES: Java before 8u301, Windows before 10 1709,
            GnuTLS before 3.6. It is weak: whoever has the file tries passwords quickly.

    Raises:
        InvalidInput: the password or the name cannot be written.
    """
    _require_writable(password, friendly_name)
    iterations = COMPATIBLE_ITERATIONS if compatible else MODERN_ITERATIONS
    algorithm = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC if compatible else pkcs12.PBES.PBESv2SHA256AndAES256CBC
    builder = PrivateFormat.PKCS12.encryption_builder().key_cert_algorithm(algorithm).kdf_rounds(iterations)
    written = pkcs12.serialize_key_and_certificates(
        friendly_name.encode() or None, key, chain[0], chain[1:], builder.build(password)
    )
    # cryptography writes a MAC of 2048 iterations, whatever the encryption takes. Its random salt is kept.
    pfx = read_pfx(written)
    assert pfx.mac is not None
    derivation = Pkcs12Kdf(pfx.mac.derivation.salt, iterations, "sha1" if compatible else "sha256")
    return write_pfx(pfx.content, derivation, password)


def _opened(pfx: Pfx, password: bytes | None) -> Iterator[NamedKey | NamedCertificate]:
    rounds = pfx.rounds
    require_affordable(rounds)
    secret = _working_password(pfx, password)
    try:
        found: list[Bag | NamedCertificate] = []
        for safe in pfx.safes:
            contents = list(_contents(safe, secret))
            found += contents
            if isinstance(safe, EncryptedSafe):
                rounds += sum(each.rounds for each in contents if isinstance(each, Bag))
        require_affordable(rounds)
        if sum(isinstance(each, Bag) and each.kind in _KEYS for each in found) > MAX_PRIVATE_KEYS:
            raise UnreadableKey(f"the PKCS#12 file holds more than {MAX_PRIVATE_KEYS} private keys", hint=_HINT)
        for each in found:
            value = _value(each, secret) if isinstance(each, Bag) else each
            if value is not None:
                yield value
    except WrongPassword:
        if pfx.mac is not None:
            raise UnreadableKey("the PKCS#12 file is damaged: its parts have several passwords", hint=_HINT) from None
        if not password:
            raise _needs_password() from None
        raise


def _working_password(pfx: Pfx, password: bytes | None) -> bytes | None:
    """The password as the MAC confirms it; unconfirmed where there is none."""
    if pfx.mac is None:
        return password or b""
    attempts = (password,) if password else (None, b"")
    require_affordable(len(attempts) * pfx.mac.rounds)
    for attempt in attempts:
        if pfx.mac.verifies(pfx.content, attempt):
            return attempt
    if not password:
        raise _needs_password()
    raise WrongPassword("the password does not open the PKCS#12 file", hint="try the password again")


def _needs_password() -> EncryptedKey:
    return EncryptedKey("the PKCS#12 file needs a password", hint="give it with --password-file FILE")


def _contents(safe: tuple[Bag, ...] | EncryptedSafe, password: bytes | None) -> Iterator[Bag | NamedCertificate]:
    if not isinstance(safe, EncryptedSafe):
        yield from safe
    elif safe.encryption.cipher is not None:
        yield from read_bags(safe.encryption.decrypt(safe.content, password))
    else:
        yield from _opened_by_openssl(safe, password)


def _opened_by_openssl(safe: EncryptedSafe, password: bytes | None) -> Iterator[NamedCertificate]:
    """The certificates in a safe under RC2, as older tools write it, which only OpenSSL still decrypts.

    It is put into a PFX of its own behind a key of no secret. OpenSSL takes the first key only, so that it leaves any
    in the safe alone, and with it an iteration count that we have not seen.
    """
    known = ec.derive_private_key(1, ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    bag = encode(SEQUENCE, encode_identifier(KEY_BAG), encode(EXPLICIT, known))
    safes = encode(SEQUENCE, write_content_info(encode(SEQUENCE, bag)), safe.encoding)
    data = write_pfx(safes, Pkcs12Kdf(b"mutua", 1, "sha1"), password)
    try:
        with parsing(UnreadableKey("not a readable PKCS#12 file", hint=_HINT)):
            opened = pkcs12.load_pkcs12(data, password or b"")
    except _MALFORMED:
        raise WrongPassword("the password does not open the PKCS#12 file", hint="try the password again") from None
    for each in (opened.cert, *opened.additional_certs):
        if each is not None:
            name = (each.friendly_name or b"").decode(errors="replace")
            yield NamedCertificate(read_certificate(write_der(each.certificate)), name)


def _value(bag: Bag, password: bytes | None) -> NamedKey | NamedCertificate | None:
    if bag.kind == KEY_BAG:
        return NamedKey(read_private_key(bag.value.encoding), bag.friendly_name, encrypted=False)
    if bag.kind == SHROUDED_KEY_BAG:
        return NamedKey(read_encrypted_key(bag.value.encoding, password), bag.friendly_name, encrypted=True)
    if bag.kind == CERTIFICATE_BAG:
        kind, explicit = bag.value.expect(SEQUENCE).members()
        if dotted(kind.identifier()) == X509_CERTIFICATE:
            (value,) = explicit.expect(EXPLICIT).members()
            return NamedCertificate(read_certificate(value.octets()), bag.friendly_name)
    return None


def _require_writable(password: bytes, friendly_name: str) -> None:
    try:
        readable = password.decode().isprintable()
    except UnicodeDecodeError:
        readable = False
    if not password or not readable:
        raise InvalidInput("the password is empty, or not printable UTF-8", hint="give one that can be typed")
    if len(friendly_name) > MAX_FRIENDLY_NAME or not friendly_name.isprintable():
        raise InvalidInput(
            f"a friendly name has up to {MAX_FRIENDLY_NAME} printable characters", hint="give a shorter one"
        )
