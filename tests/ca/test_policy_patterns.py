from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mutua.ca import policy as policies
from mutua.ca.policy import Policy
from mutua.errors import InvalidName, RefusedRequest
from mutua.pki.names import DnsName, EmailName, IpName, Name, UriName, parse_name
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.registry.clients import accepted_client_name
from tests.ca.judging import allows, asking, judged, violations

COVERED: list[tuple[str, str, bool]] = [
    ("api.acme.example", "api.acme.example", True),
    ("API.Acme.Example", "api.acme.example", True),
    ("api.acme.example", "x.api.acme.example", False),
    ("api.acme.example", "acme.example", False),
    ("*.acme.example", "api.acme.example", True),
    ("*.acme.example", "a.b.c.acme.example", True),
    ("*.acme.example", "*.acme.example", True),
    ("*.acme.example", "*.pay.acme.example", True),
    ("*.acme.example", "acme.example", False),
    ("*.acme.example", "evilacme.example", False),
    ("*.acme.example", "acme.example.evil.example", False),
    ("*.acme.example", "*.evil.example", False),
    ("*.bücher.example", "www.xn--bcher-kva.example", True),
    ("*.internal", "db.internal", True),
    ("*.internal", "internal", False),
    ("10.0.0.0/8", "10.255.0.1", True),
    ("10.0.0.0/8", "11.0.0.1", False),
    ("10.0.0.0/8", "::ffff:10.0.0.1", False),
    ("2001:db8::/32", "2001:db8::1", True),
    ("0.0.0.0/0", "::1", False),
    ("127.0.0.1", "127.0.0.1", True),
    ("127.0.0.1", "127.0.0.2", False),
    ("spiffe://acme.example/pay", "spiffe://acme.example/pay", True),
    ("spiffe://acme.example/pay", "spiffe://acme.example/pay/x", False),
    ("spiffe://acme.example/*", "spiffe://acme.example/ns/pay", True),
    ("spiffe://acme.example/*", "spiffe://acme.example/", False),
    ("spiffe://acme.example/*", "spiffe://acme.example.evil.example/pay", False),
    ("spiffe://acme.example/*", "https://acme.example/pay", False),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/../admin", False),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/..", False),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/./x", False),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/...", True),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/a//b", False),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/a/", False),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/%2e%2e/admin", False),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/a?b", False),
    ("spiffe://acme.example/ns/*", "spiffe://acme.example/ns/a#b", False),
    ("urn:acme:*", "urn:acme:pay", True),
    ("urn:acme:*", "urn:acmex:pay", False),
    ("@acme.example", "ops@acme.example", True),
    ("@ACME.example", "Ops+pix@acme.example", True),
    ("@acme.example", "ops@mail.acme.example", False),
    ("@acme.example", "ops@evilacme.example", False),
    ("ops@acme.example", "ops@acme.example", True),
    ("ops@acme.example", "dev@acme.example", False),
    ("{client}", "woovi", True),
    ("{client}", "woovi2", False),
    ("{client}.acme.example", "woovi.acme.example", True),
    ("{client}.acme.example", "stone.acme.example", False),
    ("*.{client}.acme.example", "a.b.woovi.acme.example", True),
    ("*.{client}.acme.example", "woovi.acme.example", False),
    ("*.{client}.acme.example", "a.stone.acme.example", False),
    ("spiffe://acme.example/{client}", "spiffe://acme.example/woovi", True),
    ("spiffe://acme.example/{client}/*", "spiffe://acme.example/woovi/x", True),
    ("spiffe://acme.example/{client}/*", "spiffe://acme.example/woovi/../stone", False),
    ("spiffe://{client}.acme.example/*", "spiffe://woovi.acme.example/x", True),
    ("{client}@acme.example", "woovi@acme.example", True),
    ("@{client}.acme.example", "ops@woovi.acme.example", True),
    ("{client}.acme.example", "name-of-the-client-here.acme.example", False),
]


@pytest.mark.parametrize(("pattern", "name", "covered"), COVERED)
def test_a_pattern_covers_exactly_what_it_says(pattern: str, name: str, covered: bool) -> None:
    assert allows(pattern, name) == covered


@pytest.mark.parametrize("pattern", ["{client}", "*.{client}.acme.example", "{client}@acme.example"])
def test_a_pattern_with_a_client_covers_nothing_without_one(pattern: str) -> None:
    for name in ("woovi", "a.woovi.acme.example", "woovi@acme.example", "name-of-the-client-here"):
        assert not allows(pattern, name, client=None)


