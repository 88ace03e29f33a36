import subprocess
import sys
import textwrap
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua.errors import InvalidLifetime, MutuaError, UnreadableCrl
from mutua.pki.certificates import write_pem
from mutua.pki.crl import MAX_CRL_BYTES, CrlDraft, RevocationReason, RevokedEntry, read_crl
from mutua.pki.keys import KeyType, signature_hash
from tests.conftest import soak
from tests.pki.hierarchy import Authority, client, issuing_ca, key_of
from tests.pki.mutations import foreign

NOW = datetime(2031, 5, 17, 12, 30, 15, tzinfo=UTC)
WEEK = timedelta(days=7)
PART = "http://pki.acme.example/crl/issuing-1/7.crl"
KINDS = pytest.mark.parametrize("kind", list(KeyType))
REASONS = pytest.mark.parametrize("reason", list(RevocationReason))
SAID_REASONS = [reason for reason in RevocationReason if reason is not RevocationReason.UNSPECIFIED]
REASON_CODE = bytes.fromhex("0603551d1504030a01")  # the extension's OID, and the head of its ENUMERATED


def signed(*entries: RevokedEntry, issuer: Authority | None = None, **changed: Any) -> bytes:
    issuer = issuer or issuing_ca()
    facts: dict[str, Any] = {"number": 7, "this_update": NOW, "next_update": NOW + WEEK, "entries": entries, **changed}
    return CrlDraft(issuer=issuer.certificate, **facts).sign(issuer.key)


def entry(reason: RevocationReason = RevocationReason.SUPERSEDED, **changed: Any) -> RevokedEntry:
    return RevokedEntry(**{"serial": 0x5EED, "revoked_at": NOW, "reason": reason, **changed})


def pem_of(der: bytes) -> bytes:
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


MOMENTS = st.integers(-631152000, 7258118399).map(lambda second: datetime.fromtimestamp(second, UTC))
ENTRIES = st.builds(
    RevokedEntry,
    serial=st.integers(1, 2**159 - 1),
    revoked_at=MOMENTS,
    reason=st.sampled_from(RevocationReason),
    invalid_since=st.none() | MOMENTS,
)


def read_back(crl: Iterable[x509.RevokedCertificate]) -> list[RevokedEntry]:
    return [RevokedEntry(each.serial_number, each.revocation_date_utc, *_extensions_of(each)) for each in crl]


def _extensions_of(revoked: x509.RevokedCertificate) -> tuple[RevocationReason, datetime | None]:
    reason, since = RevocationReason.UNSPECIFIED, None
    for extension in revoked.extensions:
        assert not extension.critical
        match extension.value:
            case x509.CRLReason(reason=flag):
                reason = RevocationReason(flag.name)
            case x509.InvalidityDate() as date:
                since = date.invalidity_date_utc
    return reason, since


@KINDS
def test_the_issuer_signs_it_with_every_kind_of_key(kind: KeyType) -> None:
    issuer = issuing_ca(kind)
    crl = read_crl(signed(entry(), issuer=issuer))
    assert crl.is_signature_valid(issuer.certificate.public_key())  # type: ignore[arg-type]
    assert not crl.is_signature_valid(key_of("root", kind).public_key())
    assert type(crl.signature_hash_algorithm) is type(signature_hash(issuer.key))
    assert crl.issuer == issuer.certificate.subject


def test_a_crl_for_all_of_a_cas_certificates_has_a_number_and_its_issuers_key_and_no_scope() -> None:
    extensions = read_crl(signed(number=2**64)).extensions
    assert [(type(each.value), each.critical) for each in extensions] == [
        (x509.AuthorityKeyIdentifier, False),
        (x509.CRLNumber, False),
    ]
    assert extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2**64
    issuers = issuing_ca().certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    named = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert named.key_identifier == issuers.key_identifier


def test_a_crl_for_a_part_says_so_critically_with_the_address_that_the_certificates_carry() -> None:
    scope = read_crl(signed(distribution_point=PART)).extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert scope.critical
    assert scope.value.full_name == [x509.UniformResourceIdentifier(PART)]
    limits = ("only_contains_user_certs", "only_contains_ca_certs", "only_contains_attribute_certs", "indirect_crl")
    assert not any(getattr(scope.value, limit) for limit in limits)
    assert (scope.value.relative_name, scope.value.only_some_reasons) == (None, None)


def test_an_issuer_without_key_identifier_is_named_by_its_key() -> None:
    key = key_of("issuing CA")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an older CA")])
    bare = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + WEEK).sign(key, signature_hash(key))
    extensions = read_crl(signed(issuer=Authority(key, bare))).extensions
    identifier = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert identifier == x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def test_it_holds_from_this_update_to_the_next() -> None:
    crl = read_crl(signed())
    assert (crl.last_update_utc, crl.next_update_utc) == (NOW, NOW + WEEK)


@pytest.mark.parametrize("life", [timedelta(0), -WEEK])
def test_a_crl_that_would_never_hold_is_refused(life: timedelta) -> None:
    with pytest.raises(InvalidLifetime):
        signed(next_update=NOW + life)


def test_a_ca_that_revoked_nothing_has_a_crl_too() -> None:
    crl = read_crl(signed())
    assert len(crl) == 0
    # The list is absent, not empty (RFC 5280 section 5.1.2.6): the extensions follow the next update.
    assert b"310524123015Z\xa0" in crl.tbs_certlist_bytes


@REASONS
def test_each_reason_is_said_and_unspecified_by_silence(reason: RevocationReason) -> None:
    (revoked,) = read_crl(signed(entry(reason)))
    if reason is RevocationReason.UNSPECIFIED:
        assert list(revoked.extensions) == []
    else:
        value = revoked.extensions.get_extension_for_class(x509.CRLReason).value
        assert value.reason.name == reason.value
        assert value.reason is reason.flag


