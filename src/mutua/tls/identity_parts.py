"""What an identity is put together from: the key, its own certificate, and the chain above it, out of any files."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mutua.errors import (
    KeyMismatch,
    Unreadable,
    UnreadableCertificate,
    UnreadableContents,
    UnreadableFile,
    UnreadableKey,
)
from mutua.pki.certificates import MAX_BUNDLE_BYTES
from mutua.pki.chain_order import OrderedChain, in_order, preferred
from mutua.pki.contents import (
    CertificateContent,
    Content,
    CrlContent,
    Pkcs7Content,
    Pkcs12Content,
    PrivateKeyContent,
    PublicKeyContent,
    RequestContent,
    UnknownContent,
    read_contents,
)
from mutua.pki.dn import DistinguishedName
from mutua.pki.keys import PrivateKey, public_key_bytes
from mutua.pki.pem import looks_like_pem, pem_blocks
from mutua.pki.thumbprints import base64url, spki_s256
from mutua.pki.unwrapping import OPENSSH_HINT, OPENSSH_LABEL, contents_of_text, may_hold_secrets, unwrapped
from mutua.tls.files import read_file

MAX_CERTIFICATES = 100
"""Beside a key: chains have up to ten. Each is held against each key."""

MAX_TOLD = 3
"""Certificates named in one message; whoever needs more asks ``mutua cert inspect``."""

_WORDS: dict[type[object], str] = {
    RequestContent: "a certificate request (CSR), which a CA has yet to answer with a certificate",
    CrlContent: "a revocation list (CRL)",
    PublicKeyContent: "a public key",
    PrivateKeyContent: "a private key",
    Pkcs7Content: "a PKCS#7 file of certificates, which never has a private key in it",
    CertificateContent: "a certificate",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What was found: private keys, certificates, and the kinds of whatever is there, in words."""

    keys: tuple[PrivateKey, ...]
    certificates: tuple[x509.Certificate, ...]
    kinds: tuple[str, ...]


def contents_of(source: str | os.PathLike[str] | bytes, limit: int) -> bytes:
    """The bytes that somebody gave: themselves, those of a ``str`` that holds PEM or base64, or those of a file.

    Raises:
        UnreadableFile: there is no such file, or it is too large. The text is not in the message where it may be a
            key that was damaged, and so was taken for a path.
    """
    if isinstance(source, bytes):
        return source
    if isinstance(source, str) and (contents := contents_of_text(source)) is not None:
        return contents
    try:
        return read_file(source, limit)
    except UnreadableFile:
        if isinstance(source, str) and may_hold_secrets(source):
            raise UnreadableFile(
                f"the {len(source)} characters given are no path, and no whole PEM or base64 either",
                hint="give the path of a file, or its contents from -----BEGIN to the last -----END",
            ) from None
        raise


def is_folder(source: str | os.PathLike[str]) -> bool:
    """Whether a folder is there; a ``str`` of contents is none, and neither is what no path can be."""
    try:
        return not (isinstance(source, str) and contents_of_text(source)) and Path(source).is_dir()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def assemble(source: bytes, key: bytes | None, password: bytes | None) -> tuple[PrivateKey, OrderedChain]:
    """Find the key and its certificate, and put the chain in order.

    Args:
        source: certificates, with the key unless it is apart.
        key: the private key where it is apart; keys in ``source`` are passed over then.
        password: opens what is encrypted.

    Raises:
        UnreadableContents, UnreadableCertificate, UnreadableKey: something is missing, damaged, or not what it
            should be. EncryptedKey, WrongPassword: what is encrypted cannot be opened.
        KeyMismatch: no key belongs to any of the certificates.
    """
    if key is None:
        found = _read(source, password)
    else:
        found = _read(_without_keys(_bounded(source)), password)
        keys = _read(key, password)
        if not keys.keys:
            raise _no_key(keys, "what was given as the key holds no private key")
        found = Parts(keys.keys, found.certificates, found.kinds)
    if not found.certificates:
        raise _no_certificate(found)
    if not found.keys:
        raise _no_key(found, "there is no private key in the file")
    if len(found.certificates) > MAX_CERTIFICATES:
        raise UnreadableCertificate(
            f"{len(found.certificates)} certificates are too many for an identity", hint="give its own chain only"
        )
    chosen, leaf = _pair(found)
    return chosen, in_order(leaf, found.certificates)


