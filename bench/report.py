"""The figures as tables, in the terminal and between the markers of a page, and as JSON."""

import json
import re
from pathlib import Path
from typing import Any

from bench import rounds
from bench.kill import BOUND_SECONDS, SQLITE, WAYS, Trial, groups, percentile
from bench.rounds import Row
from mutua.pki.keys import KeyType

SERVERS = {"mutua": "mutua on uvicorn", "uvicorn": "bare uvicorn", "nginx": "nginx", "node": "Node https"}
MEASURES = {rounds.HANDSHAKE: "handshake", rounds.BUSY: "request, busy", rounds.ALONE: "request, alone"}
KEYS = {KeyType.P256: "P-256", KeyType.RSA2048: "RSA-2048"}

_FIGURE = re.compile(r"[0-9.]*")


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns are aligned, so that it reads well as text too. Figures stand right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    figures = [all(_FIGURE.fullmatch(cell) for cell in column) for column in zip(*rows, strict=True)]

    def line(cells: list[str]) -> str:
        padded = [
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(cells, widths, figures, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * (width - 1)}{':' if figure else '-'}" for width, figure in zip(widths, figures, strict=True)]
    return "\n".join([line(header), f"| {' | '.join(rule)} |", *map(line, rows)])


def machine_section(facts: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def measure_section(rows: list[Row], measures: tuple[str, ...]) -> str:
    """Server CPU of these measures."""
    cells = [
        [
            MEASURES[row.measure],
            KEYS.get(row.key_type, row.key_type.value),
            row.group.loop if row.kind.loop else "-",
            "yes" if row.kind.access_line else "no",
            SERVERS[row.kind.server],
            f"{row.median:.1f}" if row.median < 1000 else f"{row.median:.0f}",
            f"{row.ratio:.2f}",
            f"{row.bound:.2f}" if row.bound else "",
        ]
        for row in rows
        if row.measure in measures
    ]
    return table(["cost of", "keys", "loop", "access line", "server", "CPU µs", "ratio", "at most"], cells)


def kill_section(trials: list[Trial]) -> str:
    """Milliseconds from the return of a kill to the last refusal."""
    found = groups(trials)
    for store in dict.fromkeys(trial.store for trial in trials):
        found[store, "all"] = [trial.seconds for trial in trials if trial.store == store]
    cells = []
    for (store, way), times in sorted(found.items(), key=lambda group: group[0][0] != SQLITE):
        figures = [f"{percentile(times, share) * 1000:.1f}" for share in (0.5, 0.99, 1)]
        cells.append([store, f"`{way}`" if way in WAYS else way, str(len(times)), *figures])
    return table(["store", "killed by", "trials", "p50 ms", "p99 ms", "max ms"], cells) + (
        f"\n\nThe p99 of each is to be at most {BOUND_SECONDS * 1000:.0f} ms."
    )


def write_sections(page: Path, sections: dict[str, str]) -> None:
    """Put each section between ``<!-- bench NAME -->`` and ``<!-- end NAME -->``; the rest of the page stays."""
    text = page.read_text()
    for name, content in sections.items():
        begin, end = f"<!-- bench {name} -->", f"<!-- end {name} -->"
        text, count = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, new=f"{begin}\n\n{content}\n\n{end}": new,  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"{page} has {count} places for the section {name!r}, and needs one")
    page.write_text(text)


def as_json(facts: dict[str, str], rows: list[Row], trials: list[Trial]) -> str:
    """Everything that was measured, each round and each trial."""
    result: dict[str, Any] = {
        "machine": facts,
        "cpu": [
            {
                "measure": row.measure,
                "key_type": row.key_type.value,
                "server": row.kind.server,
                "loop": row.kind.loop or None,
                "access_line": row.kind.access_line,
                "cpu_us": round(row.median, 2),
                "ratio_to_uvicorn": round(row.ratio, 4),
                "bound": row.bound,
                "rounds_cpu_us": [round(figure, 2) for figure in row.microseconds],
            }
            for row in rows
        ],
        "kill": [
            {
                "store": trial.store,
                "way": trial.way,
                "ms": round(trial.seconds * 1000, 3),
                "admitted": trial.admitted,
            }
            for trial in trials
        ],
    }
    return json.dumps(result, indent=1) + "\n"
