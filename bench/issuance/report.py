"""The figures of the authority as tables and as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from bench.issuance.crl import CrlRow
from bench.issuance.ocsp import OcspRow
from bench.issuance.rounds import BARE, Row, judged
from bench.report import table


def certificates_section(rows: Sequence[Row]) -> str:
    """Certificates a second, and under the table what was asked for."""
    bare = next((row for row in rows if row.name == BARE), rows[0])
    cells = [
        [row.name, row.kept, f"{row.median:.0f}", f"{1_000_000 / row.median:.0f}", f"{row.times(bare):.3f}"]
        for row in rows
    ]
    text = table(["certificates by", "kept", "a second", "µs each", "of the bare loop"], cells)
    asked = [
        f"- {row.name}: {times:.2f} times {bound.reference}, to be at least {bound.times:g}."
        for row, bound, times in judged(rows)
    ]
    return "\n\n".join([text, *(["\n".join(asked)] if asked else [])])


def crl_section(rows: Sequence[CrlRow]) -> str:
    """Seconds and memory of each list."""
    cells = []
    for row in rows:
        limit, made = row.contender.limit, row.made[0]
        cells.append(
            [
                row.contender.name,
                row.contender.does,
                str(made.entries),
                f"{made.size / 2**20:.2f}",
                f"{row.seconds:.3f}",
                f"{limit.seconds:g}" if limit else "",
                f"{row.peak_mib:.0f}",
                f"{limit.peak_mib:g}" if limit else "",
            ]
        )
    return table(["CRL by", "in the time", "entries", "MiB", "s", "at most s", "peak MiB", "at most MiB"], cells)


def ocsp_section(rows: Sequence[OcspRow]) -> str:
    """Answers a second."""
    cells = [[row.name, row.way, "for a nonce" if row.afresh else "ahead", f"{row.median:.0f}"] for row in rows]
    return table(["OCSP answers by", "asked by", "signed", "a second"], cells)


def as_json(
    facts: dict[str, Any], certificates: Sequence[Row], crls: Sequence[CrlRow], answers: Sequence[OcspRow]
) -> str:
    """Everything that was measured, each round."""
    result = {
        "facts": facts,
        "certificates": [{"name": row.name, "kept": row.kept, "a_second": _rounded(row.rates)} for row in certificates],
        "crl": [
            {
                "name": row.contender.name,
                "parts": row.contender.parts,
                "entries": made.entries,
                "seconds": round(made.seconds, 4),
                "before_mib": round(made.before_mib, 1),
                "peak_mib": round(made.peak_mib, 1),
                "bytes": made.size,
            }
            for row in crls
            for made in row.made
        ],
        "ocsp": [
            {"name": row.name, "way": row.way, "afresh": row.afresh, "a_second": _rounded(row.rates)} for row in answers
        ],
    }
    return json.dumps(result, indent=1) + "\n"


def _rounded(rates: Sequence[float]) -> list[float]:
    return [round(rate, 1) for rate in rates]
