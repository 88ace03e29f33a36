"""docs/compatibility.md: written from the cells, and read again for the test that compares."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.cells import ADMITTED, NO_WORD, UNTOLD, Cells
from tests.matrix.parties import KEYS, ROLES, VERSIONS
from tests.serving import ROOT

PAGE = ROOT / "docs" / "compatibility.md"

OURS, THEIRS = "## Our clients at other servers", "## Other clients at our doors"
MADE_WITH = "## Made with"

_ALL = "all"
_PLAIN = {ADMITTED, NO_WORD, UNTOLD}


@dataclass(frozen=True)
class Row:
    """A line of a table: what comes of these clients, with these keys, in these versions, is the same.

    Attributes:
        outcomes: one for each role.
    """

    server: str
    versions: tuple[str, ...]
    keys: tuple[str, ...]
    clients: tuple[str, ...]
    outcomes: tuple[str, ...]

    @property
    def calls(self) -> int:
        return len(self.versions) * len(self.keys) * len(self.clients) * len(ROLES)

    def line(self, everybody: Sequence[str]) -> str:
        clients = _ALL if self.clients == tuple(everybody) else ", ".join(self.clients)
        shown = [each if each in _PLAIN or each.isdigit() else f"`{each}`" for each in self.outcomes]
        return f"| {' | '.join([self.server, ', '.join(self.versions), ', '.join(self.keys), clients, *shown])} |"

    @classmethod
    def read(cls, line: str, everybody: Sequence[str]) -> "Row":
        server, versions, keys, clients, *outcomes = (each.strip().strip("`") for each in line.strip("| \n").split("|"))
        named = tuple(everybody) if clients == _ALL else tuple(clients.split(", "))
        return cls(server, tuple(versions.split(", ")), tuple(keys.split(", ")), named, tuple(outcomes))


def rows_of(cells: Cells, everybody: Sequence[str]) -> list[Row]:
    """The cells of one server, as few rows as say all of it; in an order that depends on nothing else."""
    (server,) = {place.server for place in cells}
    calls: dict[tuple[str, str, str], dict[str, str]] = {}
    for place, found in cells.items():
        calls.setdefault((place.version, place.key, place.client), {})[place.role] = found
    groups: dict[tuple[str, ...], set[tuple[str, str, str]]] = {}
    for call, by_role in calls.items():
        groups.setdefault(tuple(by_role[role] for role in ROLES), set()).add(call)
    found_rows = [
        Row(server, versions, keys, clients, outcomes)
        for outcomes, group in groups.items()
        for versions, keys, clients in _products(group, everybody)
    ]
    return sorted(found_rows, key=lambda row: (row.versions, [everybody.index(each) for each in row.clients], row.keys))


def _products(
    group: set[tuple[str, str, str]], everybody: Sequence[str]
) -> list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """A set of (version, key, client) as products of versions, keys and clients."""
    by_place: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
    for client in everybody:
        for version in VERSIONS:
            keys = tuple(key for key in KEYS if (version, key, client) in group)
            if keys:
                by_place[version, keys] = (*by_place.get((version, keys), ()), client)
    merged: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}
    for (version, keys), clients in by_place.items():
        merged[keys, clients] = (*merged.get((keys, clients), ()), version)
    return [(versions, keys, clients) for (keys, clients), versions in merged.items()]


@dataclass(frozen=True)
class Side:
    """One table.

    Attributes:
        heading: of its part of the page.
        clients: who calls, in the order of the page.
        rows: of every server, one after the other.
    """

    heading: str
    clients: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def calls(self) -> int:
        return sum(row.calls for row in self.rows)

    def table(self) -> str:
        headings = ["server", "TLS", "keys", "clients", *ROLES]
        rule = "|" + "---|" * len(headings)
        lines = [f"| {' | '.join(headings)} |", rule, *(row.line(self.clients) for row in self.rows)]
        return "\n".join(lines)

    @classmethod
    def read(cls, page: str, heading: str, clients: Sequence[str]) -> "Side":
        part = page.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
        lines = [line for line in part.splitlines() if line.startswith("| ")][1:]
        return cls(heading, tuple(clients), tuple(Row.read(line, clients) for line in lines))


_NOTES: Mapping[str, str] = {
    "400": "`400`: nginx ends every handshake well and answers the request instead, so that no client sees an alert. "
    "`mutua call` and `mutua.explain` read in its page that it is about the certificate; why stands in its log alone",
    "403": "`403`: the handshake is fine, and the gate refuses the request: our doors leave revocation to the "
    "registry, which knows at once, and not to a list that is read now and then",
    NO_WORD: f"`{NO_WORD}`: the server ends the connection without an alert, and nobody at the other side can tell "
    "why; `mutua call` says so ([closed_without_alert](calling.md#what-went-wrong))",
    UNTOLD: f"`{UNTOLD}`: the server sends its alert, and the client's words do not hold it. curl reports an expired "
    "certificate of its own in TLS 1.2 as if the server's were to blame; wget with GnuTLS says in TLS 1.3 that "
    "a session has been invalidated",
    "handshake_failure": "`handshake_failure`: TLS 1.2 has no alert of its own for a missing certificate "
    "(RFC 5246 section 7.4.6); in TLS 1.3 it is `certificate_required`",
}

_INTRODUCTION = """\
# Compatibility