def _read(data: bytes, password: bytes | None) -> Parts:
    contents = read_contents(_bounded(data), password)
    flat = tuple(_flat(contents))
    keys = {public_key_bytes(each.key.public_key()): each.key for each in flat if isinstance(each, PrivateKeyContent)}
    certificates = dict.fromkeys(each.certificate for each in flat if isinstance(each, CertificateContent))
    return Parts(tuple(keys.values()), tuple(certificates), tuple(dict.fromkeys(map(_word, contents))))


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BUNDLE_BYTES:
        raise UnreadableContents(f"{len(data)} bytes are too many for an identity", hint="give its own chain only")
    return unwrapped(data)


def _word(content: Content) -> str:
    match content:
        case UnknownContent():
            return repr(content.label)
        case Pkcs12Content(has_key=True):
            return "a PKCS#12 file with a private key and no certificate"
        case Pkcs12Content():
            return "a PKCS#12 file of certificates alone, a truststore"
        case _:
            return _WORDS[type(content)]


def _flat(contents: Iterable[Content]) -> Iterator[Content]:
    for content in contents:
        match content:
            case Pkcs12Content():
                yield from content.contents
            case Pkcs7Content():
                yield from map(CertificateContent, content.certificates)
            case _:
                yield content


def _without_keys(data: bytes) -> bytes:
    """The file without its private keys: another is meant, and those may need another password."""
    if not looks_like_pem(data):
        return data
    blocks = pem_blocks(data)
    kept = [each.encoding for each in blocks if not each.label.endswith("PRIVATE KEY")]
    if not kept:
        raise _no_certificate(Parts((), (), (_WORDS[PrivateKeyContent],) if blocks else ()))
    return b"".join(kept)


def _no_certificate(found: Parts) -> Unreadable:
    held = " and ".join(found.kinds) or "nothing that is known"
    return UnreadableCertificate(
        f"there is no certificate in the file: it holds {held}", hint="give the certificate first, and its key with key"
    )


def _no_key(found: Parts, message: str) -> Unreadable:
    held = " and ".join(found.kinds) or "nothing that is known"
    hint = OPENSSH_HINT if repr(OPENSSH_LABEL) in found.kinds else "give the key's file with --key, or as key="
    return UnreadableKey(f"{message}: it holds {held}", hint=hint)


def _pair(found: Parts) -> tuple[PrivateKey, x509.Certificate]:
    """The key with the certificate that is its own; of several the one a CA issued, and of those the newest."""
    pairs: list[tuple[PrivateKey, x509.Certificate]] = []
    for key in found.keys:
        own = public_key_bytes(key.public_key())
        if fitting := [each for each in found.certificates if _spki(each) == own]:
            pairs.append((key, preferred(fitting)))
    if len(pairs) > 1:
        raise UnreadableKey(
            f"there are {len(pairs)} private keys with certificates in it, of {_told(leaf for _, leaf in pairs)}",
            hint="give a file with one of them, or the key that is meant as key= (--key)",
        )
    return pairs[0] if pairs else _mismatch(found)


def _mismatch(found: Parts) -> tuple[PrivateKey, x509.Certificate]:
    keys = [spki_s256(each.public_key()) for each in found.keys]
    whose = f"the key ({keys[0]}) does" if len(keys) == 1 else f"the keys ({', '.join(keys[:MAX_TOLD])}) do"
    many = len(found.certificates) > 1
    raise KeyMismatch(
        f"{whose} not belong to {'any of the certificates' if many else 'the certificate'} {_told(found.certificates)}",
        hint="find the key that was made with this certificate's request: mutua cert inspect says whose a key is",
    )


def _told(certificates: Iterable[x509.Certificate]) -> str:
    """Subjects and the hashes of keys, on one line; what a subject says is not ours."""
    every = list(certificates)
    named = partial("{!r} ({})".format)
    told = [
        named(str(DistinguishedName.of(each.subject))[:80], base64url(sha256(_spki(each)).digest())) for each in every
    ]
    more = f" and {len(told) - MAX_TOLD} more" if len(told) > MAX_TOLD else ""
    return ", ".join(told[:MAX_TOLD]) + more


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
