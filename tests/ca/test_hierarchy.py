"""CAs on paper: their names, how far their word goes, and what the one above allows."""

import ipaddress
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from mutua.ca.hierarchy import (
    MAX_ID,
    Purpose,
    accepted_authority_id,
    constraints_in,
    constraints_of,
    draft_issuing_ca,
    draft_root,
    next_id,
    numbered,
)
from mutua.errors import InvalidAuthority, InvalidLifetime
from mutua.pki.draft import Constraints
from mutua.pki.randomness import new_serial
from tests.pki.hierarchy import NOW, Authority, key_of, root

ids = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


def below(above: Authority, constraints: Constraints, lifetime: timedelta | None = None) -> Authority:
    """A CA below another one."""
    key = key_of("below")
    draft = draft_issuing_ca(
        "Acme Payments",
        key.public_key(),
        root=above.certificate,
        serial=new_serial(),
        now=NOW,
        constraints=constraints,
        lifetime=lifetime,
    )
    return Authority(key, draft.sign(above.key))


@pytest.mark.parametrize("text", ["root", "issuing-1", "a", "7", "a" * 63, "partner-acme-2", "a--b"])
def test_what_stands_in_urls_and_file_names_names_a_ca(text: str) -> None:
    assert accepted_authority_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "A", "a" * 64, "-a", "a-", "a.b", "a/b", "../x", "a b", "ümlaut", "a\n", "a\0", "\u0663", "%2e", "half\udcff"],
)
def test_nothing_else_does(text: str) -> None:
    with pytest.raises(InvalidAuthority) as refused:
        accepted_authority_id(text)
    assert len(refused.value.message.splitlines()) == 1


@pytest.mark.parametrize(
    ("current", "taken", "following"),
    [
        ("issuing-1", [], "issuing-2"),
        ("issuing-1", ["issuing-2", "issuing-3"], "issuing-4"),
        ("partners", [], "partners-2"),
        ("partner-acme", [], "partner-acme-2"),
        ("2026", [], "2026-2"),
        ("ca-007", [], "ca-8"),
        ("a--1", [], "a--2"),
        ("a" * 63, [], "a" * 61 + "-2"),
        ("a" * 61 + "-9", [], "a" * 60 + "-10"),
        ("a" * 60 + "-bc", [], "a" * 60 + "-2"),
    ],
)
def test_a_successor_has_the_next_number(current: str, taken: list[str], following: str) -> None:
    assert next_id(current, [current, *taken]) == following


@given(current=ids, taken=st.lists(ids, max_size=5))
def test_every_ca_can_have_a_successor(current: str, taken: list[str]) -> None:
    following = next_id(current, [current, *taken])
    assert following not in {current, *taken}
    assert accepted_authority_id(following) == following
    assert len(following) <= MAX_ID


@given(current=ids.filter(lambda text: len(text) < 60))
def test_successors_have_their_name_in_common_and_their_numbers_grow(current: str) -> None:
    after = next_id(current, [current])
    stem, number = numbered(current)
    assert numbered(after) == (stem, number + 1)


@pytest.mark.parametrize(
    ("purpose", "profiles"),
    [(Purpose.ANY, {"server", "client"}), (Purpose.SERVER, {"server"}), (Purpose.CLIENT, {"client"})],
)
def test_a_purpose_covers_its_certificates(purpose: Purpose, profiles: set[str]) -> None:
    assert {each for each in ("server", "client") if purpose.covers(each)} == profiles


def test_what_a_ca_is_for_stands_in_its_certificate() -> None:
    certificates = {purpose: below(root(), constraints_of(purpose)).certificate for purpose in Purpose}
    assert {purpose: constraints_in(certificate).purposes for purpose, certificate in certificates.items()} == {
        Purpose.ANY: (),
        Purpose.SERVER: (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING),
        Purpose.CLIENT: (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING),
    }


@pytest.mark.parametrize(
    ("text", "subtree"),
    [
        ("acme.example", x509.DNSName("acme.example")),
        ("ACME.example", x509.DNSName("acme.example")),
        ("bücher.example", x509.DNSName("xn--bcher-kva.example")),
        ("@acme.example", x509.RFC822Name("acme.example")),
        ("10.0.0.0/8", x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))),
        ("10.1.2.3", x509.IPAddress(ipaddress.ip_network("10.1.2.3/32"))),
        ("2001:db8::/32", x509.IPAddress(ipaddress.ip_network("2001:db8::/32"))),
        ("::1", x509.IPAddress(ipaddress.ip_network("::1/128"))),
    ],
)
def test_a_part_of_the_name_space_is_a_domain_a_network_or_mail(text: str, subtree: x509.GeneralName) -> None:
    assert constraints_of(Purpose.ANY, names=[text]).permitted == (subtree,)