{summary}

- good: a certificate of a CA that the server trusts, of a known client.
- none: no certificate. stranger: one of somebody else's CA. expired: it ended minutes ago.
- revoked: other servers have it from our CRLs, our doors from the registry.
- wrong purpose: a server's certificate, shown by a client.

In each cell stands what comes of it: `admitted`, or what the client is told, a status or the name of a TLS alert.
[Calling](calling.md#what-went-wrong) has what each alert means and what to do.

{notes}

In TLS 1.3 an alert comes when the client has finished its handshake and may have sent its request. Then the server's
reset can overtake the alert, and which of the two a client sees is chance. The tables have what the server says; only
`mutua call` listens for it before it writes. In a program, [`mutua.explain`](explain.md) can look again.
"""

_OURS = """\
Each server demands a client certificate, checks it against our CA and our CRLs, and has a listener for each kind of key
and TLS version; the key is that of both sides. httpx2, httpx, urllib3, aiohttp and http.client are given the context of
an identity, requests the adapter of `mutua.outbound.requests`.
"""

_THEIRS = """\
Each door is a `mutua serve` with its own default settings; the client is told which TLS version to speak. uvicorn
serves with each kind of key. Behind every door TLS is OpenSSL's, so the others serve with one.
"""

_GAPS = """\
## What is not here, and why

{gaps}
- WebSockets and gRPC: these servers would need an application behind them that speaks either. What comes of websockets
  and grpcio at our own doors is tested with [every other Python client](explain.md).
- HTTP/3: no server here takes client certificates over it.
"""

_MADE_WITH = """\
`make matrix` writes this page. The tests do the same on every run, and fail when a cell is no longer what stands here.
The versions below are those of the last writing; the tests do not compare them.

{versions}
"""


def render(ours: Side, theirs: Side, without: Mapping[tuple[str, str], str]) -> str:
    """The page down to the versions."""
    rows = (*ours.rows, *theirs.rows)
    seen = {outcome for row in rows for outcome in row.outcomes}
    notes = "\n".join(_wrapped(f"- {text}.") for value, text in _NOTES.items() if value in seen)
    gaps = "\n".join(_wrapped(f"- {key} at {server}: {why}.") for (server, key), why in without.items())
    parts = [
        _INTRODUCTION.format(summary=_wrapped(_summary(rows, ours.calls + theirs.calls)), notes=notes),
        f"{OURS}\n\n{_OURS}\n{ours.table()}\n",
        f"{THEIRS}\n\n{_THEIRS}\n{theirs.table()}\n",
        _GAPS.format(gaps=gaps),
    ]
    return "\n".join(parts)


def versions_part(versions: Mapping[str, str]) -> str:
    """The end of the page."""
    table = ["| program or library | version |", "|---|---|"]
    table += [f"| {name} | {version} |" for name, version in versions.items()]
    return f"{MADE_WITH}\n\n{_MADE_WITH.format(versions=chr(10).join(table))}"


def without_versions(page: str) -> str:
    """The part that the tests compare."""
    return page.partition(f"\n{MADE_WITH}\n")[0]


def write(text: str, path: Path = PAGE) -> None:
    path.write_text(text)


def _summary(rows: Iterable[Row], calls: int) -> str:
    rows = list(rows)
    good = ROLES.index("good")
    shut_out = [row for row in rows if row.outcomes[good] != ADMITTED]
    let_in = [row for row in rows if any(each == ADMITTED for at, each in enumerate(row.outcomes) if at != good)]
    if not shut_out and not let_in:
        return (
            f"In {calls} calls, with every client, server, kind of key and TLS version on this page: whoever has a "
            "good certificate is admitted, and nobody else."
        )
    servers = ", ".join(dict.fromkeys(row.server for row in (*shut_out, *let_in)))
    return f"In {calls} calls not everything is as it should be. Look at the rows of {servers}."


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, 119, subsequent_indent="  " * text.startswith("- "), break_long_words=False, break_on_hyphens=False
    )
