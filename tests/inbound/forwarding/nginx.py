"""The real nginx with what ``mutua config nginx`` writes."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mutua import Home
from mutua.tls.identity import Identity
from tests.serving import PATIENCE_SECONDS, ROOT

MAIN = """
{user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log info;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  large_client_header_buffers 8 64k;
  {more}
  include {folder}/mutua.conf;
}}
"""


def written(home: Home, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What the command says."""
    command = [sys.executable, "-m", "mutua", "config", "nginx", "--home", str(home.path), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


def is_accepted(program: str, folder: Path, text: str, more: str = "") -> bool:
    """Whether ``nginx -t`` accepts it."""
    _write(folder, text, more)
    command = [program, "-t", "-q", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return subprocess.run(command, check=False, timeout=PATIENCE_SECONDS).returncode == 0


@contextmanager
def nginx(program: str, folder: Path, text: str, port: int, more: str = "") -> Iterator[None]:
    """nginx at work, until the block ends."""
    _write(folder, text, more)
    with subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")]) as process:
        try:
            wait_until_it_accepts(process, port)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(home: Home, port: int, identity: Identity | None) -> ssl.SSLSocket:
    """A connection through TLS with a client's certificate, or without any."""
    context = home.trust.client_context() if identity is None else identity.client_context(home.trust)
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    return context.wrap_socket(plain, server_hostname="localhost")


def _write(folder: Path, text: str, more: str) -> None:
    # As root it would hand its work to another user, who may not open a socket of root's.
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "mutua.conf").write_text(text)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, more=more, user=user))


def wait_until_it_accepts(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "nginx has ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("nginx does not listen")
