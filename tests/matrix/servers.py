"""Servers of other makes that demand a client certificate and look into CRLs: one listener for each key and version."""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.pki.certificates import write_pem
from tests.inbound.forwarding.nginx import wait_until_it_accepts
from tests.matrix.parties import KEYS, VERSIONS, Parties

PATIENCE_SECONDS = 60

Listener = tuple[str, str]
"""Key and TLS version."""

Ports = dict[Listener, int]

NODE_SCRIPT = Path(__file__).with_name("node_servers.cjs")

_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {listeners}
}}
"""
_NGINX_SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl; ssl_protocols TLSv{version};
    ssl_certificate {server}; ssl_certificate_key {server};
    ssl_client_certificate {root}; ssl_verify_client on; ssl_verify_depth 2; ssl_crl {crls};
    location / {{ return 200; }}
  }}
"""
_HAPROXY = """
defaults
  mode http
  timeout connect 30s
  timeout client 30s
  timeout server 30s
frontend doors
  {listeners}
  http-request return status 200
"""
_HAPROXY_BIND = (
    "\n  bind fd@{descriptor} ssl crt {server} ca-file {root} crl-file {crls} verify required"
    " ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}"
)
_ENVOY = """
admin: {{}}
static_resources:
  listeners:{listeners}
"""
_ENVOY_LISTENER = """
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    enable_reuse_port: false
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            tls_params: {{tls_minimum_protocol_version: {envoy_version}, tls_maximum_protocol_version: {envoy_version}}}
            tls_certificates:
            - certificate_chain: {{filename: {server}}}
              private_key: {{filename: {server}}}
            validation_context:
              trusted_ca: {{filename: {root}}}
              crl: {{filename: {crls}}}
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, direct_response: {{status: 200}}}}]}}
"""


@contextmanager
def nginx(path: str, parties: Parties, folder: Path) -> Iterator[Ports]:
    command = [path, "-p", str(folder), "-c"]
    with _handed(command, _NGINX, _NGINX_SERVER, parties, folder) as ports:
        yield ports


@contextmanager
def haproxy(path: str, parties: Parties, folder: Path) -> Iterator[Ports]:
    with _handed([path, "-db", "-f"], _HAPROXY, _HAPROXY_BIND, parties, folder) as ports:
        yield ports


@contextmanager
def _handed(command: list[str], whole: str, part: str, parties: Parties, folder: Path) -> Iterator[Ports]:
    """A server that is given sockets which listen already."""
    with ExitStack() as stack:
        listeners = {each: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for each in spoken("")}
        for listener in listeners.values():
            listener.setblocking(False)  # nginx takes it for one of its own
        parts = [
            part.format(**_files(parties, folder, each), port=_port(listener), descriptor=listener.fileno())
            for each, listener in listeners.items()
        ]
        config = folder / "config"
        config.write_text(whole.format(folder=folder, listeners="".join(parts)))
        descriptors = [listener.fileno() for listener in listeners.values()]
        environment = {**os.environ, "NGINX": "".join(f"{each};" for each in descriptors)}
        stack.enter_context(_running([*command, str(config)], folder, keep=descriptors, environment=environment))
        yield {each: _port(listener) for each, listener in listeners.items()}


@contextmanager
def envoy(path: str, parties: Parties, folder: Path, listeners: Sequence[Listener] | None = None) -> Iterator[Ports]:
    """On ports that are kept for it: bound, and not listening."""
    with ExitStack() as stack:
        ports: Ports = {}
        for each in spoken("Envoy") if listeners is None else listeners:
            kept = stack.enter_context(socket.socket())
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind(("127.0.0.1", 0))
            ports[each] = _port(kept)
        parts = [
            _ENVOY_LISTENER.format(
                **_files(parties, folder, each), port=port, envoy_version=f"TLSv{each[1].replace('.', '_')}"
            )
            for each, port in ports.items()
        ]
        config = folder / "config.yaml"
        config.write_text(_ENVOY.format(listeners="".join(parts)))
        command = [path, "--disable-hot-restart", "--concurrency", "1", "-l", "warning", "-c", str(config)]
        process = stack.enter_context(_running(command, folder))
        for port in ports.values():
            wait_until_it_accepts(process, port)
        yield ports


