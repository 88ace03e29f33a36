"""curl, wget and ``openssl s_client``: one process for each call."""

import os
import re
import subprocess
from abc import abstractmethod
from pathlib import Path
from urllib.parse import urlsplit

from mutua.cli.demo.clients.client import CALL_SECONDS, Call, Client
from mutua.cli.demo.seeing import Sight, answered, in_words

_STATUS = re.compile(r"^\s*HTTP/(?:1\.[01]|2) (\d{3})", re.MULTILINE)


def environment(folder: Path) -> dict[str, str]:
    """As little as a program needs: no proxies, no settings of the user's, messages in English."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C"}


class Program(Client):
    """A program that makes one call and ends.

    Args:
        path: of the executable.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @abstractmethod
    def arguments(self, call: Call) -> list[str]:
        """Its command line, without the program."""

    def given(self, call: Call) -> str:  # noqa: ARG002 -- for those that read the request
        """What it reads from stdin."""
        return ""

    def get(self, call: Call) -> Sight:
        try:
            done = subprocess.run(  # noqa: S603 -- a list, with paths and URLs of our own making
                [self.path, *self.arguments(call)],
                input=self.given(call),
                env=environment(call.no_anchors),
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=CALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Sight("error", f"{self.name} did not end within {CALL_SECONDS} s")
        words = f"{done.stdout}\n{done.stderr}".strip()
        if match := _STATUS.search(words):
            return answered(int(match.group(1)))
        return in_words(f"{words}\n(exit code {done.returncode})")


class Curl(Program):
    name = "curl"

    def arguments(self, call: Call) -> list[str]:
        identity = call.actor and ["--cert", str(call.actor.chain_file), "--key", str(call.actor.key_file)]
        trust = ["--cacert", str(call.ca_file), "--capath", str(call.no_anchors)]
        only = [f"--tlsv{call.tls_version}", "--tls-max", call.tls_version] if call.tls_version else []
        return ["-q", "-sS", "-i", "--noproxy", "*", *only, *trust, *(identity or []), call.url]


class Wget(Program):
    name = "wget"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        version = subprocess.run(  # noqa: S603 -- a path that was searched for
            [path, "--version"], capture_output=True, text=True, timeout=CALL_SECONDS, check=False
        )
        self._has_gnutls = "+ssl/gnutls" in version.stdout

    def arguments(self, call: Call) -> list[str]:
        identity = call.actor and [f"--certificate={call.actor.chain_file}", f"--private-key={call.actor.key_file}"]
        trust = [f"--ca-certificate={call.ca_file}", f"--ca-directory={call.no_anchors}", *self._only(call)]
        quiet = ["--no-config", "--no-proxy", "--no-hsts", "--tries=1", f"--timeout={CALL_SECONDS}", "-S", "-O", "-"]
        return [*quiet, *trust, *(identity or []), call.url]

    def _only(self, call: Call) -> list[str]:
        if self._has_gnutls:
            # TLS 1.2 unless somebody insists, for what `cases.TLS12_ALERTS` says.
            return [f"--ciphers=NORMAL:-VERS-TLS-ALL:+VERS-TLS{call.tls_version or '1.2'}"]
        return [f"--secure-protocol=TLSv{call.tls_version.replace('.', '_')}"] if call.tls_version else []


class OpenSsl(Program):
    name = "openssl"

    def arguments(self, call: Call) -> list[str]:
        identity = call.actor and [
            *("-cert", str(call.actor.chain_file), "-cert_chain", str(call.actor.chain_file)),
            *("-key", str(call.actor.key_file)),
        ]
        host = urlsplit(call.url).hostname or ""
        trust = ["-CAfile", str(call.ca_file), "-no-CApath", "-no-CAstore", "-verify_return_error", "-verify_ip", host]
        return ["s_client", "-quiet", "-connect", urlsplit(call.url).netloc, *trust, *(identity or [])]

    def given(self, call: Call) -> str:
        url = urlsplit(call.url)
        return f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
