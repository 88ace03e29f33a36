"""Which names match: RFC 4517 and RFC 4518, and what an attacker would make of them."""

import hashlib
import unicodedata

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import InvalidDistinguishedName
from mutua.pki.dn import Attribute, DistinguishedName
from mutua.pki.dn.preparation import _fold_spaces, _normal, prepare
from tests.pki.distinguished import OFB, dn, name_of, names, rewritten

CN, ORGANIZATION, UNIT = "2.5.4.3", "2.5.4.10", "2.5.4.11"
PRIVATE_TYPE = "1.3.6.1.4.1.99999.1"


def parse(text: str) -> DistinguishedName:
    return DistinguishedName.parse(text)


def match(a: str, b: str) -> bool:
    """Whether two texts match, both ways."""
    one, other = parse(a), parse(b)
    assert one.matches(other) is other.matches(one)
    assert one.matches(other) is (one.match_key is not None and one.match_key == other.match_key)
    return one.matches(other)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("CN=Acme", "CN=ACME"),
        ("CN=Acme Payments", r"CN=\ \ Acme   Payments\ "),
        ("CN=a", "2.5.4.3=a"),
        ("CN=a", "commonname=a"),
        ("CN=a", "CN=#0c0161"),  # UTF8String
        ("CN=a", "CN=#130161"),  # PrintableString
        ("CN=a", "CN=#140161"),  # TeletexString
        ("CN=a", "CN=#1e020061"),  # BMPString
        ("CN=a", "CN=#1c0400000061"),  # UniversalString
        ("CN=1", "CN=#120131"),  # NumericString
        ("2.5.4.97=OFBBR-1", "organizationIdentifier=ofbbr-1"),
        ("CN=a+OU=b,O=c", "OU=b+CN=a,O=c"),
        ("OU=B+OU=a", "OU=A+OU=b"),
        ("CN=São Paulo", "CN=SÃO PAULO"),
        ("CN=Sa\u0303o", "CN=S\u00e3o"),  # decomposed
        ("CN=Straße", "CN=STRASSE"),
        ("CN=ΣΊΣΥΦΟΣ", "CN=σίσυφος"),
        ("CN=\uff41\uff43\uff4d\uff45", "CN=acme"),  # full width
        ("CN=ﬁn", "CN=FIN"),  # a ligature
        ("CN=a\u00a0b", "CN=a b"),
        ("CN=a\u2003\u3000b", "CN=a b"),
        ("CN=a\tb\r\nc", "CN=a b c"),
        ("CN=a\u0085b", "CN=a b"),
        ("CN=a\u00adb", "CN=ab"),  # soft hyphen
        ("CN=a\u200bb\u200d\ufeff", "CN=ab"),
        ("CN=", r"CN=\ \ "),
        ("DC=Example,DC=NET", "dc=example,dc=net"),
        ("DC=#0c0161", "DC=#160161"),
        ("emailAddress=Ops@Acme.example", "emailAddress=ops@acme.EXAMPLE"),
        (f"{PRIVATE_TYPE}=a  b", f"{PRIVATE_TYPE}=#1303612062"),
        (OFB, OFB.upper().replace("#0C", "#0c")),
    ],
)
def test_these_match(a: str, b: str) -> None:
    assert match(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("CN=a", "CN=b"),
        ("CN=a", "OU=a"),
        ("CN=a", "CN=a,O=b"),
        ("CN=a,O=b", "CN=a"),
        ("CN=a,O=b", "O=b,CN=a"),
        ("CN=a,O=b", "CN=a+O=b"),
        ("OU=a,OU=b", "OU=b,OU=a"),
        ("CN=a", "CN=a+OU=b"),
        ("CN=a+CN=A", "CN=a"),
        ("CN=Sao", "CN=São"),
        ("CN=ab", "CN=a b"),
        ("CN=a", "CN=\u0430"),  # Cyrillic
        ("CN=acme", "CN=\u0430cme"),
        ("CN=o", "CN=\u03bf"),  # Greek
        ("CN=i", "CN=\u0131"),  # without a dot
        ("CN=K", "CN=\u041a"),
        ("CN=l", "CN=1"),
        ("CN=*.acme.example", "CN=api.acme.example"),
        ("CN=a\\,O\\=b", "CN=a,O=b"),
        ("CN=a\\2bOU\\=b", "CN=a+OU=b"),
        (r"CN=a\1eO\=b", "CN=a,O=b"),
        ("CN=a \u0301", "CN=a\u0301"),  # the accent is on the space
        ("CN=a  \u0301", "CN=a \u0301"),
        (f"{PRIVATE_TYPE}=a", f"{PRIVATE_TYPE}=A"),
        (f"{PRIVATE_TYPE}=a", "CN=a"),
    ],
)
def test_these_do_not(a: str, b: str) -> None:
    assert not match(a, b)


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", "it is empty"),
        (r"CN=bank\00.evil.example", "the value of CN has U+0000, which is a control character"),
        (r"CN=\1b[2J", "the value of CN has U+001B, which is a control character"),
        (r"CN=\7f", "the value of CN has U+007F, which is a control character"),
        ("CN=a\u0080", "the value of CN has U+0080, which is a control character"),
        ("O=ok,CN=\ue000", "the value of CN has U+E000, which is for private use"),
        ("CN=\U000f0000", "the value of CN has U+F0000, which is for private use"),
        ("CN=\ufffd", "the value of CN has U+FFFD, which is what stands for a character that was lost"),
        ("CN=\uffff", "the value of CN has U+FFFF, which is not assigned"),
        ("CN=\ufdd0", "the value of CN has U+FDD0, which is not assigned"),
        ("CN=\u0378", "the value of CN has U+0378, which is not assigned"),
        ("CN=\U0001f600", "the value of CN has U+1F600, which is not assigned"),  # after Unicode 3.2
        ("DC=bücher", "the value of DC is not ASCII"),
        ("emailAddress=ç@x", "the value of emailAddress is not ASCII"),
        ("CN=#0c01ff", "the value of CN is not text in a string type of ASN.1"),
        ("CN=#1302c3a9", "the value of CN is not text in a string type of ASN.1"),
        ("CN=#1401e9", "the value of CN is not text in a string type of ASN.1"),
        ("CN=#1e0161", "the value of CN is not text in a string type of ASN.1"),
        ("CN=#1e02d800", "the value of CN is not text in a string type of ASN.1"),
        ("CN=#0500", "the value of CN is not text in a string type of ASN.1"),
        ("CN=#040161", "the value of CN is not text in a string type of ASN.1"),
        ("2.5.4.45=#03020061", "the value of 2.5.4.45 is not text in a string type of ASN.1"),
    ],
)
def test_these_match_nothing_not_even_themselves(text: str, flaw: str) -> None:
    name = parse(text)
    assert not match(text, text)
    assert name.match_key is None
    assert name.flaw == flaw
    with pytest.raises(InvalidDistinguishedName) as caught:
        name.require_key()
    assert caught.value.message == f"nobody can be known by this name: {flaw}"


