from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def vectors() -> Callable[[str], bytes]:
    """The bytes of a file in ``vectors/``."""
    return lambda name: (Path(__file__).parent / "vectors" / name).read_bytes()
