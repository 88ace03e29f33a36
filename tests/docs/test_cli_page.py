"""docs/cli.md says what --help says."""

import pytest

from tests.docs.cli_page import cli_page, commands, heading, help_text
from tests.docs.pages import Page

PAGE = Page("docs/cli.md")


@pytest.mark.parametrize("words", list(commands()), ids=heading)
def test_each_command_is_shown_as_its_help_prints_it(words: tuple[str, ...]) -> None:
    section = PAGE.text.partition(f"\n## {heading(words)}\n")[2].partition("\n## ")[0]

    assert section.strip() == f"```text\n{help_text(words).rstrip()}\n```", "run: python -m tests.docs.write_cli"


def test_the_page_is_what_the_writer_writes() -> None:
    assert PAGE.text == cli_page(), "run: python -m tests.docs.write_cli"


@pytest.mark.parametrize("words", list(commands()), ids=heading)
def test_each_help_begins_with_an_example(words: tuple[str, ...]) -> None:
    assert f"Examples:\n    {heading(words)}" in help_text(words)
