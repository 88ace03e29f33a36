"""``python -m mutua``."""

from mutua.cli import run

run()
