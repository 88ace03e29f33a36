"""Where two distinguished names differ, attribute by attribute."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from mutua.pki.dn import Attribute, DistinguishedName


class Verdict(StrEnum):
    """What there is to say of an attribute."""

    SAME = "same"
    DIFFERS = "differs"
    ONLY_IN_A = "only_in_a"
    ONLY_IN_B = "only_in_b"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeDifference:
    """An attribute of one name, and what stands for it in the other.

    Attributes:
        a, b: ``None`` where it is missing.
        verdict: whether they match.
        note: what is easily overlooked, such as letters that only look alike; often empty.
    """

    a: Attribute | None
    b: Attribute | None
    verdict: Verdict
    note: str = ""

    @property
    def type(self) -> Attribute:
        """Either of the two, for its type."""
        found = self.a or self.b
        assert found is not None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class NameDifference:
    """Two names, side by side.

    Attributes:
        matches: whether they match; that is all that counts for a client.
        attributes: the most specific first, as in text; what is only in B comes last.
        order_differs: attributes that both have stand in another order.
        grouping_differs: attributes that one has joined with ``+`` are apart in the other.
    """

    a: DistinguishedName
    b: DistinguishedName
    matches: bool
    attributes: tuple[AttributeDifference, ...]
    order_differs: bool
    grouping_differs: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """An attribute with the number of its RDN, as in text."""

    rdn: int
    attribute: Attribute
    key: str | None


_Pair = tuple[_Place, _Place]


def compare_names(a: DistinguishedName, b: DistinguishedName) -> NameDifference:
    """Compare two names. Those that ``matches`` calls the same have no difference.

    Attributes are paired with equal ones first, then with others of their type.
    """
    left, right = _places(a), _places(b)
    pairs = _pair(left, right, lambda each: each.key) + _pair(left, right, lambda each: each.attribute.oid)
    pairs.sort(key=lambda pair: (pair[0].rdn, pair[1].rdn))
    told = [(mine.rdn, _difference(mine, its)) for mine, its in pairs]
    told += [(each.rdn, AttributeDifference(a=each.attribute, b=None, verdict=Verdict.ONLY_IN_A)) for each in left]
    told.sort(key=lambda each: each[0])
    last = [AttributeDifference(a=None, b=each.attribute, verdict=Verdict.ONLY_IN_B) for each in right]
    return NameDifference(
        a=a,
        b=b,
        matches=a.matches(b),
        attributes=(*(each for _rdn, each in told), *last),
        order_differs=any(before[1].rdn > after[1].rdn for before, after in pairwise(pairs)),
        grouping_differs=any(
            (before[0].rdn == after[0].rdn) != (before[1].rdn == after[1].rdn) for before, after in pairwise(pairs)
        ),
    )


def _places(name: DistinguishedName) -> list[_Place]:
    return [_Place(rdn, each, each.match_key) for rdn, found in enumerate(reversed(name.rdns)) for each in found]


def _pair(left: list[_Place], right: list[_Place], alike: Callable[[_Place], str | None]) -> list[_Pair]:
    """Take out of both lists the attributes that are alike, each with the first one that is left in the other."""
    pairs: list[_Pair] = []
    for mine in list(left):
        key = alike(mine)
        its = next((each for each in right if key is not None and alike(each) == key), None)
        if its is not None:
            left.remove(mine)
            right.remove(its)
            pairs.append((mine, its))
    return pairs


def _difference(mine: _Place, its: _Place) -> AttributeDifference:
    a, b = mine.attribute, its.attribute
    if mine.key is not None and mine.key == its.key:
        return AttributeDifference(a=a, b=b, verdict=Verdict.SAME)
    return AttributeDifference(a=a, b=b, verdict=Verdict.DIFFERS, note=a.flaw or b.flaw or _unlike(a.value, b.value))


def _unlike(a: str, b: str) -> str:
    """The first characters that differ, where they are not both ASCII: they may look the same."""
    for mine, its in zip(a, b, strict=False):
        if mine.casefold() != its.casefold():
            return "" if f"{mine}{its}".isascii() else f"{_character(mine)} is not {_character(its)}"
    return ""


def _character(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
