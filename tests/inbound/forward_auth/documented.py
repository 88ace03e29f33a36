"""The proxies with the settings that stand on the page, and nothing else."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import Page
from tests.inbound.forwarding.nginx import nginx, wait_until_it_accepts
from tests.serving import PATIENCE_SECONDS

PAGE = Page("docs/forward-auth.md")

# Caddy's own port 80 and folder, which every machine has for itself.
CADDY_OF_THIS_MACHINE = """{
	admin off
	auto_https disable_redirects
	storage file_system FOLDER
}
"""

Running = Callable[[str, Path, str, int], AbstractContextManager[None]]


def settings(heading: str, here: Mapping[str, str]) -> str:
    """The block below a heading of the page, with what it says of the reader's machine replaced.

    Args:
        heading: a part of the page.
        here: for what stands on the page, what it is here. All of it has to be there.
    """
    after = PAGE.text.partition(f"\n## {heading}\n")[2]
    block = re.search(r"^```text\n(.*?)^```$", after.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    assert block is not None, heading
    text = block[1]
    for there, replacement in here.items():
        assert there in text, (heading, there)
        text = text.replace(there, replacement)
    assert "/etc/" not in text
    assert "acme.example" not in text
    return text


@contextmanager
def _caddy(program: str, folder: Path, text: str, port: int) -> Iterator[None]:
    (folder / "Caddyfile").write_text(CADDY_OF_THIS_MACHINE.replace("FOLDER", str(folder)) + text)
    command = [program, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with _running(command, folder, port):
        yield


@contextmanager
def _envoy(program: str, folder: Path, text: str, port: int) -> Iterator[None]:
    (folder / "envoy.yaml").write_text(text)
    command = [program, "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
    with _running([*command, "-c", str(folder / "envoy.yaml")], folder, port):
        yield


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (
        (folder / "proxy.log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            try:
                wait_until_it_accepts(process, port)
            except AssertionError as error:
                error.add_note((folder / "proxy.log").read_text()[-2000:])
                raise
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@dataclass(frozen=True)
class Proxy:
    """A proxy that asks.

    Attributes:
        asker: as ``--for`` has it.
        dialect: in which it writes certificates.
        program: its name.
        heading: of its part of the page.
        run: starts it.
        here: for what stands on the page and only this proxy has, what it is here; both are formats.
        malformed: what its clients get for such a request.
        down: what they get when it cannot ask.
        by_itself: cases that it refuses before it asks anybody, with 400.
    """

    asker: str
    dialect: str
    program: str
    heading: str
    run: Running
    here: Mapping[str, str]
    malformed: int
    down: int
    by_itself: frozenset[str] = frozenset()


PROXIES = {
    each.asker: each
    for each in (
        Proxy(
            asker="nginx",
            dialect="nginx",
            program="nginx",
            heading="nginx",
            run=nginx,
            here={"listen 443 ssl": "listen 127.0.0.1:{port} ssl", "api.acme.example": "localhost"},
            malformed=403,
            down=500,
            by_itself=frozenset({"expired", "not yet valid", "wrong purpose"}),
        ),
        Proxy(
            asker="caddy",
            dialect="haproxy",
            program="caddy",
            heading="Caddy",
            run=_caddy,
            here={"api.acme.example:443 {{": "localhost:{port} {{\n\tbind 127.0.0.1"},
            malformed=400,
            down=502,
        ),
        Proxy(
            asker="envoy",
            dialect="xfcc",
            program="envoy",
            heading="Envoy",
            run=_envoy,
            here={
                "address: 0.0.0.0, port_value: 443": "address: 127.0.0.1, port_value: {port}",
                "/etc/acme/ca.pem": "{home}/ca.pem",
            },
            malformed=400,
            down=503,
        ),
    )
}


def documented(proxy: Proxy, *, home: Path, gate: Path, app: int, port: int) -> str:
    """What stands on the page for a proxy, for this machine.

    Args:
        proxy: which.
        home: whose identity ``api`` it shows to clients.
        gate: the socket it asks at.
        app: the port of the application behind it.
        port: it listens on.
    """
    own = {there.format(): here.format(port=port, home=home) for there, here in proxy.here.items()}
    identity = home / "identities" / "api"
    return settings(
        proxy.heading,
        {
            **own,
            "/etc/acme/api/chain.pem": f"{identity}/chain.pem",
            "/etc/acme/api/key.pem": f"{identity}/key.pem",
            "/run/mutua/gate.sock": str(gate),
            ("port_value: 8000" if proxy.asker == "envoy" else "127.0.0.1:8000"): (
                f"port_value: {app}" if proxy.asker == "envoy" else f"127.0.0.1:{app}"
            ),
        },
    )