MALFORMED: list[tuple[str, Name]] = [
    ("*.acme.example", DnsName("api_v2.acme.example")),
    ("*.acme.example", DnsName(".acme.example")),
    ("*.acme.example", DnsName("-a.acme.example")),
    ("*.acme.example", DnsName("a..acme.example")),
    ("*.acme.example", DnsName("a*.acme.example")),
    ("*.acme.example", DnsName("*.*.acme.example")),
    ("*.acme.example", DnsName("a.*.acme.example")),
    ("*.acme.example", DnsName("evil.example/.acme.example")),
    ("*.acme.example", DnsName("evil.example\n.acme.example")),
    ("*.acme.example", DnsName("xn--zzzzzz.acme.example")),
    ("*.acme.example", DnsName("a" * 64 + ".acme.example")),
    ("*.acme.example", DnsName("a." * 130 + "acme.example")),
    ("*.acme.example", UriName("x.acme.example")),
    ("127.0.0.1", DnsName("127.0.0.1")),
    ("@acme.example", EmailName("a b@acme.example")),
    ("@acme.example", EmailName("a@evil.example@acme.example")),
    ("@acme.example", EmailName('"a"@acme.example')),
    ("@acme.example", EmailName("@acme.example")),
    ("spiffe://acme.example/*", UriName("spiffe://acme.example/ü")),
    ("spiffe://acme.example/*", UriName("spiffe://acme.example/a\nb")),
    ("spiffe://acme.example/*", UriName("spiffe://acme.example/" + "a" * 2048)),
    ("{client}-x.acme.example", DnsName("c" * 62 + "-x.acme.example")),
]


@pytest.mark.parametrize(("pattern", "name"), MALFORMED, ids=lambda value: ascii(str(value))[:60])
def test_a_malformed_name_is_refused_whatever_pattern_it_fits(pattern: str, name: Name) -> None:
    client = "c" * 62 if pattern.startswith("{client}") else "woovi"
    assert not allows(pattern, name, client=client)
    assert "is not" in violations(asking(name), {}, profile=SERVER)[0]


def test_an_address_in_capital_letters_is_certified_as_it_is_compared() -> None:
    request = asking(EmailName("Ops@ACME.Example"))
    assert judged(request, {"names": ["@acme.example"]}).names == (EmailName("Ops@acme.example"),)
    assert judged(request, names=(EmailName("Ops@acme.example"),)).dropped == ()


def test_a_client_whose_name_no_dns_name_could_be_still_gets_its_own() -> None:
    for client in ("127", "xn--a"):
        assert judged(asking(DnsName(client)), client=client).names == (DnsName(client),)


LABELS = st.from_regex(r"[a-z0-9-]{1,4}|xn--[a-z0-9]{1,4}", fullmatch=True)


@given(st.lists(LABELS, min_size=1, max_size=5).map(".".join) | st.text("ab1-.*x\n", max_size=12))
@settings(max_examples=1500)
def test_what_passes_for_a_plain_name_is_one_for_parse_name_too(text: str) -> None:
    if policies._PLAIN_DNS.fullmatch(text):
        assert parse_name(text) == DnsName(text)


CHARACTERS = st.text("ab./:*@-{}0123?#%\n", max_size=12)
FOREIGN_NAMES = st.one_of(
    st.builds(DnsName, st.text(max_size=20) | st.lists(LABELS, max_size=6).map(".".join)),
    st.builds(UriName, st.text(max_size=20) | CHARACTERS.map("spiffe://acme.example/".__add__)),
    st.builds(EmailName, st.text(max_size=20) | CHARACTERS.map(lambda text: text + "@acme.example")),
    st.builds(IpName, st.ip_addresses()),
)


@given(
    patterns=st.lists(st.sampled_from([pattern for pattern, _, _ in COVERED]), max_size=4),
    names=st.lists(FOREIGN_NAMES | st.sampled_from([parse_name(name) for _, name, _ in COVERED]), max_size=5),
    client=st.none() | st.sampled_from(["woovi", "stone", "127"]),
    profile=st.sampled_from([CLIENT, SERVER]),
    lifetime=st.none() | st.timedeltas(),
    valid_now=st.integers(0, 20),
)
@settings(max_examples=600, deadline=None)
def test_what_is_approved_fits_a_certificate_and_anything_else_is_refused(
    patterns: list[str],
    names: list[Name],
    client: str | None,
    profile: Profile,
    lifetime: timedelta | None,
    valid_now: int,
) -> None:
    policy = Policy.parse({"names": patterns, "max_valid": 16})
    facts: dict[str, Any] = {"client": client, "profile": profile, "lifetime": lifetime, "valid_now": valid_now}
    try:
        approval = judged(asking(*names), policy, **facts)
    except RefusedRequest:
        return
    assert 1 <= len(approval.names) == len(set(approval.names)) <= 100
    assert timedelta(0) < approval.lifetime <= profile.max_lifetime
    assert valid_now < 16
    for name in approval.names:
        assert name == DnsName(client or "") or parse_name(str(name)) == name


@given(st.text(max_size=64), st.sampled_from([pattern for pattern, _, _ in COVERED if "{client}" in pattern]))
def test_one_clients_patterns_never_cover_anothers_names(text: str, pattern: str) -> None:
    try:
        other = accepted_client_name(text)
    except Exception:
        other = "stone"
    assume(other != "woovi")
    name = pattern.replace("{client}", "woovi").replace("*", "x")
    if not name.startswith("x.") and "@woovi" not in name:
        assert allows(pattern, name, client="woovi")
    try:
        parse_name(name)
    except InvalidName:
        return
    assert not allows(pattern, name, client=other)
