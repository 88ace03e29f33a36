"""The structure of a PKCS#12 file, a PFX (RFC 7292 section 4): what is in it, and what its password will cost.

A PFX holds safes, plain or encrypted; a safe holds bags; a bag holds a key or a certificate, and a name for it. All of
it may be BER, as older tools write it.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from mutua.errors import UnreadableKey
from mutua.pki.der import (
    BMP_STRING,
    OCTET_STRING,
    SEQUENCE,
    Element,
    definite,
    dotted,
    encode,
    encode_identifier,
    encode_integer,
    read_der,
)
from mutua.pki.pbes import (
    DIGESTS,
    HMACS,
    MAC_KEY,
    Encryption,
    Pbkdf2,
    Pkcs12Kdf,
    positive,
    read_algorithm,
    read_encryption,
    read_pbkdf2,
)

DATA, ENCRYPTED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6"
KEY_BAG, SHROUDED_KEY_BAG = "1.2.840.113549.1.12.10.1.1", "1.2.840.113549.1.12.10.1.2"
CERTIFICATE_BAG, SAFE_CONTENTS_BAG = "1.2.840.113549.1.12.10.1.3", "1.2.840.113549.1.12.10.1.6"
X509_CERTIFICATE = "1.2.840.113549.1.9.22.1"
FRIENDLY_NAME = "1.2.840.113549.1.9.20"
PBMAC1 = "1.2.840.113549.1.5.14"

MAX_BAG_DEPTH = 4
"""SafeContents within SafeContents; nobody is known to write even one."""

EXPLICIT, IMPLICIT = 0xA0, 0x80
_VERSION = 3
_HINT = "give a .p12 or .pfx file that is protected by a password"


@dataclass(frozen=True, slots=True)
class Mac:
    """What tells a changed file and a wrong password (RFC 7292 section 4; PBMAC1: RFC 9579).

    Attributes:
        derivation: how its key comes from the password.
        key_size: bytes.
        digest: the hash of the HMAC.
        value: the HMAC.
    """

    derivation: Pkcs12Kdf | Pbkdf2
    key_size: int
    digest: str
    value: bytes

    @property
    def rounds(self) -> int:
        """What verifying costs, in rounds of SHA-256."""
        return self.derivation.rounds(self.key_size)

    def verifies(self, content: bytes, password: bytes | None) -> bool:
        """Whether the content is what was written, and the password the one it was written with."""
        if isinstance(self.derivation, Pkcs12Kdf):
            key = self.derivation.derive(password, self.key_size, MAC_KEY)
        else:
            key = self.derivation.derive(password, self.key_size)
        return hmac.compare_digest(hmac.digest(key, content, self.digest), self.value)


@dataclass(frozen=True, slots=True)
class Bag:
    """A SafeBag: its kind, its value, and what its maker called it."""

    kind: str
    value: Element
    friendly_name: str

    @property
    def rounds(self) -> int:
        """What its own password costs, in rounds of SHA-256."""
        if self.kind != SHROUDED_KEY_BAG:
            return 0
        return read_encryption(self.value.expect(SEQUENCE).members()[0]).rounds


@dataclass(frozen=True, slots=True)
class EncryptedSafe:
    """A safe under a password; ``encoding`` is its ContentInfo in DER."""

    encryption: Encryption
    content: bytes
    encoding: bytes


@dataclass(frozen=True, slots=True)
class Pfx:
    """A PFX.

    Attributes:
        content: the AuthenticatedSafe, over which the MAC goes.
        mac: ``None`` where it has none.
        safes: each the bags of a plain one, or an encrypted one.
    """

    content: bytes
    mac: Mac | None
    safes: tuple[tuple[Bag, ...] | EncryptedSafe, ...]

    @property
    def rounds(self) -> int:
        """What can be seen of what its password costs, in rounds of SHA-256."""
        rounds = self.mac.rounds if self.mac else 0
        for safe in self.safes:
            rounds += safe.encryption.rounds if isinstance(safe, EncryptedSafe) else sum(bag.rounds for bag in safe)
        return rounds


def read_pfx(data: bytes) -> Pfx:
    """Read the structure; nothing is decrypted.

    Raises:
        UnreadableKey: it is protected in a way we do not know. UnreadableContents: it is damaged.
    """
    version, safes, *rest = read_der(definite(data)).expect(SEQUENCE).members()
    kind, content = _content_info(safes)
    if version.integer() != _VERSION or kind != DATA:
        raise UnreadableKey("the PKCS#12 file is signed, not protected by a password", hint=_HINT)
    octets = content.octets()
    infos = read_der(definite(octets)).expect(SEQUENCE).members()
    return Pfx(octets, _mac(rest[0]) if rest else None, tuple(map(_safe, infos)))


def read_bags(safe_contents: bytes) -> tuple[Bag, ...]:
    """Read SafeContents; bags that hold bags are opened.

    Raises:
        UnreadableContents: it is damaged, or nested too deep.
    """
    return tuple(_bags(read_der(definite(safe_contents)), 0))


def write_pfx(safes: bytes, derivation: Pkcs12Kdf, password: bytes | None) -> bytes:
    """A PFX around the AuthenticatedSafe, with a MAC of the password."""
    size = hashlib.new(derivation.digest).digest_size
    value = hmac.digest(derivation.derive(password, size, MAC_KEY), safes, derivation.digest)
    digest = next(each for each, name in DIGESTS.items() if name == derivation.digest)
    algorithm = encode(SEQUENCE, encode_identifier(digest), b"\x05\x00")
    info = encode(SEQUENCE, algorithm, encode(OCTET_STRING, value))
    # One is the default, which DER leaves out.
    count = encode_integer(derivation.iterations) if derivation.iterations > 1 else b""
    mac = encode(SEQUENCE, info, encode(OCTET_STRING, derivation.salt), count)
    return encode(SEQUENCE, encode_integer(_VERSION), write_content_info(safes), mac)


def write_content_info(content: bytes) -> bytes:
    """A ContentInfo of data."""
    return encode(SEQUENCE, encode_identifier(DATA), encode(EXPLICIT, encode(OCTET_STRING, content)))


def _content_info(element: Element) -> tuple[str, Element]:
    kind, explicit = element.expect(SEQUENCE).members()
    (content,) = explicit.expect(EXPLICIT).members()
    return dotted(kind.identifier()), content


def _safe(info: Element) -> tuple[Bag, ...] | EncryptedSafe:
    kind, content = _content_info(info)
    if kind == DATA:
        return read_bags(content.octets())
    if kind != ENCRYPTED_DATA:
        raise UnreadableKey("the PKCS#12 file is encrypted for a certificate, not with a password", hint=_HINT)
    inner_kind, algorithm, encrypted = content.members()[1].expect(SEQUENCE).members()
    if encrypted.tag == EXPLICIT:  # BER in pieces
        octets = b"".join(piece.octets() for piece in encrypted.members())
    else:
        octets = encrypted.expect(IMPLICIT).content
    inner = encode(SEQUENCE, inner_kind.encoding, algorithm.encoding, encode(IMPLICIT, octets))
    data = encode(SEQUENCE, encode_integer(0), inner)
    encoding = encode(SEQUENCE, encode_identifier(ENCRYPTED_DATA), encode(EXPLICIT, data))
    return EncryptedSafe(read_encryption(algorithm), octets, encoding)


def _bags(safe_contents: Element, depth: int) -> Iterator[Bag]:
    if depth > MAX_BAG_DEPTH:
        raise UnreadableKey("the PKCS#12 file has bags in bags in bags", hint=_HINT)
    for bag in safe_contents.expect(SEQUENCE).members():
        identifier, explicit, *attributes = bag.expect(SEQUENCE).members()
        (value,) = explicit.expect(EXPLICIT).members()
        kind = dotted(identifier.identifier())
        if kind == SAFE_CONTENTS_BAG:
            yield from _bags(value, depth + 1)
        else:
            yield Bag(kind, value, _friendly_name(attributes))


def _friendly_name(attributes: list[Element]) -> str:
    for attribute in attributes[0].members() if attributes else ():
        identifier, values = attribute.members()
        if dotted(identifier.identifier()) == FRIENDLY_NAME:
            for value in values.members():
                return value.expect(BMP_STRING).content.decode("utf-16-be", "replace")
    return ""


def _mac(mac_data: Element) -> Mac:
    info, salt, *count = mac_data.expect(SEQUENCE).members()
    algorithm, value = info.expect(SEQUENCE).members()
    name, parameters = read_algorithm(algorithm)
    if name == PBMAC1:
        kdf, scheme = parameters.expect(SEQUENCE).members()
        derivation, size = read_pbkdf2(read_algorithm(kdf)[1])
        digest = HMACS.get(read_algorithm(scheme)[0])
        # RFC 9579 section 3: the length of the key must be there.
        if digest is not None and size is not None and size <= hashlib.new("sha512").digest_size:
            return Mac(derivation, size, digest, value.octets())
    elif digest := DIGESTS.get(name):
        iterations = positive(count[0]) if count else 1
        size = hashlib.new(digest).digest_size
        return Mac(Pkcs12Kdf(salt.octets(), iterations, digest), size, digest, value.octets())
    raise UnreadableKey(f"the PKCS#12 file's MAC ({name}) is not supported", hint=_HINT)
