"""What ``mutua call`` prints: the answer as data, everything else as talk."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from mutua.cli.output import day, printable, talk
from mutua.doctor.findings import Finding
from mutua.errors import AlreadyExists, InvalidInput
from mutua.home.files import write_file
from mutua.outbound.call import CallResult
from mutua.outbound.messages import MAX_BODY_BYTES, Answer, Request
from mutua.pki.dn import DistinguishedName
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.identity import Identity

STANDARD_OUTPUT = "-"

HARMLESS = {
    *("accept", "accept-encoding", "accept-language", "cache-control", "content-length", "content-type", "date"),
    *("host", "if-match", "if-none-match", "range", "user-agent"),
}
"""Headers whose values ``-v`` shows. Any other may hold a token, whatever it is called."""


@dataclass(frozen=True, slots=True)
class Output:
    """What the options say about the answer.

    Attributes:
        out: a file to write instead of stdout; ``-`` is stdout, too.
        include: whether the headers are printed.
        force: whether the file may be there already.
        fail: whether nothing is printed of an answer of 400 and above.
        verbose, timing: what is talked about.

    Raises:
        InvalidInput: the file has no name.
        AlreadyExists: the file to write is there, and nobody said that it may be replaced.
    """

    out: str | None
    include: bool
    force: bool
    fail: bool
    verbose: bool
    timing: bool

    def __post_init__(self) -> None:
        if self.out == "":
            raise InvalidInput("--out needs the name of a file", hint="leave it out for stdout")
        if self.out == STANDARD_OUTPUT:
            object.__setattr__(self, "out", None)
        elif self.out is not None and os.path.lexists(self.out) and not self.force:
            hint = "give --force to replace it, or another --out FILE"
            raise AlreadyExists(f"'{self.out}' is there already, and nothing was sent", hint=hint)

    def save(self, result: CallResult) -> None:
        """Write the file of ``--out``, mode 0600: an answer may say what is nobody else's business.

        Raises:
            DiskFull, UnreadableFile: it cannot be written.
        """
        if self.out is not None and result.answer is not None and self._is_wanted(result.answer):
            write_file(Path(self.out), self._content(result.answer))

    def tell(self, result: CallResult, findings: tuple[Finding, ...], who: Identity | None, request: Request) -> None:
        """Print the answer, and talk about what came of the call."""
        if self.verbose:
            _tell_request(request)
            _tell_tls(result, who)
        if self.verbose or self.timing:
            talk("timing: " + _timing(result))
        if result.answer is not None:
            self._tell_answer(result, result.answer, who)
        for finding in findings:
            talk(f"refused by {finding.refused_by.value}: {printable(finding.summary)} [{finding.code}]")
            talk(f"  cause:  {printable(finding.cause)}")
            talk(f"  remedy: {printable(finding.remedy)}")

    def _tell_answer(self, result: CallResult, answer: Answer, who: Identity | None) -> None:
        shown = f" as {who.thumbprint}" if who else " without a certificate"
        talk(f"{printable(f'{answer.status} {answer.reason}'.strip())}  {result.tls.version}{shown}")
        location = next((value for name, value in answer.headers if name.lower() == "location"), None)
        if 300 <= answer.status < 400 and location is not None:
            talk(f"not followed, for an identity should not wander: {printable(location)}")
        if answer.truncated:
            talk(f"the answer is longer than {MAX_BODY_BYTES >> 20} MiB; the rest was not read")
        if self.out is None and self._is_wanted(answer):
            _print(self._content(answer))

    def _is_wanted(self, answer: Answer) -> bool:
        return not (self.fail and answer.status >= 400)

    def _content(self, answer: Answer) -> bytes:
        return (_head(answer) if self.include else b"") + answer.body


def _head(answer: Answer) -> bytes:
    lines = [f"{answer.http_version} {answer.status} {answer.reason}".rstrip()]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1", "replace")


def _print(content: bytes) -> None:
    """As it is, into a pipe; on a terminal with everything escaped that could move its cursor."""
    if not _is_terminal():
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    lines = content.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    shown = "\n".join("\t".join(map(printable, line.split("\t"))) for line in lines)
    sys.stdout.write(shown if shown.endswith("\n") or not shown else shown + "\n")
    sys.stdout.flush()


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _tell_request(request: Request) -> None:
    for name, value in request.headers:
        talk(f"header: {name}: {value if name.lower() in HARMLESS else '(not shown)'}")


def _tell_tls(result: CallResult, who: Identity | None) -> None:
    tls = result.tls
    if tls.version:
        talk(f"tls:    {tls.version}, {tls.suite}, {f'ALPN {printable(tls.alpn)}' if tls.alpn else 'no ALPN'}")
    _tell_chain("the server sent", tls.received)
    if tls.verified:
        _tell_chain("verified up to", tls.verified[-1:])
    if tls.presented and who is not None:
        _tell_chain("we sent", who.chain)
    elif tls.received:
        asked = "the server asked for a certificate" if tls.asked else "the server did not ask for a certificate"
        talk(f"we sent: none; {asked}")


def _tell_chain(heading: str, chain: tuple[x509.Certificate, ...]) -> None:
    if not chain:
        return
    talk(f"{heading}:")
    for each in chain:
        name = str(DistinguishedName.of(each.subject)) or "(no subject)"
        talk(f"  {printable(name)}  until {day(each.not_valid_after_utc)}  {x5t_s256(each)}")


def _timing(result: CallResult) -> str:
    took = result.timing
    steps = {
        "DNS": took.resolve,
        "TCP": took.connect,
        "TLS": took.tls,
        "verdict": took.verdict,
        "first byte": took.first_byte,
        "total": took.total,
    }
    return ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in steps.items() if seconds is not None)
