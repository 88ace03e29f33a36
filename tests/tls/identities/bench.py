"""The bench where awkward identity files are made, with openssl, keytool and our own exporter.

Four certificates in a line: ``root``, ``policy``, ``issuing``, ``leaf``; each has its files NAME.key and NAME.pem.
"""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from mutua.pki.certificates import read_certificate, write_pem
from mutua.pki.keys import read_private_key
from mutua.pki.profiles import CLIENT
from mutua.pki.thumbprints import x5t_s256
from tests.pki.hierarchy import NOW, Authority, issue

PASSWORD = "correct horse"
LINE = ("leaf", "issuing", "policy", "root")
CA = "basicConstraints=critical,CA:TRUE"
CLIENT_AUTH = "extendedKeyUsage=clientAuth"

_SECONDS = 120


class Bench:
    """A folder with the line of certificates, and the programs that make files of them."""

    def __init__(self, folder: Path, program: Callable[[str], str]) -> None:
        self.folder, self._program = folder, program
        self.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem")
        self.certify("policy", "root", CA)
        self.certify("issuing", "policy", CA)
        self.certify("leaf", "issuing", CLIENT_AUTH)

    def path(self, name: str) -> Path:
        return self.folder / name

    def read(self, *names: str) -> bytes:
        """The bytes of files, one behind the other."""
        return b"".join(self.path(name).read_bytes() for name in names)

    def write(self, name: str, data: bytes) -> Path:
        self.path(name).write_bytes(data)
        return self.path(name)

    def thumbprint(self, name: str) -> str:
        return x5t_s256(read_certificate(self.read(f"{name}.pem")))

    def key(self, name: str, algorithm: str = "EC -pkeyopt ec_paramgen_curve:P-256") -> None:
        self.openssl(f"genpkey -algorithm {algorithm} -out {name}.key")

    def certify(self, name: str, issuer: str, *extensions: str, key: str = "", algorithm: str = "") -> None:
        """A certificate of that name; with a key of its own unless one is named."""
        if not key:
            self.key(name, *([algorithm] if algorithm else []))
        self.write(f"{name}.ext", "\n".join(extensions).encode())
        self.openssl(f"req -new -key {key or name}.key -subj /O=Bank/CN={name} -out {name}.csr")
        signer = f"-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial" if issuer else f"-signkey {name}.key"
        self.openssl(f"x509 -req -in {name}.csr {signer} -days 30 -extfile {name}.ext -out {name}.pem")

    def certify_then(self, name: str, days_ago: int) -> None:
        """The leaf's key certified at another time, for 30 days."""
        issuing = Authority(read_private_key(self.read("issuing.key")), read_certificate(self.read("issuing.pem")))
        at = NOW - timedelta(days=days_ago)
        leaf = read_private_key(self.read("leaf.key"))
        made = issue(issuing, CLIENT, key=leaf, now=at, lifetime=timedelta(days=30))
        self.write(f"{name}.pem", write_pem([made.certificate]))

    def openssl(self, arguments: str) -> bytes:
        """Run openssl; ``PASS`` stands for the password."""
        words = [f"pass:{PASSWORD}" if word == "PASS" else word for word in arguments.split()]
        if words[0] == "req" and "-x509" in words:
            words += ["-subj", "/O=Bank/CN=root", "-days", "30"]
        return self._run(self._program("openssl"), *words)

    def keytool(self, arguments: str) -> bytes:
        """Run keytool; ``PASS`` stands for a password without a space."""
        return self._run(self._program("keytool"), "-noprompt", *arguments.replace("PASS", "changeit").split())

    def pkcs12(self, name: str, options: str = "-passout PASS", certificates: tuple[str, ...] = LINE[:3]) -> Path:
        """A PKCS#12 file of the leaf, by openssl."""
        self.write(f"{name}.all", self.read(*(f"{each}.pem" for each in certificates)))
        self.openssl(f"pkcs12 -export -in {name}.all -inkey leaf.key -name leaf -out {name} {options}")
        return self.path(name)

    def _run(self, *command: str) -> bytes:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, timeout=_SECONDS, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout
