"""Each proxy in front of an application, asking a gate of its own, with clients of every kind known to it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from mutua import Home
from mutua.home.settings import SETTINGS_FILE
from mutua.tls.identity import Identity
from tests.inbound.certificates import present_identities
from tests.inbound.forward_auth.asking import Answer, ask, connect
from tests.inbound.forward_auth.documented import PROXIES, Proxy, documented
from tests.inbound.forward_auth.gate_process import GateProcess
from tests.inbound.forward_auth.plain_app import PlainApp, plain_app
from tests.inbound.forwarding.nginx import free_port

PUBLIC = 'public = ["GET /healthz/*"]\n'

_numbers = count(1)


@dataclass
class Front:
    """A proxy at work.

    Attributes:
        proxy: which.
        home: whose registry decides.
        gate: is asked.
        app: is behind it.
        port: where it listens.
        identities: what clients show, by case.
    """

    proxy: Proxy
    home: Home
    gate: GateProcess
    app: PlainApp
    port: int
    identities: dict[str, Identity | None]

    def mark(self) -> str:
        """What no other request has in its path."""
        return f"mark-{next(_numbers)}."

    def ask(self, identity: Identity | None, target: str, **request: object) -> Answer:
        """One request on a connection of its own; ``method``, ``lines`` and ``body`` may be given."""
        with closing(connect(self.home, self.port, identity)) as connection:
            return ask(connection, target, **request)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def known(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Identity | None]]:
    """A home with a client for each case, and what these show."""
    folder = tmp_path_factory.mktemp("forward-auth") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as home:
        return folder, present_identities(home, folder.parent / "stranger")


@pytest.fixture(scope="module", params=PROXIES)
def front(
    request: pytest.FixtureRequest,
    known: tuple[Path, dict[str, Identity | None]],
    peer: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Front]:
    """Each proxy, with the settings that stand on the page."""
    proxy = PROXIES[request.param]
    program, folder = peer(proxy.program), tmp_path_factory.mktemp("front")
    shutil.copytree(known[0], folder / "home", symlinks=True)
    toml = folder / "home" / SETTINGS_FILE
    forwarded = f'\n[forwarded]\ndialect = "{proxy.dialect}"\nunix_socket = true\n'
    toml.write_text(PUBLIC + toml.read_text() + forwarded)
    socket, port = folder / "gate.sock", free_port()
    with (
        Home.open(folder / "home") as home,
        plain_app() as app,
        GateProcess(home.path, "--for", proxy.asker, "--unix", str(socket)) as gate,
        proxy.run(program, folder, documented(proxy, home=home.path, gate=socket, app=app.port, port=port), port),
    ):
        yield Front(proxy, home, gate, app, port, known[1])
