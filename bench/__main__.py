"""``python -m bench [handshake] [request] [kill]``: measures, prints, and says whether the bounds held."""

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.certificates import make_home
from bench.kill import Trial, held, run_trials
from bench.machine import machine
from bench.report import as_json, kill_section, machine_section, measure_section, write_sections
from bench.rounds import ALONE, BUSY, HANDSHAKE, Plan, Row, measure, missed
from bench.servers import cores
from mutua.pki.keys import KeyType

PARTS = {"handshake": (HANDSHAKE,), "request": (BUSY, ALONE), "kill": ()}
TRIALS = 200


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code is 0 when every bound held, and 1 when one did not."""
    options = _parse(arguments)
    parts = options.parts or list(PARTS)
    measures = tuple(name for part in PARTS if part in parts for name in PARTS[part])
    plan = replace(
        Plan(key_types=tuple(options.keys), loops=tuple(options.loops), measures=measures, rounds=options.rounds),
        handshakes=options.handshakes,
        requests=options.requests,
        warm_up=options.warm_up,
    )
    facts, allowed = machine(), os.sched_getaffinity(0)
    rows: list[Row] = []
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="mutua-bench-") as temporary:
        folder = Path(temporary)
        if measures:
            with make_home(folder / "home", plan.key_types) as home:
                os.sched_setaffinity(0, {cores()[1]})
                try:
                    rows = measure(plan, home, folder, _tell)
                finally:
                    os.sched_setaffinity(0, allowed)
        if "kill" in parts:
            trials = run_trials(plan.key_types[0], folder / "kill", options.trials, _tell)
    sections = {"machine": machine_section(facts)}
    sections |= {part: measure_section(rows, PARTS[part]) for part in PARTS if part in parts and PARTS[part]}
    if trials:
        sections["kill"] = kill_section(trials)
    print("\n\n".join(sections.values()))
    if options.json:
        options.json.write_text(as_json(facts, rows, trials))
    if options.write:
        write_sections(options.write, sections)
    return _verdict(rows, trials)


def _verdict(rows: list[Row], trials: list[Trial]) -> int:
    problems = [
        f"{row.measure} with {row.key_type.value} on {row.kind.loop}, "
        f"{'an' if row.kind.access_line else 'no'} access line: {row.ratio:.3f}, at most {row.bound:.2f}"
        for row in missed(rows)
    ]
    if trials and not held(trials):
        problems.append("the kill's p99 is above its bound")
    print("\nEvery bound held." if not problems else "\nNot held:\n  " + "\n  ".join(problems))
    return 1 if problems else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when none is given")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between the page's markers")
    parser.add_argument("--keys", type=KeyType, nargs="+", default=plan.key_types, metavar="KEY")
    parser.add_argument("--loops", nargs="+", default=plan.loops, choices=plan.loops)
    parser.add_argument("--rounds", type=int, default=plan.rounds)
    parser.add_argument("--handshakes", type=int, default=plan.handshakes, help="in a round")
    parser.add_argument("--requests", type=int, default=plan.requests, help="in a round")
    parser.add_argument("--warm-up", type=float, default=plan.warm_up, help="a share of the usual warm-up")
    parser.add_argument("--trials", type=int, default=TRIALS, help="of the kill, in each way and on each store")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return options


def _tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
