"""Every block of every page runs, and prints what the page says."""

from pathlib import Path

import pytest

from mutua import Home
from tests.conftest import CHEAP_SEALING
from tests.docs.pages import Page, pages
from tests.docs.ports import Ports
from tests.docs.session import Session
from tests.docs.stages import stage

PAGES_THAT_RUN = [page for page in pages() if any(block.runs for block in page.blocks)]


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as a reader has it after docs/getting-started.md."""
    folder = tmp_path_factory.mktemp("started") / "home"
    with Home.create(folder, name="Acme Payments", sealing_cost=CHEAP_SEALING) as home:
        home.clients.add("woovi", allow=["GET /status", "GET /feed", "GET /pix", "POST /webhook/*"])
        server = home.authority.issue_server("api.acme.example", "localhost", "127.0.0.1")
        home.identities.save("api.acme.example", server)
        # A thumbprint that begins with a hyphen would be read as an option where a page has it on a command line.
        of_woovi = (home.authority.issue_client("woovi") for _ in range(100))
        home.identities.save("woovi", next(each for each in of_woovi if not each.thumbprint.startswith("-")))
    return folder


@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=lambda page: page.name)
def test_every_block_of_the_page_runs_and_prints_what_the_page_says(page: Page, started: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    with Ports() as ports, stage(page.name, folder, started) as known, Session(folder, ports, known) as session:
        for block in page.blocks:
            if block.runs:
                try:
                    session.run(block)
                except Exception as error:
                    error.add_note(f"in {page.name}:{block.line}")
                    raise


def test_the_pages_that_teach_by_example_all_run() -> None:
    taught = {"README.md", *(f"docs/{name}.md" for name in ("getting-started", "calling", "serving", "home"))}

    assert taught <= {page.name for page in PAGES_THAT_RUN}
