"""How the server ends, and how it does not start."""

import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable

from mutua import Home
from tests.inbound.connections import client_context, until
from tests.serving import ROOT, Serving


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=30).close()
    except OSError:
        return False
    return True


def read_all(tls: ssl.SSLSocket) -> bytes:
    data = b""
    while chunk := tls.recv(65536):
        data += chunk
    return data


def test_a_request_under_way_is_answered_before_the_server_ends(
    home: Home, serve: Callable[..., Serving], loop: str
) -> None:
    serving = serve(loop=loop)
    plain = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
    with client_context(home).wrap_socket(plain, server_hostname="127.0.0.1") as tls:
        # The application answers when the body is whole, so the request is under way until we say so.
        tls.sendall(b"POST /webhook/pix HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n1")
        serving.next_line("reached")
        serving.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(serving.port))
        assert serving.process.poll() is None
        tls.sendall(b"2")
        assert read_all(tls).startswith(b"HTTP/1.1 200 ")
    # uvicorn raises the signal again once everything is closed, so that a supervisor sees why it ended.
    assert serving.stop() in {0, -signal.SIGTERM}
    assert [line["status"] for line in serving.lines if line["event"] == "admitted"] == [200]
    assert "Traceback" not in serving.talk


def test_idle_connections_do_not_hold_it_up(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    serving = serve(loop=loop)
    plain = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
    with client_context(home).wrap_socket(plain, server_hostname="127.0.0.1") as tls:
        tls.sendall(b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        serving.next_line("admitted")
        assert serving.stop() in {0, -signal.SIGTERM}
        assert read_all(tls).startswith(b"HTTP/1.1 200 ")
    assert "Traceback" not in serving.talk


def test_handshakes_that_never_began_do_not_hold_it_up(serve: Callable[..., Serving], loop: str) -> None:
    serving = serve(loop=loop)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30):
        assert serving.stop() in {0, -signal.SIGTERM}
    assert "Traceback" not in serving.talk


def test_a_port_in_use_is_told_in_three_lines(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "mutua", "serve", "tests.echo:app", "--identity", "api"]
        done = subprocess.run(
            [*command, "--home", str(home.path), "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    error, hint, docs = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (5, "")
    assert error.startswith("error: ")
    assert str(port) in error
    assert hint.startswith("hint: ")
    assert docs.startswith("docs: ")
