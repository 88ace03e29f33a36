"""CAs that were made elsewhere: what one must be to be taken in."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.ca.hierarchy import Purpose
from mutua.errors import AuthorityExists, InvalidAuthority
from mutua.pki.certificates import may_sign, purposes
from mutua.pki.chains import WEAK_HASHES, extension, issuer_key_identifier, own_key_identifier, weakness
from mutua.pki.keys import accepted_public_key, public_key_bytes
from mutua.pki.profiles import CLIENT, SERVER

_ANY_USAGE = x509.ObjectIdentifier("2.5.29.37.0")
_USAGES = {SERVER.name: ExtendedKeyUsageOID.SERVER_AUTH, CLIENT.name: ExtendedKeyUsageOID.CLIENT_AUTH}


def require_adoptable(certificate: x509.Certificate, purpose: Purpose, *, now: datetime) -> None:
    """See to it that somebody else's CA can issue here.

    Args:
        certificate: the CA's.
        purpose: what it is to issue for.
        now: UTC.

    Raises:
        InvalidAuthority: it is no CA, is not good now, is signed with a broken hash, or is for another purpose.
    """
    if not may_sign(certificate):
        raise InvalidAuthority(
            "the certificate is not a CA's", hint="look: mutua cert inspect FILE; a CA has CA:TRUE and keyCertSign"
        )
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise InvalidAuthority(
            f"the CA is good from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}, and not now",
            hint="get a newer certificate for it",
        )
    # Nobody looks at the signature of a root: it is trusted for itself.
    if certificate.subject != certificate.issuer and (hashed := weakness(certificate)) in WEAK_HASHES:
        raise InvalidAuthority(
            f"the CA's certificate is signed with {hashed.upper()}, which nobody accepts any more",
            hint="have it signed anew by the CA above it",
        )
    allowed = purposes(certificate)
    if allowed and _ANY_USAGE not in allowed:
        _require_usages(allowed, purpose)


def require_new(certificate: x509.Certificate, known: Iterable[tuple[str, x509.Certificate]]) -> None:
    """See to it that a CA is not here yet, nor another certificate for the same name and key.

    Verifiers find CRLs by name and key: of two lists, each would say of the other's certificates that they are good.

    Args:
        certificate: the CA's.
        known: the CAs that are here, with their ids.

    Raises:
        AuthorityExists: it is.
    """
    key = public_key_bytes(accepted_public_key(certificate.public_key()))
    for identifier, each in known:
        if each.subject == certificate.subject and public_key_bytes(accepted_public_key(each.public_key())) == key:
            raise AuthorityExists(f"the CA is here as {identifier!r}", hint=f"mutua ca show {identifier}")


def shortcomings(certificate: x509.Certificate) -> Iterator[str]:
    """What a CA's certificate lacks of what RFC 5280 sections 4.2.1.1, 4.2.1.2, 4.2.1.3 and 4.2.1.9 ask of it.

    Verifiers that hold it to that, as OpenSSL does with ``-x509_strict`` and Python from 3.13 on, and as mutua's own
    servers do, refuse whatever it issues; but for the last, for which they refuse its CRLs.
    """
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    if not basic.critical:
        yield "its BasicConstraints are not critical"
    usage = extension(certificate, x509.KeyUsage)
    if usage is None:
        yield "it has no KeyUsage"
    if own_key_identifier(certificate) is None:
        yield "it has no SubjectKeyIdentifier"
    if certificate.subject != certificate.issuer and issuer_key_identifier(certificate) is None:
        yield "it has no AuthorityKeyIdentifier"
    if usage is not None and not usage.crl_sign:
        yield "it may not sign CRLs"


def _require_usages(allowed: frozenset[x509.ObjectIdentifier], purpose: Purpose) -> None:
    possible = [profile for profile, usage in _USAGES.items() if usage in allowed]
    wanted = [profile for profile in _USAGES if purpose.covers(profile)]
    if set(wanted) <= set(possible):
        return
    only = f"for {possible[0]} certificates only" if possible else "neither for servers' nor for clients' certificates"
    raise InvalidAuthority(
        f"the CA's certificate says that it is {only}",
        hint=f"--purpose {possible[0]}" if possible else "look: mutua cert inspect FILE",
    )
