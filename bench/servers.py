"""The servers that are compared, each a process of its own on one core."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.certificates import Files

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 30

_NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_client_certificate {anchors};
        ssl_verify_client on;
        ssl_verify_depth 3;
        location / {{ return 200 ok; }}
    }}
}}
"""


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Attributes:
        server: ``mutua``, ``uvicorn``, ``nginx`` or ``node``.
        loop: the event loop of a Python server.
        access_line: whether a Python server writes one line for each request.
        app: what mutua serves.
        workers: how many processes of mutua.
    """

    server: str
    loop: str = ""
    access_line: bool = False
    app: str = "bench.app:app"
    workers: int = 1

    def __str__(self) -> str:
        if not self.loop:
            return self.server
        return f"{self.server} on {self.loop}{' with access lines' if self.access_line else ''}"

    @property
    def program(self) -> str:
        """What has to be installed."""
        return {"nginx": "nginx", "node": "node"}.get(self.server, sys.executable)

    @property
    def installed(self) -> bool:
        return find_program(self.program) is not None

    def command(self, files: Files, port: int, folder: Path) -> list[str]:
        """Arguments of the process, listening on ``port`` of 127.0.0.1."""
        key, chain, anchors = str(files.key), str(files.chain), str(files.anchors)
        program = find_program(self.program) or self.program
        log = [] if self.access_line else ["--no-access-log"]
        match self.server:
            case "mutua":
                return [
                    *(program, "-m", "mutua", "serve", self.app, "--identity", files.identity, *log),
                    *("--home", str(files.home), "--port", str(port), "--loop", self.loop),
                    *("--workers", str(self.workers)),
                ]
            case "uvicorn":
                return [
                    *(program, "-m", "uvicorn", "bench.app:app", "--port", str(port), "--loop", self.loop),
                    *("--http", "httptools", "--ssl-keyfile", key, "--ssl-certfile", chain),
                    *("--ssl-ca-certs", anchors, "--ssl-cert-reqs", "2", *log),
                ]
            case "nginx":
                configuration = folder / "nginx.conf"
                text = _NGINX.format(folder=folder, port=port, key=key, chain=chain, anchors=anchors)
                configuration.write_text(text)
                return [program, "-c", str(configuration), "-e", str(folder / "error.log"), "-p", str(folder)]
            case _:
                return [program, str(Path(__file__).with_name("node_server.js")), key, chain, anchors, str(port)]


def find_program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


class Server:
    """A running server. Its access lines go to ``/dev/null``, whoever writes them."""

    def __init__(self, kind: Kind, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.kind = kind
        self.port = port
        self._process = process

    @classmethod
    def start(cls, kind: Kind, files: Files, folder: Path, core: int | None = None) -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        command = kind.command(files, port, folder)
        if core is not None:
            command = ["taskset", "--cpu-list", str(core), *command]
        with (folder / "stderr").open("wb") as talk:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=talk)
        server = cls(kind, process, port)
        try:
            server._wait()
        except BaseException:
            server.stop()
            raise
        return server

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.kind} did not start: {self._process.args!r}") from None
                time.sleep(0.02)
            else:
                return

    def cpu_nanoseconds(self) -> int:
        """CPU time of all threads of the process so far, the kernel's work for it included."""
        tasks = Path(f"/proc/{self._process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def cores() -> tuple[int, int]:
    """One core for the server, another for the load; the same one where there is no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