def test_the_reasons_are_those_of_rfc5280_but_for_what_only_deltas_and_attributes_have() -> None:
    assert {reason.value for reason in RevocationReason} == {flag.name for flag in x509.ReasonFlags} - {
        "remove_from_crl",
        "aa_compromise",
    }


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=20))
def test_every_entry_is_read_back_as_it_was_given(entries: list[RevokedEntry]) -> None:
    assert read_back(read_crl(signed(*entries))) == entries


@settings(deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=20), st.sampled_from([None, PART]))
def test_it_is_what_cryptography_would_have_written(entries: list[RevokedEntry], part: str | None) -> None:
    issuer = issuing_ca(KeyType.ED25519)  # which signs the same thing the same way each time
    ours = signed(*entries, issuer=issuer, distribution_point=part)
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, NOW, NOW + WEEK)
    for extension in read_crl(ours).extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    for each in entries:
        revoked = x509.RevokedCertificateBuilder(each.serial, each.revoked_at)
        if each.reason.flag is not None:
            revoked = revoked.add_extension(x509.CRLReason(each.reason.flag), critical=False)
        if each.invalid_since is not None:
            revoked = revoked.add_extension(x509.InvalidityDate(each.invalid_since), critical=False)
        builder = builder.add_revoked_certificate(revoked.build())
    assert ours == builder.sign(issuer.key, None).public_bytes(Encoding.DER)


@given(st.integers(-14, 14))
def test_a_moment_in_another_time_zone_is_the_same_moment(hours: int) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=hours)))
    given_there = signed(
        entry(revoked_at=there, invalid_since=there),
        this_update=there,
        next_update=there + WEEK,
        issuer=issuing_ca(KeyType.ED25519),
    )
    assert given_there == signed(entry(invalid_since=NOW), issuer=issuing_ca(KeyType.ED25519))


def test_a_generator_will_do_for_the_entries() -> None:
    entries = [entry(serial=serial) for serial in range(1, 300)]
    assert read_back(read_crl(signed(entries=iter(entries)))) == entries


def test_a_million_entries_take_less_than_a_gibibyte() -> None:
    count = soak(50_000, 1_000_000)
    program = textwrap.dedent(f"""
        import re, secrets
        from pathlib import Path
        from tests.pki.test_crl import NOW, SAID_REASONS, RevokedEntry, read_crl, signed

        def peak(): return 1024 * int(re.search(r"VmHWM:\\s*([0-9]+) kB", Path("/proc/self/status").read_text())[1])
        entries = (RevokedEntry(2**127 | secrets.randbits(127), NOW, SAID_REASONS[n % 7]) for n in range({count}))
        signed(), read_crl(signed())
        before = peak()
        der = signed(entries=entries)
        print(peak() - before, len(der), len(read_crl(der)))
    """)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=110)
    used, size, listed = map(int, run.stdout.split())
    assert listed == count
    assert used < count * 2**30 / 1_000_000
    assert size < count * MAX_CRL_BYTES / 1_000_000


@pytest.mark.parametrize("text", ["", "our CRL:\n"], ids=["alone", "with text before it"])
def test_pem_is_read_as_der_is(text: str) -> None:
    der = signed(entry(), distribution_point=PART)
    assert read_crl(text.encode() + pem_of(der)) == read_crl(der)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a readable CRL"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "not a readable CRL"),
        (signed() + b"\x00", "not a readable CRL"),
        (write_pem([client().certificate]), "found 0"),
        (pem_of(signed()) * 2, "found 2"),
        (bytes(MAX_CRL_BYTES + 1), "too many"),
    ],
    ids=["nothing", "broken PEM", "bytes behind it", "a certificate", "two CRLs", "too large"],
)
def test_anything_but_one_crl_is_unreadable(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableCrl, match=why):
        read_crl(data)


@pytest.mark.parametrize("code", [7, 11, 0x7F])
def test_a_reason_that_does_not_exist_is_found_on_reading_and_not_on_use(code: int) -> None:
    der = signed(*(entry(reason, serial=number) for number, reason in enumerate(SAID_REASONS, start=1)))
    head, tail = der.rsplit(REASON_CODE, 1)
    with pytest.raises(UnreadableCrl, match="reason"):
        read_crl(head + REASON_CODE + bytes([code]) + tail[1:])


def test_an_entry_that_says_its_reason_twice_is_unreadable() -> None:
    der = signed(entry(invalid_since=NOW))
    reason, date = bytes.fromhex("0603551d15"), bytes.fromhex("0603551d18")
    with pytest.raises(UnreadableCrl):
        read_crl(der.replace(date, reason))


CRLS = [
    signed(*(entry(reason, serial=number) for number, reason in enumerate(RevocationReason, start=1))),
    signed(entry(invalid_since=NOW), distribution_point=PART),
    signed(issuer=issuing_ca(KeyType.RSA2048)),
    pem_of(signed(entry(), issuer=issuing_ca(KeyType.ED25519))),
]


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(foreign(CRLS))
def test_whatever_is_read_nothing_but_an_error_of_ours_escapes(data: bytes) -> None:
    with suppress(MutuaError):
        crl = read_crl(data)
        _ = crl.issuer.rfc4514_string(), crl.last_update_utc, crl.next_update_utc, list(crl.extensions)
        read_back(crl)


@pytest.mark.parametrize("size", range(0, 420, 7))
def test_a_crl_cut_short_is_unreadable(size: int) -> None:
    der = signed(entry(), distribution_point=PART)
    with pytest.raises(UnreadableCrl):
        read_crl(der[: min(size, len(der) - 1)])
