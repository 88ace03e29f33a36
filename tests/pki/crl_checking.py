"""nginx and haproxy, which look into CRLs before they let a client in."""

import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509

from mutua.pki.certificates import write_pem
from mutua.tls.identity import Identity

PATIENCE_SECONDS = 60

_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    ssl_client_certificate {folder}/root.pem; ssl_verify_client on; ssl_verify_depth 2; ssl_crl {folder}/crls.pem;
    location / {{ return 200; }}
  }}
}}
"""
_HAPROXY = """
defaults
  mode http
  timeout connect 30s
  timeout client 30s
  timeout server 30s
frontend doors
  bind fd@{descriptor} ssl crt {folder}/server.pem ca-file {folder}/root.pem crl-file {folder}/crls.pem verify required
  http-request return status 200
"""
_PROGRAMS = {"nginx": (_NGINX, ["-p", "{folder}", "-c"]), "haproxy": (_HAPROXY, ["-db", "-f"])}

REFUSED = {"nginx": "400", "haproxy": "SSLV3_ALERT_CERTIFICATE_REVOKED"}
"""The outcome for a client that a CRL lists."""


@contextmanager
def checking_crls(
    program: str, path: str, folder: Path, *, identity: Identity, root: x509.Certificate, crls: bytes
) -> Iterator[int]:
    """A server that knows these CRLs, as long as the block runs; gives its port. It gets a socket that listens already.

    Args:
        program: ``nginx`` or ``haproxy``.
        path: of the program.
        folder: for its files.
        identity: who the server is.
        root: with which clients are verified.
        crls: of every CA, in PEM.
    """
    (folder / "crls.pem").write_bytes(crls)
    (folder / "root.pem").write_bytes(write_pem([root]))
    (folder / "server.pem").write_bytes(identity.chain_pem() + identity.key_pem())
    template, arguments = _PROGRAMS[program]
    with socket.create_server(("127.0.0.1", 0)) as listener, (folder / "log").open("wb") as log:
        listener.setblocking(False)  # nginx takes it for one of its own
        port, descriptor = listener.getsockname()[1], listener.fileno()
        config = folder / "config"
        config.write_text(template.format(folder=folder, port=port, descriptor=descriptor))
        command = [path, *(each.format(folder=folder) for each in arguments), str(config)]
        environment = {**os.environ, "NGINX": f"{descriptor};"}
        running = subprocess.Popen(command, pass_fds=[descriptor], env=environment, stdout=log, stderr=log)
        try:
            yield port
        finally:
            running.terminate()
            running.wait(PATIENCE_SECONDS)


def outcome(port: int, identity: Identity, folder: Path) -> str:
    """The status of a request as this client, or the alert. In TLS 1.2, which tells within the handshake."""
    (folder / "client.pem").write_bytes(identity.chain_pem() + identity.key_pem())
    context = ssl.create_default_context(cafile=str(folder / "root.pem"))
    context.load_cert_chain(folder / "client.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/")
        return str(connection.getresponse().status)
    except ssl.SSLError as error:
        return error.reason
    finally:
        connection.close()