@pytest.mark.parametrize(
    "text",
    ["", "@", "*.acme.example", "@*.acme.example", "10.0.0.1/8", "10.0.0.0/99", "a b", "a/b", "https://acme.example",
     "ops@acme.example", "@10.0.0.1", "@@acme.example", "acme..example", "\0", "half\udcff"],
)  # fmt: skip
def test_what_is_no_part_of_the_name_space_is_refused(text: str) -> None:
    with pytest.raises(InvalidAuthority, match="no part of the name space"):
        constraints_of(Purpose.ANY, names=["acme.example", text])


@given(text=st.text() | st.text("0123456789abcdef.:/@*-", max_size=20))
def test_any_text_is_a_part_of_the_name_space_or_a_clear_refusal(text: str) -> None:
    with suppress(InvalidAuthority):
        (subtree,) = constraints_of(Purpose.ANY, names=[text]).permitted
        constraints = Constraints(path_length=0, permitted=(subtree,))
        assert constraints_in(below(root(), constraints).certificate).permitted == (subtree,)


@pytest.mark.parametrize("path_length", [-1, 9, 10**9])
def test_a_path_length_without_sense_is_refused(path_length: int) -> None:
    with pytest.raises(InvalidAuthority, match="0 to 8"):
        constraints_of(Purpose.ANY, path_length=path_length)


@given(
    purpose=st.sampled_from(Purpose),
    path_length=st.integers(0, 8),
    names=st.lists(st.sampled_from(["acme.example", "10.0.0.0/8", "@acme.example", "::1"]), unique=True),
)
def test_a_successor_states_what_its_certificate_stated(purpose: Purpose, path_length: int, names: list[str]) -> None:
    key = key_of("deep root")
    deep = Authority(key, draft_root("Acme", key.public_key(), serial=1, now=NOW, path_length=9).sign(key))
    constraints = constraints_of(purpose, path_length=path_length, names=names)
    assert constraints_in(below(deep, constraints).certificate) == constraints


def test_excluded_names_and_no_path_length_are_read_too() -> None:
    excluded = Constraints(path_length=None, excluded=(x509.DNSName("evil.example"),))
    key = key_of("root")
    free = Authority(key, draft_root("Acme", key.public_key(), serial=1, now=NOW).sign(key))
    builder = x509.CertificateBuilder(
        free.certificate.subject, free.certificate.subject, key.public_key(), 1, NOW, NOW + timedelta(days=1)
    )
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.NameConstraints(None, excluded.excluded), critical=True)
        .sign(key, SHA256())
    )
    assert constraints_in(certificate) == excluded
    bare = builder.sign(key, SHA256())
    assert constraints_in(bare) == Constraints(path_length=None)


@pytest.mark.parametrize("path_length", [0, 1])
def test_a_ca_may_have_others_below_it(path_length: int) -> None:
    certificate = below(root(), constraints_of(Purpose.ANY, path_length=path_length)).certificate
    assert constraints_in(certificate).path_length == path_length


@pytest.mark.parametrize("path_length", [2, 3])
def test_each_ca_has_less_below_it_than_the_one_above(path_length: int) -> None:
    with pytest.raises(InvalidAuthority, match="path length 2, so this one cannot have") as refused:
        below(root(), constraints_of(Purpose.ANY, path_length=path_length))
    assert "--path-length" in refused.value.hint


def test_below_a_ca_that_issues_to_the_end_there_is_no_other() -> None:
    issuing = below(root(), constraints_of(Purpose.ANY))
    with pytest.raises(InvalidAuthority, match="path length 0"):
        below(issuing, constraints_of(Purpose.ANY))


def test_a_ca_ends_with_the_one_above_it() -> None:
    certificate = below(root(), constraints_of(Purpose.ANY), timedelta(days=3650)).certificate
    assert certificate.not_valid_after_utc == root().certificate.not_valid_after_utc
    with pytest.raises(InvalidLifetime):
        below(root(), constraints_of(Purpose.ANY), timedelta(days=3651))
