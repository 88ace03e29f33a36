"""Writes docs/cli.md anew: ``python -m tests.docs.write_cli``."""

from tests.docs.cli_page import cli_page
from tests.docs.pages import ROOT

if __name__ == "__main__":
    (ROOT / "docs" / "cli.md").write_text(cli_page(), encoding="utf-8")
