"""Two subjects side by side, for ``mutua cert inspect --compare`` and ``--subject-dn``."""

from mutua.cli.exits import ExitCode
from mutua.cli.output import data, facts, json_data, printable, table
from mutua.doctor.subjects import NameDifference, Verdict, compare_names
from mutua.pki.dn import DistinguishedName

_WORDS = {
    Verdict.SAME: "same",
    Verdict.DIFFERS: "differs",
    Verdict.ONLY_IN_A: "only in A",
    Verdict.ONLY_IN_B: "only in B",
}


def tell_comparison(
    sources: tuple[str, str], names: tuple[DistinguishedName, DistinguishedName], *, as_json: bool
) -> ExitCode:
    """Print where two names differ.

    Args:
        sources: where they are from.
        names: the two.
        as_json: as JSON, with stable keys.

    Returns:
        ``NEGATIVE`` when they do not match.
    """
    found = compare_names(*names)
    if as_json:
        json_data(_as_json(sources, found))
    else:
        _tell(sources, found)
    return ExitCode.OK if found.matches else ExitCode.NEGATIVE


def _as_json(sources: tuple[str, str], found: NameDifference) -> dict[str, object]:
    return {
        "matches": found.matches,
        "a": {"source": sources[0], "subject": str(found.a), "flaw": found.a.flaw or None},
        "b": {"source": sources[1], "subject": str(found.b), "flaw": found.b.flaw or None},
        "order_differs": found.order_differs,
        "grouping_differs": found.grouping_differs,
        "attributes": [
            {
                "oid": each.type.oid,
                "name": each.type.name,
                "a": each.a.value if each.a else None,
                "b": each.b.value if each.b else None,
                "verdict": each.verdict.value,
                "note": each.note or None,
            }
            for each in found.attributes
        ],
    }


def _tell(sources: tuple[str, str], found: NameDifference) -> None:
    for letter, source, name in zip("AB", sources, (found.a, found.b), strict=True):
        data(f"{letter}  {printable(source)}")
        data(f"   {printable(str(name)) or '(no subject)'}")
    data()
    rows = [
        (
            each.type.name,
            each.a.value if each.a else "-",
            each.b.value if each.b else "-",
            f"{_WORDS[each.verdict]}{': ' if each.note else ''}{each.note}",
        )
        for each in found.attributes
    ]
    if rows:
        table(("ATTRIBUTE", "A", "B", ""), rows)
        data()
    facts([("match", "yes" if found.matches else f"NO: {', '.join(_reasons(found))}")])


def _reasons(found: NameDifference) -> list[str]:
    """Why they do not match."""
    counts = {verdict: [each.verdict for each in found.attributes].count(verdict) for verdict in Verdict}
    reasons = [f"{counts[verdict]} {_WORDS[verdict]}" for verdict in list(Verdict)[1:] if counts[verdict]]
    if found.order_differs:
        reasons.append("the order differs")
    if found.grouping_differs:
        reasons.append("what + joins differs")
    whole = [f"{letter}: {name.flaw}" for letter, name in (("A", found.a), ("B", found.b)) if name.flaw]
    return reasons + whole
