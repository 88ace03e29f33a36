"""The reader of the pages sees what a reader on the web sees."""

from pathlib import Path

import pytest

from tests.docs.pages import Page, pages


def page(folder: Path, text: str) -> Page:
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return Page(str(path))


def test_only_blocks_that_are_meant_to_run_do(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "```console\n$ true\n```\n"
        "<!-- not run: it needs a bank -->\n```console\n$ false\n```\n"
        "```text\nshown\n```\n"
        "<!-- output -->\n```text\nprinted\n```\n",
    )

    assert [block.runs for block in read.blocks] == [True, False, False, True]
    assert read.blocks[1].not_run == "it needs a bank"


def test_a_mark_holds_for_the_block_right_below_it_only(tmp_path: Path) -> None:
    read = page(tmp_path, "<!-- not run: it needs a bank -->\n\n```python\n1 / 0\n```\n")

    assert read.blocks[0].runs


def test_a_block_that_is_never_closed_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="never closed"):
        _ = page(tmp_path, "```python\n1 + 1\n").blocks


def test_headings_inside_blocks_are_no_anchors(tmp_path: Path) -> None:
    read = page(tmp_path, "## The `--help` of it\n```sh\n# a comment\n```\n")

    assert read.anchors == {"the---help-of-it"}


def test_every_command_of_mutua_stands_in_a_block_that_runs_or_is_only_shown() -> None:
    marked = {f"{each.name}:{block.line}": block.not_run for each in pages() for block in each.blocks if block.not_run}

    assert marked == {}, "whoever marks a block as not run adds it here, with its reason"
