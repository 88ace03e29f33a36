"""The table as it grows, and the progress line: with rich where it is installed, else as plain text."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from mutua.cli.demo.cases import Row
from mutua.cli.output import data, printable

COLUMNS = (("client", 11), ("case", 19), ("client saw", 26), ("server logged", 16), ("ok", 3))
"""Headings and widths: fixed, for rows are drawn one by one, and 79 in all."""

AS_EXPECTED = "yes"
UNEXPECTED = "NO"


def cells(row: Row) -> tuple[str, ...]:
    """A row as it is drawn."""
    verdict = AS_EXPECTED if row.ok else UNEXPECTED
    return (row.client, row.case.summary, row.saw, row.logged, verdict)


class Drawing(ABC):
    """Shows how far the story is. Called from one thread at a time.

    Args:
        rows: how many there will be.
        quiet: draw no table, for stdout is JSON; the progress line goes to stderr.
    """

    def __init__(self, rows: int, *, quiet: bool) -> None:
        self.rows = rows
        self.quiet = quiet

    @abstractmethod
    def begun(self, client: str, case: str) -> None:
        """A case has begun."""

    @abstractmethod
    def ended(self, row: Row) -> None:
        """A row is there."""

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave nothing on the screen but the table."""


class PlainDrawing(Drawing):
    """Columns of text, no progress line."""

    def __enter__(self) -> Self:
        if not self.quiet:
            data(_columns(tuple(heading for heading, _ in COLUMNS)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Plain text has nothing to take away."""

    def begun(self, client: str, case: str) -> None:
        """Plain text says what has ended, not what has begun."""

    def ended(self, row: Row) -> None:
        if not self.quiet:
            data(_columns(cells(row)))


def _columns(texts: tuple[str, ...]) -> str:
    return " ".join(printable(text).ljust(width) for text, (_, width) in zip(texts, COLUMNS, strict=True)).rstrip()


def drawing(rows: int, *, quiet: bool) -> Drawing:
    """What this terminal can show."""
    try:
        from mutua.cli.demo.colours import RichDrawing  # noqa: PLC0415 -- rich may not be installed
    except ImportError:
        return PlainDrawing(rows, quiet=quiet)
    return RichDrawing(rows, quiet=quiet)
