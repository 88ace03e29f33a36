"""What a test needs and this machine lacks."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test on a contributor's machine, and fail it in CI: what is not tested there is not tested.

    Args:
        what: is not here, for whoever reads the report.
    """
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
