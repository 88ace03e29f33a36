"""Chains in order: whatever order they came in, however many there are, and who is missing above them."""

import itertools
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from mutua.pki import chain_order
from mutua.pki.chain_order import in_order, is_self_signed, issuer_urls, missing_issuer, preferred
from mutua.pki.chains import MAX_DEPTH, MAX_SIGNATURE_CHECKS
from mutua.pki.dn import DistinguishedName
from tests.pki.hierarchy import NOW, Authority, client, issuing_ca, make_issuing_ca, make_root, root

LEAF, ISSUING = client().chain
ROOT = root().certificate
OLD_ROOT = make_root(organization="Old")


def certify(name: x509.Name, key: Authority, by: Authority, *, days: int = 30) -> x509.Certificate:
    """A CA's certificate for a name and the key of another."""
    end = NOW + timedelta(days=days)
    builder = x509.CertificateBuilder(
        by.certificate.subject, name, key.key.public_key(), x509.random_serial_number(), NOW, end
    )
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(by.key, SHA256())


CROSS = certify(ROOT.subject, root(), OLD_ROOT)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_in_any_order_the_chain_is_the_same(order: tuple[int, ...]) -> None:
    given = (LEAF, ISSUING, ROOT, OLD_ROOT.certificate)
    ordered = in_order(LEAF, [given[place] for place in order])
    assert ordered.chain == (LEAF, ISSUING)
    assert ordered.root == ROOT
    assert ordered.others == (OLD_ROOT.certificate,)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_a_cross_signed_root_is_sent_for_those_who_trust_the_other(order: tuple[int, ...]) -> None:
    given = (LEAF, ISSUING, ROOT, CROSS)
    ordered = in_order(LEAF, [given[place] for place in order])
    assert ordered.chain == (LEAF, ISSUING, CROSS)
    assert ordered.root == ROOT
    assert missing_issuer(ordered.chain, ordered.root) is None


def test_it_goes_on_to_the_root_that_signed_the_cross() -> None:
    ordered = in_order(LEAF, [CROSS, OLD_ROOT.certificate, ROOT, ISSUING])
    assert (ordered.chain, ordered.root) == ((LEAF, ISSUING, CROSS), OLD_ROOT.certificate)
    assert ordered.others == (ROOT,)


def test_two_cas_that_certify_each_other_end() -> None:
    back = certify(OLD_ROOT.certificate.subject, OLD_ROOT, root())
    ordered = in_order(LEAF, [ISSUING, CROSS, back])
    assert (ordered.chain, ordered.root) == ((LEAF, ISSUING, CROSS, back), None)


def test_of_two_certificates_of_one_ca_the_newer_is_sent() -> None:
    newer = certify(ISSUING.subject, issuing_ca(), root(), days=9_000)
    for given in ([newer, ISSUING], [ISSUING, newer]):
        assert in_order(LEAF, given).chain == (LEAF, newer)
        assert preferred(given) == newer


def test_the_name_alone_makes_no_issuer() -> None:
    namesake = make_issuing_ca(make_root()).certificate
    assert namesake.subject == ISSUING.subject
    assert in_order(LEAF, [namesake]).chain == (LEAF,)
    assert in_order(LEAF, [make_root().certificate, ISSUING]).root is None


def test_a_certificate_that_names_itself_and_another_signed_is_not_self_signed() -> None:
    rollover = certify(ROOT.subject, root(), Authority(OLD_ROOT.key, ROOT))
    assert rollover.subject == rollover.issuer
    assert not is_self_signed(rollover)
    assert is_self_signed(ROOT)


def test_a_crowd_of_one_name_is_not_verified_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = [make_issuing_ca(make_root()).certificate] * 1 + [
        certify(ISSUING.subject, OLD_ROOT, root(), days=each + 1) for each in range(MAX_SIGNATURE_CHECKS + 50)
    ]
    asked: list[x509.Certificate] = []

    def count(_certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        asked.append(issuer)
        return False

    monkeypatch.setattr(chain_order, "issued_by", count)
    assert in_order(LEAF, crowd).chain == (LEAF,)
    assert len(asked) <= MAX_SIGNATURE_CHECKS


def test_a_ladder_of_cas_ends() -> None:
    rungs, above = [], root()
    for number in range(MAX_DEPTH + 3):
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"CA {number}")])
        above = Authority(issuing_ca().key, certify(name, issuing_ca(), above))
        rungs.append(above.certificate)
    ordered = in_order(rungs[-1], rungs)
    assert len(ordered.chain) == MAX_DEPTH
    assert ordered.root is None


# Who is missing


def test_the_missing_one_is_named_by_subject_key_and_place() -> None:
    alone = missing_issuer((LEAF,), None)
    assert alone is not None
    assert alone.subject == str(DistinguishedName.of(ISSUING.subject))
    own = ISSUING.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert alone.key_identifier == own.hex()
    assert (alone.below, alone.perhaps_root) == (str(DistinguishedName.of(LEAF.subject)), False)
    above = missing_issuer((LEAF, ISSUING), None)
    assert above is not None
    assert (above.subject, above.perhaps_root) == (str(DistinguishedName.of(ROOT.subject)), True)
    assert missing_issuer((LEAF, ISSUING), ROOT) is None
    assert missing_issuer((ROOT,), None) is None


def test_the_addresses_are_those_of_the_issuer_and_few() -> None:
    places = [
        *(("1.3.6.1.5.5.7.48.2", x509.UniformResourceIdentifier(f"http://ca.example/{each}")) for each in range(9)),
        ("1.3.6.1.5.5.7.48.1", x509.UniformResourceIdentifier("http://ocsp.example/")),
        ("1.3.6.1.5.5.7.48.2", x509.DNSName("ca.example")),
    ]
    access = [x509.AccessDescription(x509.ObjectIdentifier(method), place) for method, place in reversed(places)]
    made = (
        x509.CertificateBuilder(
            ISSUING.subject, LEAF.subject, issuing_ca().key.public_key(), 1, NOW, NOW + timedelta(days=1)
        )
        .add_extension(x509.AuthorityInformationAccess(access), critical=False)
        .sign(issuing_ca().key, SHA256())
    )
    assert issuer_urls(made) == tuple(f"http://ca.example/{each}" for each in (8, 7, 6, 5))
    assert issuer_urls(LEAF) == ()
