"""What a door sees ends the renewals of what was superseded, also when the door is stopped right after."""

from collections.abc import Callable

import pytest

from mutua import Home
from mutua.errors import RefusedRenewal
from tests.home.renewing import by_connection
from tests.inbound.connections import Connections
from tests.serving import Serving
