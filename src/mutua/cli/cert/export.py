"""``mutua cert export``."""

import errno
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click

from mutua.cli.cert.formats import FORMATS, Wish, wish_for
from mutua.cli.cert.record import THUMBPRINT_FIRST
from mutua.cli.cert.source import Source, find_source
from mutua.cli.options import json_option, password_from
from mutua.cli.output import day, facts, json_data, talk
from mutua.cli.passwords import EXPORT_VARIABLE
from mutua.errors import AlreadyExists, DiskFull, InvalidInput, UnreadableFile
from mutua.home.files import write_file
from mutua.home.home import DEFAULT_FOLDER
from mutua.pki.certificates import MAX_BUNDLE_BYTES, names_of, read_certificates
from mutua.pki.chain_order import in_order
from mutua.pki.dn import DistinguishedName
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.files import read_file

STANDARD_OUTPUT = "-"

_THUMBPRINT_FIRST = {**THUMBPRINT_FIRST, "help_option_names": ["--help"]}
"""Without -h, which click would find in the middle of a thumbprint that begins with a hyphen."""


@click.command(context_settings=_THUMBPRINT_FIRST)
@click.argument("source", metavar="SOURCE")
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), required=True, help="What to write.")
@click.option(
    "--out", metavar="FILE", help="Where to; '-' is stdout. SOURCE's name with the format's ending otherwise."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--with-key/--cert-only", default=None, help="With pem: whether the private key goes in; it does not.")
@click.option(
    "--name", metavar="TEXT", help="With p12: the friendly name, Java's alias. With kubernetes: the Secret's."
)
@click.option(
    "--compatible", is_flag=True, help="With p12: weak encryption, for Java, Windows and GnuTLS of before 2018."
)
@click.option("--ca", metavar="FILE", help="With kubernetes: the CAs for ca.crt; the home's for what is from there.")
@click.option("--password-file", metavar="FILE", help=f"Protects the key; {EXPORT_VARIABLE} or a prompt otherwise.")
@click.option("--key", metavar="FILE", help="The private key, where it is not in SOURCE's file.")
@click.option("--source-password-file", metavar="FILE", help="Opens SOURCE, or --key, where it is encrypted.")
@click.option("--fetch", is_flag=True, help="Fetch what is missing above the chain, from where its certificates say.")
@click.option("--allow-private", is_flag=True, help="With --fetch: addresses within one's own networks too.")
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", help="The home; ./.mutua when not given.")
@json_option
def export(
    source: str,
    kind: str,
    out: str | None,
    name: str | None,
    ca: str | None,
    password_file: str | None,
    key: str | None,
    source_password_file: str | None,
    folder: str | None,
    *,
    force: bool,
    with_key: bool | None,
    compatible: bool,
    fetch: bool,
    allow_private: bool,
    as_json: bool,
) -> None:
    """Write a certificate, with or without its key, in the format that somebody takes.

    SOURCE is an identity of the home, a file in any format, or the start of a thumbprint in the inventory, of which
    mutua has no key. Files are written with mode 0600 and never replaced without --force. A key goes to stdout only
    with '--out -'.

    \b
    Examples:
      mutua cert export woovi --format p12
      mutua cert export woovi --format p12 --compatible --name acme --password-file password.txt
      mutua cert export bank.crt --key bank.key --format p12
      mutua cert export bank.p12 --format pem --with-key
      mutua cert export bank.p12 --format p12 --fetch --out complete.p12
      mutua cert export Q3LFby --format p7b
      mutua cert export api.acme.example --format kubernetes
    """
    given = {"--name": name, "--compatible": compatible, "--ca": ca, "--password-file": password_file}
    if allow_private and not fetch:
        raise click.UsageError("--allow-private goes with --fetch.")
    wish = wish_for(kind, with_key, given)
    found = find_source(source, Path(folder or DEFAULT_FOLDER), key=key, password=password_from(source_password_file))
    if ca is not None:
        found = replace(found, ca=read_certificates(read_file(ca, MAX_BUNDLE_BYTES)))
    if wish.with_key and found.key is None:
        raise _no_key(found, kind)
    if fetch:
        found = _completed(found, allow_private=allow_private)
    if out == STANDARD_OUTPUT:
        if as_json:
            raise InvalidInput("--out - and --json both go to stdout", hint="give --out FILE")
        sys.stdout.buffer.write(FORMATS[kind].write(found, wish)[0])
        sys.stdout.buffer.flush()
        return
    path = Path(out or found.name + FORMATS[kind].ending)
    _require_free(path, force=force)
    content, encrypted = FORMATS[kind].write(found, wish)
    _write(path, content)
    _tell(path, found, wish, kind, encrypted=encrypted, as_json=as_json)


def _completed(source: Source, *, allow_private: bool) -> Source:
    from mutua.outbound.intermediates import (  # noqa: PLC0415 -- an HTTP client, which few need
        complete_chain,
        require_intermediates,
    )

    ordered = in_order(source.chain[0], source.chain)
    done = complete_chain(ordered.chain, ordered.root, allow_private=allow_private)
    require_intermediates(done)
    return replace(source, chain=done.chain)


def _no_key(source: Source, kind: str) -> InvalidInput:
    if source.holder is not None:
        hint = f"mutua cert export {source.holder} --format {kind}"
    elif source.of_inventory:
        hint = "whoever made the request has it; --format pem or p7b for the certificate without it"
    else:
        hint = "give the key's file with --key"
    return InvalidInput(f"there is no private key of '{source.name}' here, and --format {kind} needs it", hint=hint)


def _require_free(path: Path, *, force: bool) -> None:
    if os.path.lexists(path) and not force:
        raise AlreadyExists(f"'{path}' is there already", hint="give --force to replace it, or another --out FILE")


def _write(path: Path, content: bytes) -> None:
    try:
        write_file(path, content)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(f"there is no room for '{path}'", hint="make room, and try again") from None
        raise UnreadableFile(f"'{path}' cannot be written: {error.strerror}", hint="give another --out FILE") from None


def _tell(path: Path, source: Source, wish: Wish, kind: str, *, encrypted: bool, as_json: bool) -> None:
    leaf = source.chain[0]
    if as_json:
        json_data(
            {
                "file": str(path),
                "format": kind,
                "thumbprint": x5t_s256(leaf),
                "not_after": leaf.not_valid_after_utc,
                "certificates": 1 if kind == "der" else len(source.chain),
                "has_key": wish.with_key,
                "encrypted": encrypted,
            }
        )
        return
    protected = "encrypted" if encrypted else "NOT encrypted"
    facts(
        [
            ("file", str(path)),
            ("certificate", str(DistinguishedName.of(leaf.subject)) or ", ".join(map(str, names_of(leaf)))),
            ("thumbprint", x5t_s256(leaf)),
            ("until", day(leaf.not_valid_after_utc)),
            ("private key", protected if wish.with_key else "not in it"),
        ]
    )
    talk()
    if wish.compatible:
        talk("note:  this encryption is weak: send the file as you would send the key itself")
    if wish.with_key and not encrypted:
        talk("note:  whoever can read the file has the key")
    if kind == "kubernetes":
        talk(f"next:  kubectl apply -f {shlex.quote(str(path))}")
    else:
        talk(f"next:  mutua cert inspect {shlex.quote(str(path))}")
