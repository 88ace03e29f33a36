"""The openssl command line: a shell's loop that starts one process for each certificate."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.issuance.issuer import LIFETIME, Issuer
from bench.issuance.rounds import Contestant

_CONFIGURATION = """
[ca]
default_ca = bench
[bench]
database = {folder}/index.txt
new_certs_dir = {folder}/new
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = {days}
policy = any
x509_extensions = leaf
copy_extensions = copy
[any]
commonName = supplied
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""

_LOOP = 'for csr in "$1"/*.csr; do {command} -in "$csr" -out "${{csr%.csr}}.pem" || exit 1; done'


class _Openssl(Contestant):
    """Files in, files out; writing the requests and reading the certificates is not in the time."""

    share = 0.02
    command: str

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        issuer.write(folder)
        (folder / "new").mkdir()
        (folder / "index.txt").touch()
        text = _CONFIGURATION.format(folder=folder, days=LIFETIME.days)
        (folder / "openssl.cnf").write_text(text)
        self.issuer = issuer.certificate
        self._folder = folder
        # `openssl x509` reads every trusted certificate of the system, though it verifies none: 17 of its 22 ms.
        self._environment = {**os.environ, "SSL_CERT_FILE": str(folder / "ca.pem")}

    def issue(self, csrs: Sequence[bytes]) -> float:
        turn = self._folder / "turn"
        turn.mkdir()
        for number, csr in enumerate(csrs):
            (turn / f"{number:06}.csr").write_bytes(csr)
        loop = _LOOP.format(command=self.command.format(folder=self._folder, days=LIFETIME.days))
        began = time.perf_counter()
        done = subprocess.run(
            ["sh", "-c", loop, "sh", str(turn)], env=self._environment, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{self.name} failed: {done.stderr[-500:]}")
        self.issued = [path.read_bytes() for path in sorted(turn.glob("*.pem"))]
        shutil.rmtree(turn)
        return seconds


class OpensslCa(_Openssl):
    """``openssl ca``, which keeps a text file as its database and writes it anew for each certificate."""

    name = "openssl ca"
    kept = "a text file, not synced"
    command = "openssl ca -batch -notext -config {folder}/openssl.cnf"


class OpensslX509(_Openssl):
    """``openssl x509 -req``, which remembers nothing."""

    name = "openssl x509 -req"
    kept = "nowhere"
    command = (
        "openssl x509 -req -CA {folder}/ca.pem -CAkey {folder}/ca.key -days {days} -sha256"
        " -extfile {folder}/openssl.cnf -extensions leaf -copy_extensions copy"
    )
