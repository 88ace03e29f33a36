"""Paths of certificates whose handshake somebody else saw: found where OpenSSL finds one, refused where it refuses."""

import subprocess
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from mutua.pki.certificates import write_der, write_pem
from mutua.pki.profiles import CLIENT, SERVER
from mutua.reasons import Reason
from mutua.tls.client_paths import MAX_SENT, ClientPath, ClientPaths, Distrust
from mutua.tls.trust import Trust
from tests.pki.hierarchy import NOW, Authority, issue, make_issuing_ca, make_root
from tests.pki.mutations import foreign

ROOT = make_root()
CA = make_issuing_ca(ROOT)
LEAF = issue(CA, CLIENT, ["woovi"])
BANK = make_root(organization="Bank")
BANK_CA = make_issuing_ca(BANK)
BANK_LEAF = issue(BANK_CA, CLIENT, ["api.bank.example"])
OURS = Trust((ROOT.certificate, CA.certificate))


def find(
    trust: Trust, leaf: x509.Certificate, *sent: x509.Certificate, after: timedelta = timedelta()
) -> ClientPath | Distrust:
    return ClientPaths(trust).find(write_der(leaf), [write_der(each) for each in sent], now=NOW + after)


def reason(found: ClientPath | Distrust) -> Reason | None:
    return found.reason if isinstance(found, Distrust) else None


def certificates(found: ClientPath | Distrust) -> tuple[x509.Certificate, ...]:
    assert isinstance(found, ClientPath), found
    return found.certificates


