"""Real proxies in front of a listener that keeps the headers they send."""

import http.client
import os
import socket
import ssl
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from mutua.pki.certificates import write_pem
from mutua.tls.identity import Identity
from tests.pki.hierarchy import root, server
from tests.serving import PATIENCE_SECONDS

Lines = dict[str, list[bytes]]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    ssl_client_certificate {folder}/root.pem; ssl_verify_client optional_no_ca; ssl_verify_depth 2;
    location / {{
      proxy_pass http://127.0.0.1:{backend};
      proxy_set_header ssl-client-cert   $ssl_client_escaped_cert;
      proxy_set_header ssl-client-verify $ssl_client_verify;
    }}
  }}
}}
"""
HAPROXY = """
global
  tune.bufsize 65536
defaults
  mode http
  timeout connect 30s
  timeout client 30s
  timeout server 30s
frontend doors
  bind fd@{descriptor} ssl crt {folder}/server.pem ca-file {folder}/root.pem verify optional {ignoring}
  http-request set-header x-ssl-client-cert  %[ssl_c_der,base64]
  http-request set-header x-ssl-client-chain %[ssl_c_chain_der,base64]
  http-request del-header client-cert
  http-request del-header client-cert-chain
  http-request set-header client-cert :%[ssl_c_der,base64]: if {{ ssl_c_used }}
  default_backend inside
backend inside
  server one 127.0.0.1:{backend}
"""
APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Mutex file:{folder}
ErrorLog /dev/stderr
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
<VirtualHost *:{port}>
  SSLEngine on
  SSLCertificateFile {folder}/server.pem
  SSLCACertificateFile {folder}/root.pem
  SSLVerifyClient optional_no_ca
  SSLVerifyDepth 2
  RequestHeader set x-ssl-client-cert         "%{{SSL_CLIENT_CERT}}s"
  RequestHeader set x-ssl-client-cert-chain-0 "%{{SSL_CLIENT_CERT_CHAIN_0}}s"
  RequestHeader set x-ssl-client-cert-chain-1 "%{{SSL_CLIENT_CERT_CHAIN_1}}s"
  ProxyPass / http://127.0.0.1:{backend}/
</VirtualHost>
"""
ENVOY = """
admin: {{}}
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    enable_reuse_port: false
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates:
            - certificate_chain: {{filename: {folder}/server.pem}}
              private_key: {{filename: {folder}/server.pem}}
            validation_context:
              trusted_ca: {{filename: {folder}/root.pem}}
              trust_chain_verification: ACCEPT_UNTRUSTED
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          forward_client_cert_details: {forward}
          set_current_client_cert_details: {details}
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: backend}}}}]}}
  clusters:
  - name: backend
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}
"""
IGNORING = "crt-ignore-err all ca-ignore-err all"
"""HAProxy then takes any certificate, as nginx and Apache do with ``optional_no_ca``."""

HANDED_A_SOCKET = {"nginx": (NGINX, ["-p", "{folder}", "-c"]), "haproxy": (HAPROXY, ["-db", "-f"])}
READY_WHEN_IT_SAYS = {
    "apache2": (APACHE, ["-D", "FOREGROUND", "-f"], b"resuming normal operations"),
    "envoy": (ENVOY, ["--disable-hot-restart", "--concurrency", "1", "-c"], b"starting workers"),
}

Ask = Callable[..., Lines]


@contextmanager
def proxy(program: str, path: str, folder: Path, **settings: str) -> Iterator[Ask]:
    """A proxy that trusts the root of ``tests.pki.hierarchy`` and asks for a client certificate.

    Gives a function of an identity, or none, and further headers, that sends a request and gives the headers which
    arrived behind the proxy.
    """
    (folder / "root.pem").write_bytes(write_pem([root().certificate]))
    (folder / "server.pem").write_bytes(server().chain_pem() + server().key_pem())
    seen: list[Lines] = []
    with _backend(seen) as backend:
        settings |= {"folder": str(folder), "backend": str(backend), "ignoring": IGNORING}
        door = _handed if program in HANDED_A_SOCKET else _announced
        with door(program, path, settings) as port:

            def ask(identity: Identity | None = None, headers: Mapping[str, str] | None = None) -> Lines:
                _request(port, folder, identity, headers or {})
                return seen.pop()

            yield ask


@contextmanager
def _handed(program: str, path: str, settings: dict[str, str]) -> Iterator[int]:
    """A server that is given a socket which listens already."""
    template, arguments = HANDED_A_SOCKET[program]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # nginx takes it for one of its own
        settings |= {"port": str(listener.getsockname()[1]), "descriptor": str(listener.fileno())}
        with _running(path, arguments, template, settings, keep=listener.fileno()):
            yield listener.getsockname()[1]


@contextmanager
def _announced(program: str, path: str, settings: dict[str, str]) -> Iterator[int]:
    """A server that listens on a port kept for it, and says so on stderr."""
    template, arguments, ready = READY_WHEN_IT_SAYS[program]
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        settings |= {"port": str(kept.getsockname()[1])}
        with _running(path, arguments, template, settings) as process:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if ready in line:
                    break
            else:
                raise AssertionError(b"".join(said[-20:]).decode())
            rest = threading.Thread(target=process.stderr.read)
            rest.start()
            try:
                _wait_until_it_listens(kept.getsockname()[1], process)
                yield kept.getsockname()[1]
            finally:
                process.terminate()
                rest.join(PATIENCE_SECONDS)


def _wait_until_it_listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Envoy speaks a moment before it listens, and says nothing more."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < patience:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS):
            return
        time.sleep(0.01)
    raise AssertionError("it does not listen")


@contextmanager
def _running(
    path: str, arguments: list[str], template: str, settings: dict[str, str], keep: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    folder = Path(settings["folder"])
    (folder / "config.yaml").write_text(template.format(**settings))
    command = [path, *(each.format(**settings) for each in arguments), str(folder / "config.yaml")]
    environment = {**os.environ, "NGINX": f"{keep};"}
    kept = [] if keep is None else [keep]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, pass_fds=kept, env=environment, stdout=log, stderr=log if kept else subprocess.PIPE
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@contextmanager
def _backend(seen: list[Lines]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.settimeout(PATIENCE_SECONDS)
                    with connection, suppress(OSError):
                        seen.append(_header_lines(connection))
                        connection.sendall(ANSWER)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _header_lines(connection: socket.socket) -> Lines:
    """The headers as they stand in the request, but for the one space before each value."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65536)
        if not received:
            raise ConnectionError("the request ends within its headers")
        head += received
    lines: Lines = defaultdict(list)
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        lines[name.decode().lower()].append(value.removeprefix(b" "))
    return dict(lines)


def _request(port: int, folder: Path, identity: Identity | None, headers: Mapping[str, str]) -> None:
    context = ssl.create_default_context(cafile=str(folder / "root.pem"))
    if identity is not None:
        (folder / "client.pem").write_bytes(identity.chain_pem() + identity.key_pem())
        context.load_cert_chain(folder / "client.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/", headers=dict(headers))
        answer = connection.getresponse()
        assert answer.status == 200, (answer.status, answer.read())
    finally:
        connection.close()
