"""What a file is good for: whether it is an identity, whose, whether it can authenticate a client, what is missing.

Texts are as their maker wrote them: whoever shows them escapes them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.doctor.extensions import names_in
from mutua.errors import UnreadableKey
from mutua.pki.certificates import is_ca, purposes
from mutua.pki.chain_order import MissingIssuer, OrderedChain, in_order, missing_issuer, preferred
from mutua.pki.chains import MAX_GIVEN, extension, leaf_of
from mutua.pki.contents import CertificateContent, Content, Pkcs7Content, Pkcs12Content, PrivateKeyContent
from mutua.pki.dn import DistinguishedName
from mutua.pki.keys import accepted_public_key
from mutua.pki.thumbprints import x5t_s256


class Holds(StrEnum):
    """What a file is, seen as an identity."""

    IDENTITY = "identity"
    """A private key with its certificate."""

    IDENTITIES = "identities"
    """Several of them."""

    CERTIFICATE = "certificate"
    """A certificate without its key."""

    MISMATCH = "mismatch"
    """Private keys, and certificates that are none of theirs."""

    AUTHORITIES = "authorities"
    """Certificates of CAs alone."""


class ChainState(StrEnum):
    """Whether everything between leaf and root is there."""

    COMPLETE = "complete"
    """It ends at a root that is there, or at itself."""

    PERHAPS = "perhaps"
    """It ends at a CA's certificate, whose issuer is not there: the root, as it should be, or one more CA below it."""

    INCOMPLETE = "incomplete"
    """The leaf stands alone, or a root is there that it does not lead to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The identity in a file.

    Attributes:
        holds: what the file is.
        ordered: the leaf, its chain, and what does not belong to it.
    """

    holds: Holds
    ordered: OrderedChain

    @property
    def missing(self) -> MissingIssuer | None:
        """Who issued the last of the chain and is not there."""
        return missing_issuer(self.ordered.chain, self.ordered.root)

    def completed(self, chain: tuple[x509.Certificate, ...], root: x509.Certificate | None) -> "Holding":
        """The same with more above it."""
        others = tuple(each for each in self.ordered.others if each not in chain and each != root)
        return replace(self, ordered=OrderedChain(chain, root, others))


def holding(contents: Sequence[Content]) -> Holding | None:
    """Look for an identity in what ``read_contents`` found; ``None`` without a certificate, or with very many."""
    flat = tuple(_flat(contents))
    certificates = [each for each in flat if isinstance(each, x509.Certificate)]
    keys = [each for each in flat if isinstance(each, bytes)]
    if not certificates or len(certificates) > MAX_GIVEN:
        return None
    own = [each for each in certificates if _spki(each) in keys]
    if own:
        holds = Holds.IDENTITY if len({_spki(each) for each in own}) == 1 else Holds.IDENTITIES
        leaf = preferred(own)
    else:
        leaf = leaf_of(certificates)
        authorities = Holds.AUTHORITIES if is_ca(leaf) else Holds.CERTIFICATE
        holds = Holds.MISMATCH if keys else authorities
    return Holding(holds=holds, ordered=in_order(leaf, certificates))


def describe_holding(held: Holding, now: datetime) -> dict[str, object]:
    """What there is to say of it, as a mapping with stable keys.

    ``client_auth`` is true where a server has no reason in the certificates themselves to refuse the client: the
    ``problems`` say why not, with the codes of docs/verifying.md. Whether it knows the client is another question.
    """
    leaf, missing = held.ordered.chain[0], held.missing
    problems = list(dict.fromkeys(_problems(held.ordered.chain, now)))
    return {
        "holds": held.holds.value,
        "subject": str(DistinguishedName.of(leaf.subject)),
        "names": names_in(leaf),
        "thumbprint": x5t_s256(leaf),
        "not_after": leaf.not_valid_after_utc,
        "client_auth": not problems,
        "problems": problems,
        "chain": [x5t_s256(each) for each in held.ordered.chain],
        "chain_state": chain_state(held).value,
        "root": x5t_s256(held.ordered.root) if held.ordered.root else None,
        "unused": [x5t_s256(each) for each in held.ordered.others],
        "missing_issuer": missing
        and {
            "subject": missing.subject,
            "key_identifier": missing.key_identifier,
            "urls": list(missing.urls),
            "below": missing.below,
            "perhaps_root": missing.perhaps_root,
        },
    }


def chain_state(held: Holding) -> ChainState:
    """Whether everything is there."""
    missing = held.missing
    if missing is None:
        return ChainState.COMPLETE
    strays = any(is_ca(each) and each.subject == each.issuer for each in held.ordered.others)
    return ChainState.PERHAPS if missing.perhaps_root and not strays else ChainState.INCOMPLETE


def _problems(chain: tuple[x509.Certificate, ...], now: datetime) -> Iterator[str]:
    """Why a server would refuse it as a client, whoever the server trusts."""
    leaf = chain[0]
    for each in chain:
        if now > each.not_valid_after_utc:
            yield "expired"
        if now < each.not_valid_before_utc:
            yield "not_yet_valid"
        # A CA's own binds all below it, as in OpenSSL. anyExtendedKeyUsage is none for TLS.
        if (held := purposes(each)) and ExtendedKeyUsageOID.CLIENT_AUTH not in held:
            yield "wrong_purpose"
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        yield "wrong_key_usage"  # RFC 8446 section 4.4.2.2
    try:
        accepted_public_key(leaf.public_key())
    except UnreadableKey:
        yield "weak_key"


def _flat(contents: Sequence[Content]) -> Iterator[x509.Certificate | bytes]:
    """Certificates, and private keys as the hash of their public halves."""
    for content in contents:
        match content:
            case CertificateContent():
                yield content.certificate
            case Pkcs7Content():
                yield from content.certificates
            case Pkcs12Content():
                yield from _flat(content.contents)
            case PrivateKeyContent():
                key = content.key.public_key()
                yield hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _spki(certificate: x509.Certificate) -> bytes:
    der = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()
