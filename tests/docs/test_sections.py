"""Every reason and every error has its section, and nothing else has."""

import re
from pathlib import Path

import mutua.errors
from mutua.doctor import call
from mutua.errors import MutuaError
from mutua.reasons import Reason
from tests.docs.pages import Page


def sections(page: Page) -> dict[str, str]:
    parts = page.text.split("\n## ")[1:]
    return {part.partition("\n")[0].strip(): part.partition("\n")[2].strip() for part in parts}


def error_codes() -> set[str]:
    classes = [each for each in vars(mutua.errors).values() if isinstance(each, type) and issubclass(each, MutuaError)]
    return {each.code for each in classes}


def test_every_reason_has_its_section() -> None:
    assert set(sections(Page("docs/reasons.md"))) == {reason.value for reason in Reason}


def test_every_reason_says_what_the_peer_sees_and_what_to_do() -> None:
    for reason, text in sections(Page("docs/reasons.md")).items():
        assert "**The peer sees**" in text, reason
        assert "**To do**" in text, reason


def test_every_error_code_has_its_section() -> None:
    assert set(sections(Page("docs/errors.md"))) == error_codes() | {"bug"}


def test_every_error_says_its_cause_and_what_to_type() -> None:
    for code, text in sections(Page("docs/errors.md")).items():
        assert "**Cause**" in text, code
        assert "**Next**" in text, code


def test_every_finding_of_a_call_is_in_the_tables_and_nothing_else_is() -> None:
    source = Path(call.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'(?:code=|code == |[({:]\s*|^\s{4})"([a-z]+_[a-z_]+)"', source, re.MULTILINE))

    assert set(re.findall(r"^\| `(\w+)` \|", Page("docs/calling.md").text, re.MULTILINE)) == codes
