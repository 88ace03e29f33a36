"""The pages of the documentation: their blocks, headings and links, as a reader on the web sees them."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

RUN = {"python", "console", "sh"}
SHOWN = {"text", "toml", "json"}

_FENCE = re.compile(r"^```(\S*)\s*$")
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")
_OUTPUT = "<!-- output -->"
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: what stands behind the fence.
        text: its lines, without the fences.
        line: where it starts in its page.
        not_run: the reason in the comment above it, or ``None``.
        is_output: whether the comment above it says that it is what the Python before it prints.
    """

    language: str
    text: str
    line: int
    not_run: str | None
    is_output: bool

    @property
    def runs(self) -> bool:
        return self.is_output or (self.language in RUN and self.not_run is None)


@dataclass(frozen=True)
class Page:
    """A page, by its path from the root of the repository."""

    name: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        found: list[Block] = []
        above, fence, start = "", None, 0
        body: list[str] = []
        for number, line in enumerate(self.text.splitlines(), 1):
            match = _FENCE.match(line)
            if fence is None and match:
                fence, body, start = match[1], [], number
            elif fence is not None and line == "```":
                marked = _NOT_RUN.match(above)
                text = "".join(f"{each}\n" for each in body)
                found.append(Block(fence, text, start, marked[1] if marked else None, above == _OUTPUT))
                above, fence = "", None
            elif fence is not None:
                body.append(line)
            else:
                above = line
        if fence is not None:
            raise AssertionError(f"{self.name}:{start}: the block is never closed")
        return tuple(found)

    @cached_property
    def prose(self) -> str:
        """The page without its blocks."""
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)

    @property
    def headings(self) -> list[str]:
        return [line.lstrip("#").strip() for line in self.prose.splitlines() if re.match(r"#{1,6} ", line)]

    @property
    def anchors(self) -> set[str]:
        """What a link may name behind ``#``: headings in lower case, spaces as hyphens, punctuation dropped."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in self.headings}

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)


def pages() -> list[Page]:
    """Every page that readers get: those at the root and those in ``docs``."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return [Page(path.relative_to(ROOT).as_posix()) for path in sorted(paths)]
