"""Whatever is sent, there is a verdict; nothing that was altered, shuffled or piled up becomes valid by it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua.ca.hierarchy import Purpose
from mutua.doctor.certificates import Question, Verdict, examine
from mutua.errors import MutuaError
from mutua.pki.certificates import read_certificates, write_der
from mutua.pki.crl import read_crl
from mutua.pki.keys import KeyType
from mutua.pki.randomness import generate_key
from tests.doctor.test_certificates import by_openssl
from tests.doctor.verdicts import EVERY, Case
from tests.pki.crafted import (
    DNS,
    ISSUING,
    LEAF,
    NOW,
    ROOT,
    SHA256_RSA,
    Extensions,
    Made,
    altered,
    constraints,
    costly,
    crl,
    key_called,
    make,
    rsa_key,
)
from tests.pki.mutations import mutated

CHAINS = [
    [LEAF, ISSUING],
    [make("rsa", make("RSA", ROOT, key=rsa_key()), ca=False), make("RSA", ROOT, key=rsa_key())],
    [make("ed", ISSUING, ca=False, key=generate_key(KeyType.ED25519)), ISSUING, ROOT],
]
DERS = [[write_der(each.certificate) for each in chain_] for chain_ in CHAINS]
KNOWN = set(chain(*DERS))
CRLS = [each.public_bytes(Encoding.DER) for each in (crl(ISSUING, LEAF), crl(ISSUING), crl(ROOT))]
POOL = [*{id(each): each for case in EVERY for each in (*case.given, *case.trusted)}.values()]
LISTS = [*{id(each): each for case in EVERY for each in case.crls}.values()]

# A slow machine is no finding; a hang is ended by the timeout of every test.
bounded = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)


@bounded
@given(st.data())
def test_a_damaged_chain_is_an_error_or_invalid_or_the_damage_is_not_on_its_path(data: st.DataObject) -> None:
    ders = list(data.draw(st.sampled_from(DERS)))
    place = data.draw(st.integers(0, len(ders) - 1))
    ders[place] = data.draw(mutated(ders))
    with suppress(MutuaError):
        certificates = [certificate for der in ders for certificate in read_certificates(der)]
        verdict = judge(certificates, data.draw(st.sampled_from(Purpose)))
        if verdict.valid:
            assert {write_der(each) for each in verdict.path} <= KNOWN


@bounded
@given(st.data())
def test_no_damage_to_crls_makes_a_revoked_certificate_valid(data: st.DataObject) -> None:
    damaged = [data.draw(st.one_of(st.just(der), mutated(CRLS))) for der in CRLS]
    with suppress(MutuaError):
        lists = tuple(read_crl(der) for der in damaged)
        # Whoever withholds the CRL that lists it may show the older one that does not: that is no damage.
        kept = [each for each in lists if each.public_bytes(Encoding.DER) != CRLS[1]]
        verdict = judge([LEAF.certificate, ISSUING.certificate], crls=tuple(kept))
        assert not verdict.valid or not kept


@bounded
@given(
    given_=st.lists(st.sampled_from(POOL), min_size=1, max_size=12),
    trusted=st.lists(st.sampled_from(POOL), max_size=5),
    lists=st.lists(st.sampled_from(LISTS), max_size=4),
    purpose=st.sampled_from(Purpose),
)
def test_any_heap_of_odd_certificates_and_crls_gets_a_verdict(
    given_: list[Made], trusted: list[Made], lists: list[x509.CertificateRevocationList], purpose: Purpose
) -> None:
    verdict = judge([each.certificate for each in given_], purpose, trusted, tuple(lists))
    assert verdict.path
    assert len(verdict.path) == len(verdict.revocation)
    assert verdict.valid or verdict.findings


def test_of_any_heap_mutua_takes_nothing_for_valid_that_openssl_refuses(peer: Callable[[str], str]) -> None:
    openssl = peer("openssl")

    @settings(bounded, max_examples=60)
    @given(
        case=st.sampled_from(EVERY),
        more=st.lists(st.sampled_from(POOL), max_size=6),
        trusted=st.lists(st.sampled_from(POOL), max_size=3),
        lists=st.lists(st.sampled_from(LISTS), max_size=3),
    )
    def compare(case: Case, more: list[Made], trusted: list[Made], lists: list[x509.CertificateRevocationList]) -> None:
        heap = Case("heap", [*case.given, *more], trusted=[*case.trusted, *trusted], purpose=case.purpose,
                    crls=[*case.crls, *lists] if case.crls else [])  # fmt: skip
        verdict = heap.examine()
        if verdict.valid:
            # The path alone: of several certificates of one CA OpenSSL tries the first and no other.
            known = {each.certificate: each for each in (*heap.given, *heap.trusted)}
            *given_, root = [known[each] for each in verdict.path]
            alone = replace(heap, given=given_ or [root], trusted=[root])
            with TemporaryDirectory() as folder:
                accepted, said = by_openssl(openssl, alone, Path(folder))
            assert accepted, said

    compare()


@pytest.mark.parametrize("trusted", [[ROOT], []], ids=["a root", "no root"])
def test_hundreds_of_certificates_of_one_name_and_key_get_a_clear_verdict(trusted: list[Made]) -> None:
    many = [make("Same", ISSUING) for _ in range(200)]
    seen = judge([each.certificate for each in (make("leaf", many[0], ca=False), *many)], trusted=trusted)
    assert "too_complex" in {finding.code for finding in seen.findings}


def test_a_pile_of_certificates_that_lead_nowhere_does_not_hide_the_path_that_holds() -> None:
    pile = [make("Issuing", key=key_called(f"pile {n % 7}")) for n in range(90)]
    seen = judge([each.certificate for each in (LEAF, *pile, ISSUING)])
    assert seen.valid


def test_a_mesh_of_cas_gets_a_clear_verdict() -> None:
    cas = [make(f"Mesh {n}") for n in range(10)]
    mesh = [make(f"Mesh {n}", other) for n in range(10) for other in cas if other is not cas[n]]
    seen = judge([each.certificate for each in (make("leaf", cas[0], ca=False), *mesh)])
    assert not seen.valid
    assert "too_complex" in {finding.code for finding in seen.findings}


def test_names_and_constraints_by_the_thousand_are_refused_together() -> None:
    ca = make("CA", ROOT, change=constraints(exclude=[DNS(f"n{n}.example") for n in range(2000)]))
    leaf = make("leaf", ca, ca=False, names=[DNS(f"m{n}.example") for n in range(2000)])
    assert [finding.code for finding in judge([leaf.certificate, ca.certificate]).findings] == ["name_not_permitted"]


def test_a_signature_of_an_unknown_kind_is_not_believed() -> None:
    root = make("RSA root", key=rsa_key())
    strange = SHA256_RSA[:-1] + b"\x7f"
    leaf = altered(make("leaf", root, ca=False), SHA256_RSA, strange, rsa_key(), SHA256())
    assert [finding.code for finding in judge([leaf.certificate], trusted=[root]).findings] == ["unsupported_signature"]


def test_nothing_is_checked_with_a_key_that_makes_it_costly_and_it_is_said() -> None:
    ca = costly()
    leaf = make("leaf", ca, ca=False, change=by_key_of(ca))
    seen = judge([leaf.certificate, ca.certificate], crls=(crl(ca), crl(ROOT)))
    codes = [finding.code for finding in seen.findings]
    assert codes == ["unsupported_signature", "crl_bad_signature", "unsupported_key"]


def by_key_of(ca: Made) -> Extensions:
    """An AuthorityKeyIdentifier as it should be, although another key signs."""
    own = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return {x509.AuthorityKeyIdentifier: (x509.AuthorityKeyIdentifier(own.digest, None, None), False)}


def judge(
    certificates: Sequence[x509.Certificate],
    purpose: Purpose = Purpose.CLIENT,
    trusted: Sequence[Made] = (ROOT,),
    crls: tuple[x509.CertificateRevocationList, ...] = (),
) -> Verdict:
    question = Question(now=NOW, purpose=purpose, crls=crls)
    return examine(certificates, [each.certificate for each in trusted], question)
