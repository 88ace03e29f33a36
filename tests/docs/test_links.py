"""Links lead somewhere, and pages name nothing that only exists on one machine."""

import re

import pytest

from tests.docs.pages import ROOT, RUN, SHOWN, Page, pages

PAGES = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


@PAGES
def test_relative_links_and_their_anchors_resolve(page: Page) -> None:
    for link in page.links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in Page(target.relative_to(ROOT).as_posix()).anchors, link


@PAGES
def test_no_page_names_a_path_of_one_machine_or_a_package_registry(page: Page) -> None:
    assert not re.search(r"(?<![\w.])/(?:root|work|tmp)/|/home/\w+/|pypi\.org|npmjs|pythonhosted", page.text)


@PAGES
def test_every_block_says_its_language(page: Page) -> None:
    for block in page.blocks:
        assert block.language in RUN | SHOWN, f"{page.name}:{block.line}"


def test_every_page_of_docs_is_in_its_index() -> None:
    linked = {link.partition("#")[0] for link in Page("docs/index.md").links}

    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"} <= linked


def test_the_heading_of_a_code_is_its_anchor() -> None:
    assert {"no_certificate", "unknown_ca"} & Page("docs/reasons.md").anchors == {"no_certificate"}