@contextmanager
def node(path: str, parties: Parties, folder: Path) -> Iterator[Ports]:
    """Node's ``https``: one process, which says on which ports it listens."""
    arguments = []
    for each in spoken("Node https"):
        files = _files(parties, folder, each)
        arguments += [files["server"], files["root"], files["crls"], f"TLSv{each[1]}"]
    with _running([path, str(NODE_SCRIPT), *arguments], folder, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield dict(zip(spoken("Node https"), map(int, process.stdout.readline().split()), strict=True))


@contextmanager
def s_server(path: str, parties: Parties, folder: Path) -> Iterator[Ports]:
    """``openssl s_server``, a process for each listener; it looks into the CRL of the CA that issued the leaf."""
    ports: Ports = {}
    with ExitStack() as stack:
        for each in spoken("openssl s_server"):
            own = folder / "-".join(each)
            own.mkdir()
            files = _files(parties, own, each)
            command = [path, "s_server", "-accept", "127.0.0.1:0", "-www", f"-tls{each[1].replace('.', '_')}"]
            command += ["-cert", files["server"], "-cert_chain", files["server"], "-key", files["server"]]
            command += ["-CAfile", files["root"], "-Verify", "3", "-verify_return_error"]
            command += ["-crl_check", "-CRL", files["issuing_crl"]]
            process = stack.enter_context(_running(command, own, stdout=subprocess.PIPE))
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(b"ACCEPT"):
                    ports[each] = int(line.rpartition(b":")[2])
                    break
            else:
                raise AssertionError((own / "log").read_text()[-2000:])
            drain = threading.Thread(target=process.stdout.read, daemon=True)
            drain.start()
            stack.callback(drain.join, PATIENCE_SECONDS)
            stack.callback(process.terminate)
        yield ports


Start = Callable[[str, Parties, Path], AbstractContextManager[Ports]]

SERVERS: dict[str, tuple[str, Start]] = {
    "nginx": ("nginx", nginx),
    "haproxy": ("haproxy", haproxy),
    "Envoy": ("envoy", envoy),
    "Node https": ("node", node),
    "openssl s_server": ("openssl", s_server),
}
"""By the name on the page: its program, and how it is started."""

WITHOUT: Mapping[tuple[str, str], str] = {
    (
        "Envoy",
        "Ed25519",
    ): "it asks for no client certificate with such a key, for its list of signature algorithms has RSA "
    "and ECDSA alone; so a client that has another shows none. A server's may have one",
}
"""Server and key that do not go together, and why."""


def spoken(server: str) -> list[Listener]:
    """The listeners that a server has."""
    return [(key, version) for key in KEYS if (server, key) not in WITHOUT for version in VERSIONS]


def _files(parties: Parties, folder: Path, listener: Listener) -> dict[str, str]:
    key, version = listener
    identity = parties.server(key)
    contents = {
        f"server-{key}.pem": identity.chain_pem() + identity.key_pem(),
        "root.pem": write_pem(parties.home.trust.anchors),
        "crls.pem": parties.home.crls.bundle(),
        "issuing.pem": _crl_of_the_issuer(parties),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {
        "version": version,
        "server": str(folder / f"server-{key}.pem"),
        "root": str(folder / "root.pem"),
        "crls": str(folder / "crls.pem"),
        "issuing_crl": str(folder / "issuing.pem"),
    }


def _crl_of_the_issuer(parties: Parties) -> bytes:
    der = parties.home.crls.der(parties.home.hierarchy.issuing.id)
    assert der is not None
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


@contextmanager
def _running(
    command: list[str],
    folder: Path,
    *,
    keep: list[int] | None = None,
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command,
            pass_fds=keep or [],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log if stdout is None else stdout,
            stderr=log,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