def test_one_bad_attribute_spoils_the_name() -> None:
    good = parse("CN=a,O=b")
    assert good.flaw == ""
    assert good.require_key() == good.match_key
    for bad in (r"CN=a,O=b\00", r"CN=a\00,O=b", r"CN=a+OU=\00,O=b"):
        assert not parse(bad).matches(good)
        assert not good.matches(parse(bad))
        assert parse(bad).match_key is None


def test_a_name_longer_than_can_be_written_matches_nothing() -> None:
    long = DistinguishedName.of(name_of((ORGANIZATION, "a" * 8191)))
    assert not long.matches(long)
    assert long.flaw == "it has more than 8192 characters"
    assert DistinguishedName.of(name_of((ORGANIZATION, "a" * 8000))).flaw == ""


def test_the_key_finds_one_among_many() -> None:
    known = {parse(f"CN=client {number},O=Bank").match_key: number for number in range(1000)}
    assert len(known) == 1000
    assert known[dn((ORGANIZATION, "BANK"), (CN, " CLIENT  77 "), kind=_ASN1Type.BMPString).match_key] == 77
    assert None not in known


@given(names(), names())
def test_matching_is_having_the_same_key(a: x509.Name, b: x509.Name) -> None:
    one, other = DistinguishedName.of(a), DistinguishedName.of(b)
    assert one.matches(one) is (one.match_key is not None)
    assert one.matches(other) is other.matches(one)
    assert one.matches(other) is (one.match_key == other.match_key is not None)


