"""The drawing with rich."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from mutua.cli.demo.cases import Row
from mutua.cli.demo.drawing import COLUMNS, Drawing, cells
from mutua.cli.output import printable

WIDTH = sum(width + 1 for _, width in COLUMNS)
"""Where stdout is no terminal. A narrower terminal folds its cells."""


class RichDrawing(Drawing):
    """A table that grows row by row above a progress line, which only a terminal gets."""

    def __init__(self, rows: int, *, quiet: bool) -> None:
        super().__init__(rows, quiet=quiet)
        console = Console(stderr=quiet, highlight=False, soft_wrap=False)
        self._console = console if console.is_terminal else Console(stderr=quiet, highlight=False, width=WIDTH)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=rows)

    def __enter__(self) -> Self:
        self._progress.start()
        if not self.quiet:
            self._draw([Text(heading, style="bold") for heading, _ in COLUMNS])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def begun(self, client: str, case: str) -> None:
        self._progress.update(self._task, description=f"{client}: {case}")

    def ended(self, row: Row) -> None:
        self._progress.advance(self._task)
        if not self.quiet:
            style = "green" if row.ok else "bold red"
            *texts, verdict = (printable(text) for text in cells(row))
            self._draw([*map(Text, texts), Text(verdict, style=style)])

    def _draw(self, texts: list[Text]) -> None:
        table = Table.grid(padding=(0, 1))
        for _, width in COLUMNS:
            table.add_column(width=width, overflow="fold")
        table.add_row(*texts)
        self._progress.console.print(table)
