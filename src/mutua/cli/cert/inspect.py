"""``mutua cert inspect``."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mutua.cli import complain
from mutua.cli.cert.comparison import tell_comparison
from mutua.cli.cert.description import Section, sections, summary
from mutua.cli.cert.holding import fetched, fetched_json, summary_of
from mutua.cli.exits import ExitCode, exit_code
from mutua.cli.options import json_option, password_from
from mutua.cli.output import data, facts, json_data, printable
from mutua.cli.passwords import asked_password
from mutua.doctor.identities import Holding, describe_holding, holding
from mutua.doctor.inspection import Description, inspect, subject_of
from mutua.errors import EncryptedKey, MutuaError, UnreadableFile
from mutua.pki.contents import MAX_CONTENTS_BYTES, Content, read_contents
from mutua.pki.dn import DistinguishedName
from mutua.tls.files import read_file

if TYPE_CHECKING:
    from mutua.outbound.intermediates import Attempt

STANDARD_INPUT = "-"


@click.command(name="inspect")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--compare", is_flag=True, help="Show where the subjects of two files differ.")
@click.option("--subject-dn", metavar="DN", help="Show where the subject of one file differs from this (RFC 4514).")
@click.option("--password-file", metavar="FILE", help="Opens encrypted keys and PKCS#12 files; asked for otherwise.")
@click.option("--fetch", is_flag=True, help="Fetch what is missing above a chain, from where the certificates say.")
@click.option("--allow-private", is_flag=True, help="With --fetch: addresses within one's own networks too.")
@json_option
def inspect_(
    files: tuple[str, ...],
    subject_dn: str | None,
    password_file: str | None,
    *,
    compare: bool,
    fetch: bool,
    allow_private: bool,
    as_json: bool,
) -> int:
    """Say what is in a file: certificates, requests, CRLs, keys, PKCS#12, PKCS#7, in PEM or DER.

    First comes what it is good for: whose identity, until when, whether it can authenticate a client, whether the chain
    is complete. FILE is '-' for standard input. Nothing is verified but a request's own signature, and no private key
    is shown.
    Of several files each is told of; exits with 3 when one of them cannot be read.

    A comparison is of subjects alone, as a client is matched by its name: of the leaf in each file, or of its request.
    It exits with 1 when they do not match.

    \b
    Examples:
      mutua cert inspect chain.pem
      mutua cert inspect bank.p12 --password-file password.txt
      mutua cert inspect bank.p12 --fetch
      mutua cert inspect request.csr crl.der partner.p7b --json
      mutua cert inspect - < chain.pem
      mutua cert inspect --compare old.pem new.pem
      mutua cert inspect partner.pem --subject-dn "CN=api.bank.example,O=Bank,C=BR"
    """
    password, now = password_from(password_file), datetime.now(UTC)
    if (allow_private and not fetch) or (fetch and (compare or subject_dn is not None)):
        raise click.UsageError("--allow-private goes with --fetch, and --fetch with no comparison.")
    if compare or subject_dn is not None:
        return _compare(files, subject_dn, password, as_json=as_json)
    told: list[dict[str, object]] = []
    result = ExitCode.OK
    for file in files:
        try:
            contents = _contents(file, password)
            found, held = inspect(contents, now), holding(contents)
        except MutuaError as error:
            # The error of a file that cannot be opened names it already.
            place = "" if isinstance(error, UnreadableFile) else f"{file}: "
            complain(f"{place}{error.message}", error.hint, f"docs/errors.md#{error.code}")
            told.append({"file": file, "error": error.code})
            result = exit_code(error)
            continue
        held, attempts = _completed(held, allow_private=allow_private) if fetch else (held, ())
        about = describe_holding(held, now) if held else None
        told.append({"file": file, "contents": found, "identity": about})
        if fetch:
            told[-1]["fetched"] = fetched_json(attempts)
        if not as_json:
            summed = [*summary_of(held, now), *fetched(attempts)] if held else []
            _tell(file, summed, found)
    if as_json:
        json_data(told)
    return result


def _completed(held: Holding | None, *, allow_private: bool) -> "tuple[Holding | None, tuple[Attempt, ...]]":
    from mutua.outbound.intermediates import complete_chain  # noqa: PLC0415 -- an HTTP client, which few need

    if held is None:
        return None, ()
    done = complete_chain(held.ordered.chain, held.ordered.root, allow_private=allow_private)
    return held.completed(done.chain, done.root), done.attempts


def _compare(files: tuple[str, ...], subject_dn: str | None, password: bytes | None, *, as_json: bool) -> int:
    if len(files) != (2 if subject_dn is None else 1):
        raise click.UsageError("Give two files with --compare, or one file with --subject-dn.")
    if subject_dn is not None:
        wanted = DistinguishedName.parse(subject_dn)
        return tell_comparison((files[0], "--subject-dn"), (_subject(files[0], password), wanted), as_json=as_json)
    names = (_subject(files[0], password), _subject(files[1], password))
    return tell_comparison((files[0], files[1]), names, as_json=as_json)


def _subject(file: str, password: bytes | None) -> DistinguishedName:
    try:
        return subject_of(_contents(file, password))
    except UnreadableFile:
        raise
    except MutuaError as error:
        raise type(error)(f"{file}: {error.message}", hint=error.hint) from None


def _contents(file: str, password: bytes | None) -> tuple[Content, ...]:
    content = _read(file)
    try:
        return read_contents(content, password)
    except EncryptedKey:
        asked = asked_password(printable(file)) if password is None and file != STANDARD_INPUT else None
        if asked is None:
            raise
        return read_contents(content, asked)


def _read(file: str) -> bytes:
    if file != STANDARD_INPUT:
        return read_file(file, MAX_CONTENTS_BYTES)
    content = sys.stdin.buffer.read(MAX_CONTENTS_BYTES + 1)
    if len(content) > MAX_CONTENTS_BYTES:
        raise UnreadableFile(f"there are more than {MAX_CONTENTS_BYTES} bytes", hint="give the file itself")
    return content


def _tell(file: str, summed: Section, found: list[Description]) -> None:
    data(f"{printable(file)}: {summary(found)}")
    for section in ([summed] if summed else []) + list(sections(found)):
        data()
        facts(section)
    data()
