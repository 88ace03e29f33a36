"""The benchmark of the gate runs and reports; nothing here depends on a time."""

from pathlib import Path

from bench.gate.__main__ import MOST, main


def test_a_run_measures_a_small_registry_and_a_large_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench gate -->\n<!-- end gate -->\n")
    assert main(["--share", "0.0005", "--trials", "2", "--write", str(page)]) in {0, 1}
    heading, _, *lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    assert "500 clients" in heading
    figures = [line.split("|")[2:4] for line in lines]
    assert len(figures) == len(MOST)
    assert all(float(figure) >= 0 for row in figures for figure in row)
