"""``python -m bench.issuance [certificates] [crl] [ocsp]``: measures, prints, and says whether the bounds held."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.issuance.figures import PARTS, Plan, measure
from bench.report import write_sections


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code is 0 when every bound held, and 1 when one did not."""
    options = _parse(arguments)
    plan = Plan(
        parts=options.parts or PARTS,
        rounds=options.rounds,
        certificates=options.certificates,
        stored=options.stored,
        revoked=options.revoked,
        asked=options.asked,
    )
    with tempfile.TemporaryDirectory(prefix="mutua-bench-") as temporary:
        figures = measure(plan, Path(temporary), _tell)
    sections = figures.sections()
    print("\n\n".join(sections.values()))
    if options.json:
        options.json.write_text(figures.as_json())
    if options.write:
        write_sections(options.write, sections)
    problems = figures.missed()
    print("\nEvery bound held." if not problems else "\nNot held:\n  " + "\n  ".join(problems))
    return 1 if problems else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m bench.issuance", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when none is given")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between the page's markers")
    parser.add_argument("--rounds", type=int, default=plan.rounds)
    parser.add_argument("--certificates", type=int, default=plan.certificates, help="in a turn")
    parser.add_argument("--stored", type=int, default=plan.stored, help="in the large store; 0 for none")
    parser.add_argument("--revoked", type=int, default=plan.revoked, help="on a CRL")
    parser.add_argument("--asked", type=int, default=plan.asked, help="of OCSP responders in a turn")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return options


def _tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