def edited(
    issuer: Authority,
    key: x509.Certificate,
    *extensions: tuple[x509.ExtensionType, bool],
    subject: x509.Name | None = None,
    days: tuple[int, int] = (-1, 10),
) -> x509.Certificate:
    """A certificate of exactly these extensions, for the key of another."""
    builder = x509.CertificateBuilder(
        issuer.certificate.subject,
        subject or key.subject,
        key.public_key(),
        x509.random_serial_number(),
        NOW + timedelta(days=days[0]),
        NOW + timedelta(days=days[1]),
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(issuer.key, hashes.SHA256())


def test_a_path_goes_up_to_the_root_whatever_was_sent() -> None:
    path = LEAF.certificate, CA.certificate, ROOT.certificate
    for sent in ((), (CA.certificate,), (ROOT.certificate, CA.certificate), (BANK.certificate,) * 3):
        found = find(OURS, LEAF.certificate, *sent)
        assert certificates(found) == path
        assert isinstance(found, ClientPath)
        assert found.ends_at == min(each.not_valid_after_utc for each in path[1:])


def test_an_intermediate_may_be_sent_or_registered() -> None:
    only_root = Trust((BANK.certificate,))
    whole = BANK_LEAF.certificate, BANK_CA.certificate, BANK.certificate
    assert certificates(find(only_root, BANK_LEAF.certificate, BANK_CA.certificate)) == whole
    assert reason(find(only_root, BANK_LEAF.certificate)) is Reason.UNKNOWN_ISSUER
    registered = Trust((BANK.certificate,), intermediates=(BANK_CA.certificate,))
    assert certificates(find(registered, BANK_LEAF.certificate)) == whole


def test_a_path_may_end_at_a_partner_that_is_no_root() -> None:
    trust = Trust((ROOT.certificate,), partners=(BANK_CA.certificate,))
    for sent in ((), (BANK.certificate,)):
        assert certificates(find(trust, BANK_LEAF.certificate, *sent)) == (BANK_LEAF.certificate, BANK_CA.certificate)


def test_a_pinned_certificate_is_a_path_by_itself() -> None:
    basic = (x509.BasicConstraints(ca=True, path_length=None), True)  # as `openssl req -x509` makes them
    alone = edited(BANK, BANK.certificate, basic)
    for pinned in (BANK_LEAF.certificate, alone):
        found = find(Trust((ROOT.certificate,), partners=(pinned,)), pinned)
        assert found == ClientPath((pinned,), None)


def test_the_longest_path_counts_for_it_names_most_cas() -> None:
    trust = Trust((ROOT.certificate,), partners=(BANK_LEAF.certificate, BANK_CA.certificate, BANK.certificate))
    assert len(certificates(find(trust, BANK_LEAF.certificate))) == 3


@pytest.mark.parametrize("sent", [(), (BANK.certificate,), (BANK_CA.certificate, BANK.certificate)])
def test_what_is_only_sent_is_not_believed(sent: Sequence[x509.Certificate]) -> None:
    assert reason(find(OURS, BANK_LEAF.certificate, *sent)) is Reason.UNKNOWN_ISSUER
    assert reason(find(OURS, BANK.certificate, *sent)) is Reason.UNKNOWN_ISSUER


def test_a_ca_of_the_same_name_with_another_key_is_a_stranger() -> None:
    impostor = make_issuing_ca(make_root())
    assert impostor.certificate.subject == CA.certificate.subject
    forged = issue(impostor, CLIENT, ["woovi"]).certificate
    for sent in ((), (CA.certificate,), (impostor.certificate,), (impostor.certificate, ROOT.certificate)):
        assert reason(find(OURS, forged, *sent)) is Reason.UNKNOWN_ISSUER


def test_a_signature_changed_by_a_bit_is_no_path() -> None:
    der = bytearray(write_der(LEAF.certificate))
    der[-1] ^= 1
    assert reason(ClientPaths(OURS).find(bytes(der), [], now=NOW)) in {Reason.UNKNOWN_ISSUER, Reason.MALFORMED}


def test_a_client_that_signs_certificates_is_no_ca() -> None:
    woovi = Authority(LEAF.key, LEAF.certificate)
    forged = edited(woovi, BANK_LEAF.certificate)
    found = find(OURS, forged, LEAF.certificate)
    assert reason(found) is Reason.UNKNOWN_ISSUER
    assert isinstance(found, Distrust)
    assert "no CA" in found.detail


@pytest.mark.parametrize(
    ("extensions", "wanted"),
    [
        ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)], None),
        ([], None),
        ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)], Reason.WRONG_PURPOSE),
        ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)], Reason.WRONG_PURPOSE),
        ([(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)], Reason.UNKNOWN_ISSUER),
        ([(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)], None),
    ],
)
def test_the_leaf_is_judged_as_openssl_does(
    peer: Callable[[str], str],
    tmp_path: Path,
    extensions: list[tuple[x509.ExtensionType, bool]],
    wanted: Reason | None,
) -> None:
    leaf = edited(BANK, BANK_LEAF.certificate, *extensions)
    assert reason(find(Trust((BANK.certificate,)), leaf)) is wanted
    (tmp_path / "leaf.pem").write_bytes(write_pem([leaf]))
    (tmp_path / "root.pem").write_bytes(write_pem([BANK.certificate]))
    openssl = [peer("openssl"), "verify", "-purpose", "sslclient", "-CAfile", "root.pem", "leaf.pem"]
    answer = subprocess.run(openssl, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert (answer.returncode == 0) is (wanted is None)


def test_a_server_certificate_is_for_servers() -> None:
    assert reason(find(OURS, issue(CA, SERVER, ["api.acme.example"]).certificate)) is Reason.WRONG_PURPOSE


def test_path_length_and_validity_of_cas_count() -> None:
    below = make_root(organization="Below")
    too_deep = edited(
        CA,
        below.certificate,
        (x509.BasicConstraints(ca=True, path_length=None), True),
        subject=below.certificate.subject,
    )
    leaf = issue(below, CLIENT, ["deep"]).certificate
    assert reason(find(OURS, leaf, too_deep)) is Reason.UNKNOWN_ISSUER
    for days, wanted in (((-9, -1), Reason.EXPIRED), ((1, 9), Reason.NOT_YET_VALID), ((-1, 9), None)):
        ca = edited(
            BANK,
            below.certificate,
            (x509.BasicConstraints(ca=True, path_length=None), True),
            subject=below.certificate.subject,
            days=days,
        )
        assert reason(find(Trust((BANK.certificate,)), leaf, ca)) is wanted


def test_names_outside_the_constraints_of_a_ca_are_refused() -> None:
    below = make_root(organization="Below")
    constraints = x509.NameConstraints([x509.DNSName("bank.example")], None)
    basic = x509.BasicConstraints(ca=True, path_length=None)
    ca = edited(BANK, below.certificate, (basic, True), (constraints, True), subject=below.certificate.subject)
    trust = Trust((BANK.certificate,))
    assert reason(find(trust, issue(below, CLIENT, ["api.bank.example"]).certificate, ca)) is None
    assert reason(find(trust, issue(below, CLIENT, ["api.acme.example"]).certificate, ca)) is Reason.UNKNOWN_ISSUER


def test_a_leaf_that_has_ended_is_left_to_the_gate() -> None:
    assert certificates(find(OURS, LEAF.certificate, after=timedelta(days=100)))[0] == LEAF.certificate


def test_another_certificate_inside_an_extension_is_not_read_instead() -> None:
    """PEM of the victim inside the attacker's own, which a trusted CA has signed."""
    inside = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\n" + write_pem([LEAF.certificate]))
    attacker = edited(BANK, BANK_LEAF.certificate, (inside, False))
    trust = Trust((ROOT.certificate, CA.certificate), partners=(BANK.certificate,))
    assert certificates(find(trust, attacker))[0] == attacker


def test_more_than_a_path_needs_is_refused() -> None:
    assert reason(find(OURS, LEAF.certificate, *[CA.certificate] * MAX_SENT)) is None
    assert reason(find(OURS, LEAF.certificate, *[CA.certificate] * (MAX_SENT + 1))) is Reason.MALFORMED


def test_cas_of_one_name_and_key_end_the_search_in_time() -> None:
    """As in facts of the field: hundreds that all verify each other keep others busy for seconds."""
    ring = make_root(organization="Ring")
    basic = (x509.BasicConstraints(ca=True, path_length=None), True)
    crowd = [edited(ring, ring.certificate, basic, subject=ring.certificate.subject) for _ in range(MAX_SENT)]
    assert reason(find(OURS, issue(ring, CLIENT, ["x"]).certificate, *crowd)) is Reason.UNKNOWN_ISSUER


DERS = [write_der(each) for each in (LEAF.certificate, CA.certificate, BANK_LEAF.certificate, BANK.certificate)]


@given(leaf=foreign(DERS), sent=st.lists(foreign(DERS), max_size=3))
def test_any_bytes_are_a_path_or_a_reason(leaf: bytes, sent: list[bytes]) -> None:
    found = ClientPaths(OURS).find(leaf, sent, now=NOW)
    if isinstance(found, ClientPath):
        assert found.certificates[-1] in OURS.anchors
        assert write_der(found.certificates[0]) == leaf
