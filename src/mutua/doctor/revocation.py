"""Whether a certificate is revoked: what a home's inventory and the CRLs that were given say."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from mutua.pki import chains
from mutua.pki.certificates import common_name, is_ca
from mutua.pki.chains import extension
from mutua.pki.thumbprints import x5t_s256

Problem = tuple[str, str]
"""A code, and what is wrong in particular."""


def revocation_of(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    *,
    crls: Sequence[x509.CertificateRevocationList],
    authorities: Collection[x509.Certificate],
    inventory: Mapping[str, str],
    now: datetime,
) -> tuple[list[Problem], tuple[str, ...]]:
    """Whether a certificate is revoked, and what says so: RFC 5280 section 6.3.3, with complete CRLs of its issuer.

    Args:
        certificate: the one in
        issuer: who signed it.
        crls: those that were given.
        authorities: the CAs of a home, whose inventory covers what they issued.
        inventory: what the home records, by x5t#S256: ``revoked``, ``on_hold`` or nothing.
        now: UTC.

    Returns:
        What is wrong, and what was asked.
    """
    state, signer = inventory.get(x5t_s256(certificate)), name_of_certificate(issuer)
    revoked: list[Problem] = [(state, "the home's inventory says so")] if state else []
    by_home = ("the home's inventory",) if state is not None and issuer in authorities else ()
    by_crl, faults = [], []
    if issuer in authorities and not by_home:
        # By its thumbprint: an ECDSA signature can be rewritten so that it still verifies and the thumbprint does not.
        faults.append(("not_in_inventory", f"{signer} signed it, and the home's inventory does not have it"))
    for crl in (each for each in crls if each.issuer == certificate.issuer):
        if not _is_signed(crl, issuer):
            weak = chains.weakness(crl)
            how = f"is signed with {weak}, which proves nothing" if weak else f"is not signed by {signer}"
            faults.append(("crl_bad_signature", f"{_crl_name(crl)} {how}"))
            continue
        revoked += _listed(crl, certificate)
        found = [*_of_crl(crl, issuer, now), *_of_scope(crl, certificate)]
        faults += found
        if not found:
            by_crl.append(f"{_crl_name(crl)}, good until {crl.next_update_utc:%Y-%m-%d %H:%M} UTC")
    if crls and not by_crl and not by_home and not faults:
        faults.append(("crl_missing", f"no CRL of {signer} was given"))
    # A CRL that is no good does no harm where another one covers the certificate.
    return revoked if by_crl else [*revoked, *faults], (*by_home, *by_crl)


def _is_signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    if chains.is_costly(key):
        return False
    try:
        return crl.is_signature_valid(key)  # type: ignore[arg-type]  # a key that cannot sign is a TypeError
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _listed(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> Iterator[Problem]:
    """Its entry, which counts however old the CRL is: what is no longer revoked has none in a complete CRL."""
    scope = extension(crl, x509.IssuingDistributionPoint)
    if scope is not None and scope.indirect_crl:
        return  # the entry may be another issuer's
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return
    stated = extension(entry, x509.CRLReason)
    reason = stated.reason if stated else x509.ReasonFlags.unspecified
    code = "on_hold" if reason is x509.ReasonFlags.certificate_hold else "revoked"
    yield code, f"{_crl_name(crl)} lists it since {entry.revocation_date_utc:%Y-%m-%d %H:%M} UTC, {reason.value}"


def _of_crl(crl: x509.CertificateRevocationList, issuer: x509.Certificate, now: datetime) -> Iterator[Problem]:
    name, end, usage = _crl_name(crl), crl.next_update_utc, extension(issuer, x509.KeyUsage)
    if now < crl.last_update_utc:
        yield "crl_not_yet_valid", f"{name} begins at {crl.last_update_utc:%Y-%m-%d %H:%M} UTC"
    if end is None:
        yield "crl_unusable", f"{name} does not say until when it is good"
    elif now > end:
        yield "crl_expired", f"{name} ended at {end:%Y-%m-%d %H:%M} UTC"
    if usage is not None and not usage.crl_sign:
        yield "crl_unusable", f"{name} is of a CA whose KeyUsage lacks cRLSign"
    critical = [each.oid for each in crl.extensions if each.critical]
    for oid in critical:
        if oid not in _PROCESSED_IN_CRLS:
            yield "crl_unusable", f"the extension {oid.dotted_string} of {name} is critical and not supported"
    # BOOLEAN TRUE before an OCTET STRING: to look at each of a million entries takes a second, and most CRLs have none.
    if crl.tbs_certlist_bytes.count(b"\x01\x01\xff\x04") > len(critical):
        unknown = {each.oid for entry in crl for each in entry.extensions if each.critical} - _PROCESSED_IN_ENTRIES
        for oid in sorted(each.dotted_string for each in unknown):
            yield "crl_unusable", f"the extension {oid} of entries of {name} is critical and not supported"


def _of_scope(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> Iterator[Problem]:
    """Whether the CRL is about this certificate (RFC 5280 section 5.2.5)."""
    scope = extension(crl, x509.IssuingDistributionPoint)
    if scope is None:
        return
    name, ca = _crl_name(crl), is_ca(certificate)
    if scope.indirect_crl or scope.only_some_reasons is not None or scope.only_contains_attribute_certs:
        yield "crl_unusable", f"{name} is indirect, for some reasons only, or for attribute certificates"
    if (scope.only_contains_user_certs and ca) or (scope.only_contains_ca_certs and not ca):
        yield "crl_out_of_scope", f"{name} is not for {'CAs' if ca else 'end entities'}"
    points = [
        address
        for point in extension(certificate, x509.CRLDistributionPoints) or ()
        if point.reasons is None and point.crl_issuer is None
        for address in point.full_name or ()
    ]
    if scope.relative_name is not None or (scope.full_name and not set(points) & set(scope.full_name)):
        places = ", ".join(str(each.value) for each in (scope.full_name or ())[: chains.MAX_SHOWN])
        yield "crl_out_of_scope", f"{name} is for the distribution point {places or 'of a relative name'}, not for this"


def name_of_certificate(certificate: x509.Certificate) -> str:
    """As a person calls it."""
    return common_name(certificate.subject) or "a certificate without a name"


def _crl_name(crl: x509.CertificateRevocationList) -> str:
    number = extension(crl, x509.CRLNumber)
    return f"the CRL{f' {number.crl_number}' if number else ''} of {common_name(crl.issuer)}"


_PROCESSED_IN_CRLS = {
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}
_PROCESSED_IN_ENTRIES = {CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE}
