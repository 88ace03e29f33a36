"""``python -m bench.gate``: measures a small registry and a large one, prints, and says whether the bounds held."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.gate.population import Population, make_home
from bench.gate.process import Gate
from bench.report import table, write_sections

SMALL = Population(clients=1_000, revoked=1_000, pins=10, authorities=10)
LARGE = Population(clients=1_000_000, revoked=1_000_000, pins=900, authorities=100)
"""A thousand anchors of partners in all, which is as many as can be."""

MOST = {
    "first_us": ("decision on a new connection, µs", 5.0),
    "next_us": ("decision on a live connection, µs", 5.0),
    "unknown_us": ("decision on a stranger, µs", 5.0),
    "start_seconds": ("cold start, s", 20.0),
    "memory_mib": ("memory of the snapshot, MiB", 1024.0),
    "change_ms": ("one change until it is refused, ms", 100.0),
}
_ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code is 0 when every bound held, and 1 when one did not."""
    parser = argparse.ArgumentParser(prog="python -m bench.gate", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the large registry")
    parser.add_argument("--trials", type=int, default=50, help="of a change")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between the page's markers")
    options = parser.parse_args(arguments)
    large = Population(*(max(10, round(each * options.share)) for each in vars(LARGE).values()))
    with tempfile.TemporaryDirectory(prefix="mutua-bench-") as folder:
        gates = [_measured(Path(folder) / name, each, options.trials) for name, each in (("s", SMALL), ("l", large))]
    section = _section(gates, large)
    print(section)
    if options.write:
        write_sections(options.write, {"gate": section})
    missed = [text for name, (text, most) in MOST.items() if getattr(gates[1], name) > most]
    print("\nEvery bound held." if not missed else "\nNot held:\n  " + "\n  ".join(missed))
    return 1 if missed else 0


def _measured(folder: Path, population: Population, trials: int) -> Gate:
    print(f"bench: gate: a registry of {population.clients} clients", file=sys.stderr)
    make_home(folder, population).close()
    command = [sys.executable, "-m", "bench.gate.process", str(folder), str(trials)]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Gate(**json.loads(done.stdout))


def _section(gates: list[Gate], large: Population) -> str:
    rows = [
        [text, *(f"{getattr(gate, name):.1f}" for gate in gates), f"{most:g}"] for name, (text, most) in MOST.items()
    ]
    return table(["", f"{SMALL.clients:,} clients", f"{large.clients:,} clients", "at most"], rows)


if __name__ == "__main__":
    sys.exit(main())
