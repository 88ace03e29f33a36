"""Two names side by side."""

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mutua.doctor.subjects import NameDifference, Verdict, compare_names
from mutua.pki.dn import DistinguishedName
from tests.pki.distinguished import OFB, dn, names, rewritten


def compare(a: str, b: str) -> NameDifference:
    return compare_names(DistinguishedName.parse(a), DistinguishedName.parse(b))


def told(found: NameDifference) -> list[tuple[str, str | None, str | None, str]]:
    return [
        (each.type.name, each.a.value if each.a else None, each.b.value if each.b else None, each.verdict.value)
        for each in found.attributes
    ]


def test_names_that_match_have_the_same_attributes() -> None:
    found = compare(OFB, OFB.upper().replace("#0C", "#0c"))
    assert found.matches
    assert {each.verdict for each in found.attributes} == {Verdict.SAME}
    assert [each.type.name for each in found.attributes][:3] == ["CN", "UID", "organizationIdentifier"]
    assert (found.order_differs, found.grouping_differs) == (False, False)


def test_each_attribute_is_told_of_in_the_order_of_the_text() -> None:
    found = compare("CN=a,OU=x,O=Acme,ST=SP,C=BR", "CN=b,O=ACME,C=BR,L=here")
    assert told(found) == [
        ("CN", "a", "b", "differs"),
        ("OU", "x", None, "only_in_a"),
        ("O", "Acme", "ACME", "same"),
        ("ST", "SP", None, "only_in_a"),
        ("C", "BR", "BR", "same"),
        ("L", None, "here", "only_in_b"),
    ]
    assert not found.matches
    assert not found.order_differs


def test_equal_attributes_are_paired_before_others_of_their_type() -> None:
    assert told(compare("OU=x,OU=y,OU=z", "OU=z,OU=w")) == [
        ("OU", "x", "w", "differs"),
        ("OU", "y", None, "only_in_a"),
        ("OU", "z", "z", "same"),
    ]


@pytest.mark.parametrize(
    ("a", "b", "order", "grouping"),
    [
        ("CN=a,O=b", "O=b,CN=a", True, False),
        ("OU=x,OU=y", "OU=y,OU=x", True, False),
        ("CN=a,OU=b,O=c", "CN=a+OU=b,O=c", False, True),
        ("CN=a+OU=b,O=c", "CN=a,OU=b,O=c", False, True),
        ("CN=a,O=b", "O=b,CN=x", True, False),
        ("CN=a+OU=b,O=c", "OU=B+CN=A,O=C", False, False),
    ],
)
def test_order_and_grouping(a: str, b: str, order: bool, grouping: bool) -> None:
    found = compare(a, b)
    assert (found.order_differs, found.grouping_differs) == (order, grouping)


@pytest.mark.parametrize(
    ("a", "b", "note"),
    [
        ("CN=acme", "CN=\u0430cme", "U+0061 LATIN SMALL LETTER A is not U+0430 CYRILLIC SMALL LETTER A"),
        ("CN=S\u00e3o", "CN=Sao", "U+00E3 LATIN SMALL LETTER A WITH TILDE is not U+0061 LATIN SMALL LETTER A"),
        ("CN=a", "CN=b", ""),
        ("CN=a", "CN=ab", ""),
        (r"CN=a\00", r"CN=a\00", "the value of CN has U+0000, which is a control character"),
        ("CN=a", r"CN=a\00", "the value of CN has U+0000, which is a control character"),
        ("CN=\u0378", "CN=\u0379", "the value of CN has U+0378, which is not assigned"),
    ],
)
def test_what_is_easily_overlooked_is_noted(a: str, b: str, note: str) -> None:
    (difference,) = compare(a, b).attributes
    assert (difference.verdict, difference.note) == (Verdict.DIFFERS, note)


@given(names(), names())
def test_names_without_a_difference_match_unless_they_match_nothing(a: x509.Name, b: x509.Name) -> None:
    one, other = DistinguishedName.of(a), DistinguishedName.of(b)
    for left, right in ((one, other), (one, one)):
        holds_together(compare_names(left, right))


CLOSE = st.lists(st.tuples(st.sampled_from(["2.5.4.3", "2.5.4.11"]), st.sampled_from("aAb")), max_size=3)
GROUPED = st.sampled_from(["CN=a", "OU=a,CN=a", "OU=a+CN=a", "CN=a,OU=a", "OU=b,OU=a+CN=a", "OU=a,OU=b+CN=a", ""])


@given(st.tuples(CLOSE, CLOSE), st.tuples(GROUPED, GROUPED))
def test_close_names_without_a_difference_match(
    plain: tuple[list[tuple[str, str]], list[tuple[str, str]]], grouped: tuple[str, str]
) -> None:
    holds_together(compare_names(dn(*plain[0]), dn(*plain[1])))
    holds_together(compare(*grouped))


def holds_together(found: NameDifference) -> None:
    alike = {each.verdict for each in found.attributes} <= {Verdict.SAME}
    alike = alike and not found.order_differs and not found.grouping_differs
    assert found.matches is (alike and not found.a.flaw and not found.b.flaw)
    assert len([each for each in found.attributes if each.a]) == len(found.a.attributes)
    assert len([each for each in found.attributes if each.b]) == len(found.b.attributes)


def test_a_forged_name_is_told_by_its_letter() -> None:
    known = DistinguishedName.parse(OFB)
    forged = rewritten(known, CN=known.attributes[-1].value.replace("o", "\u043e", 1))
    found = compare_names(known, forged)
    assert [each.type.name for each in found.attributes if each.verdict is not Verdict.SAME] == ["CN"]
    assert "CYRILLIC SMALL LETTER O" in found.attributes[0].note
