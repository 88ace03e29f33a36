"""``mutua cert renew``."""

import sys
from pathlib import Path

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, day, facts, json_data, printable, talk
from mutua.errors import AlreadyExists, InvalidInput, RefusedRenewal
from mutua.home.files import PUBLIC_FILE, write_file
from mutua.home.home import Home
from mutua.pki.keys import KeyType, key_type_of, write_private_key
from mutua.pki.randomness import generate_key
from mutua.pki.requests import read_request, write_request
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.files import read_file
from mutua.tls.identity import Identity


@click.command()
@click.argument("identity", required=False)
@click.option("--same-key", is_flag=True, help="Keep the key; a new one is made when not given.")
@click.option("--statement", metavar="FILE", help="Renew by a statement that somebody else signed; - for stdin.")
@click.option("--ask", metavar="FILE", help="Write a statement for another authority instead of renewing here.")
@click.option("--new-key", metavar="FILE", help="With --ask: where the new key goes.")
@click.option("--out", metavar="FILE", help="With --statement: write the chain there instead of to stdout.")
@click.option(
    "--key-type",
    type=click.Choice([kind.value for kind in KeyType]),
    help="The kind of the new key; that of the old one when not given.",
)
@home_option
@json_option
def renew(
    home: Home,
    identity: str | None,
    statement: str | None,
    ask: str | None,
    new_key: str | None,
    out: str | None,
    key_type: str | None,
    *,
    same_key: bool,
    as_json: bool,
) -> None:
    """Renew a certificate: same names, client, profile and lifetime, and a new key unless --same-key is given.

    IDENTITY is one of the home's, and is replaced in one step. The old certificate works until its own end, or with
    revoke_superseded in mutua.toml until its grace time is over.
    A partner whose key is elsewhere sends a statement, signed with the old key; --ask makes one.

    \b
    Examples:
      mutua cert renew api.acme.example
      mutua cert renew woovi --same-key
      mutua cert renew woovi --ask renewal.jws --new-key new.pem
      mutua cert renew --statement renewal.jws --out woovi.pem
    """
    if (identity is None) == (statement is None):
        raise InvalidInput("give an identity or a statement", hint="mutua cert renew NAME")
    if statement is not None:
        _by_statement(home, _read(statement), out, as_json=as_json)
        return
    assert identity is not None
    path = home.identities.find(identity)
    current = Identity.load(path)
    kind = key_type_of(current.key.public_key()) if key_type is None else KeyType(key_type)
    key = current.key if same_key else generate_key(kind)
    text = _statement(home, current, write_request(key, ()))
    if ask is not None:
        if not same_key and new_key is None:
            raise InvalidInput("a new key has to go somewhere", hint="give --new-key FILE, or --same-key")
        _write_for_others(ask, text, None if same_key else new_key, write_private_key(key))
        return
    if path.parent != home.identities.folder:
        raise InvalidInput(
            f"{identity!r} is no identity of the home", hint="give --ask FILE to have it renewed where its CA is"
        )
    signed = home.renewal.by_statement(text)
    fresh = Identity(key, signed.chain)
    folder = home.identities.save(path.name, fresh, replace=True)
    if as_json:
        json_data({"identity": path.name, "thumbprint": fresh.thumbprint, "not_after": fresh.not_after})
    else:
        facts(
            [
                ("thumbprint", fresh.thumbprint),
                ("names", ", ".join(map(str, fresh.names))),
                ("until", day(fresh.not_after)),
                ("key", str(folder / "key.pem")),
                ("chain", str(folder / "chain.pem")),
            ]
        )


def _statement(home: Home, current: Identity, request: bytes) -> str:
    from mutua.pki.statements import write_statement  # noqa: PLC0415 -- JOSE loads slowly

    if len(current.chain) < 2:
        raise RefusedRenewal(
            "the identity does not hold the certificate of its CA", hint="put the CA's certificate behind its own"
        )
    audience = x5t_s256(current.chain[1])
    return write_statement(
        current.key, current.certificate, read_request(request).der, now=home.now(), audience=audience
    )


def _write_for_others(ask: str, text: str, new_key: str | None, key: bytes) -> None:
    if new_key is not None:
        if Path(new_key).exists():
            raise AlreadyExists(f"there is something at '{new_key}' already", hint="give another --new-key")
        write_file(Path(new_key), key)
    write_file(Path(ask), text.encode("ascii") + b"\n", mode=PUBLIC_FILE)
    talk(f"next:  within five minutes, where the authority is: mutua cert renew --statement {ask}")


def _read(statement: str) -> str:
    from mutua.pki.statements import MAX_STATEMENT_CHARACTERS  # noqa: PLC0415 -- JOSE loads slowly

    if statement == "-":
        raw = sys.stdin.buffer.read(MAX_STATEMENT_CHARACTERS + 1)
    else:
        raw = read_file(statement, MAX_STATEMENT_CHARACTERS + 1)
    return raw.decode("ascii", "replace").strip()


def _by_statement(home: Home, text: str, out: str | None, *, as_json: bool) -> None:
    signed = home.renewal.by_statement(text)
    if out is not None:
        write_file(Path(out), signed.pem(), mode=PUBLIC_FILE)
    if as_json:
        chain = signed.pem().decode() if out is None else None
        until = signed.certificate.not_valid_after_utc
        json_data({"thumbprint": signed.thumbprint, "not_after": until, "chain": chain, "file": out})
        return
    if out is None:
        data(signed.pem().decode().rstrip())
    for each in signed.dropped:
        talk(f"left out: {printable(each)}")
    talk(f"thumbprint {signed.thumbprint}, until {day(signed.certificate.not_valid_after_utc)}")