LETTERS = st.text("abAB éÉ\u00a0,+=", min_size=1, max_size=6)
KINDS = st.sampled_from([_ASN1Type.UTF8String, _ASN1Type.BMPString, _ASN1Type.UniversalString])
SMALL = st.lists(st.tuples(st.sampled_from([CN, ORGANIZATION, UNIT]), LETTERS), min_size=1, max_size=2)


@given(st.lists(st.tuples(SMALL, KINDS), min_size=3, max_size=3))
def test_matching_is_an_equivalence(drawn: list[tuple[list[tuple[str, str]], _ASN1Type]]) -> None:
    a, b, c = (dn(*attributes, kind=kind) for attributes, kind in drawn)
    assert a.matches(a)
    assert a.matches(b) is b.matches(a)
    if a.matches(b) and b.matches(c):
        assert a.matches(c)


@given(SMALL, KINDS, st.data())
def test_another_way_to_write_a_name_matches_it(
    attributes: list[tuple[str, str]], kind: _ASN1Type, data: st.DataObject
) -> None:
    respelled = [(oid, data.draw(st.sampled_from(SPELLINGS))(value)) for oid, value in attributes]
    assert dn(*respelled, kind=kind).matches(dn(*attributes))


SPELLINGS = [
    str.upper,
    str.lower,
    str.swapcase,
    lambda value: f" {value}",
    lambda value: f"{value}\u2003",
    lambda value: unicodedata.normalize("NFD", value),
    lambda value: unicodedata.normalize("NFC", value),
    lambda value: value.replace(" b", "  b"),
    lambda value: value.replace("a", "\uff41"),
    lambda value: value.replace("a", "a\u00ad"),
]


@given(SMALL, st.data())
def test_another_name_does_not(attributes: list[tuple[str, str]], data: st.DataObject) -> None:
    name = dn(*attributes)
    assert not dn(*attributes, (CN, "x")).matches(name)
    assert not dn((CN, "x"), *attributes).matches(name)
    assert not DistinguishedName(name.rdns[1:]).matches(name)
    place = data.draw(st.integers(0, len(attributes) - 1))
    oid, value = attributes[place]
    assert not dn(*attributes[:place], (oid, f"{value}x"), *attributes[place + 1 :]).matches(name)
    assert not dn(*attributes[:place], ("2.5.4.12", value), *attributes[place + 1 :]).matches(name)


def test_a_homoglyph_of_a_known_name_is_another_name() -> None:
    known = parse(OFB)
    for latin, alike in {"o": "\u043e", "e": "\u0435", "p": "\u0440", "c": "\u0441", "i": "\u0456"}.items():
        common_name = known.attributes[-1].value
        forged = rewritten(known, CN=common_name.replace(latin, alike, 1))
        assert forged.flaw == ""
        assert not forged.matches(known)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_prepares_as_the_long_one(text: str) -> None:
    for fold_case in (True, False):
        if text.isprintable():
            assert prepare(text, fold_case=fold_case) == _fold_spaces(_normal(text, fold_case=fold_case))


@given(st.text())
def test_a_prepared_value_has_no_control_characters_and_stays_what_it_is(text: str) -> None:
    prepared = prepare(text, fold_case=True)
    if prepared is not None:
        assert not any(unicodedata.category(each) == "Cc" for each in prepared)
        assert prepare(prepared, fold_case=True) == prepared


def test_values_are_prepared_alike_by_every_python() -> None:
    """Keys may be stored: what a newer Unicode makes of a character must not change them."""
    digest = hashlib.sha256()
    for code in (*range(0xD800), *range(0xE000, 0x10000)):
        digest.update((prepare(f"a {chr(code)} A", fold_case=True) or "\0").encode() + b"\0")
    assert digest.hexdigest() == "ad6f769d81b1546d9767f94e7f22dcfc673c288176f9198d93c428d5e4a5a631"


def test_values_are_compared_in_their_characters_and_not_their_octets() -> None:
    bmp = Attribute(CN, 0x1E, b"ab")
    assert bmp.text == "\u6162"
    assert bmp.match_key != Attribute.of_text(CN, "ab").match_key
