"""The pytest plug-in: fixtures that begin with ``mutua_``. Nothing of mutua is imported until one is asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("the plug-in needs pytest", hint="pip install 'mutua[testing]'") from error

if TYPE_CHECKING:
    from mutua.testing.access import AccessLog
    from mutua.testing.cast import Cast
    from mutua.testing.home import UnsafeHome
    from mutua.testing.server import RunningServer
    from mutua.tls.identity import Identity


@pytest.fixture(scope="session")
def mutua_cast(tmp_path_factory: pytest.TempPathFactory) -> "Cast":
    """The home that all others are copies of, and everybody who is known or refused there; made once in a run."""
    from mutua.testing.cast import Cast  # noqa: PLC0415

    return Cast.make(tmp_path_factory.mktemp("mutua") / "home")


@pytest.fixture
def mutua_home(mutua_cast: "Cast", tmp_path: Path) -> "Iterator[UnsafeHome]":
    """An authority of one's own with its registry: change what you like, the next test has a fresh one."""
    with mutua_cast.home(tmp_path / "mutua-home") as home:
        yield home


@pytest.fixture
def mutua_known(mutua_cast: "Cast") -> "Identity":
    """The client ``known``, which may call everything."""
    return mutua_cast.identities["known"]


@pytest.fixture
def mutua_stranger(mutua_cast: "Cast") -> "Identity":
    """Somebody with a certificate of a CA of their own."""
    return mutua_cast.identities["stranger"]


@pytest.fixture
def mutua_expired(mutua_cast: "Cast") -> "Identity":
    """The client ``expired``, whose certificate has ended."""
    return mutua_cast.identities["expired"]


@pytest.fixture
def mutua_not_yet_valid(mutua_cast: "Cast") -> "Identity":
    """The client ``not-yet-valid``, whose certificate begins tomorrow."""
    return mutua_cast.identities["not_yet_valid"]


@pytest.fixture
def mutua_wrong_purpose(mutua_cast: "Cast") -> "Identity":
    """Somebody with a server's certificate of our own CA."""
    return mutua_cast.identities["wrong_purpose"]


@pytest.fixture
def mutua_revoked(mutua_cast: "Cast") -> "Identity":
    """The client ``revoked``, whose certificate was."""
    return mutua_cast.identities["revoked"]


@pytest.fixture
def mutua_suspended(mutua_cast: "Cast") -> "Identity":
    """The client ``suspended``."""
    return mutua_cast.identities["suspended"]


@pytest.fixture
def mutua_outside_grant(mutua_cast: "Cast") -> "Identity":
    """The client ``outside-grant``, which may call nothing."""
    return mutua_cast.identities["outside_grant"]


@pytest.fixture
def mutua_unregistered(mutua_cast: "Cast") -> "Identity":
    """Somebody with a certificate of our own CA that belongs to no client."""
    return mutua_cast.identities["unregistered"]


@pytest.fixture
def mutua_log() -> "Iterator[AccessLog]":
    """The access log of this test, each line parsed."""
    from mutua.testing.access import AccessLog  # noqa: PLC0415

    with AccessLog() as log:
        yield log


@pytest.fixture
def mutua_server(mutua_home: "UnsafeHome") -> "Iterator[Callable[..., RunningServer]]":
    """Serves an application with the ``mutua_home``: ``mutua_server(app)``. Each server ends with the test."""
    from mutua.testing.server import RunningServer  # noqa: PLC0415

    with ExitStack() as running:

        def serve(app: Any, identity: "Identity | None" = None) -> RunningServer:
            return running.enter_context(RunningServer(app, mutua_home, identity))

        yield serve
