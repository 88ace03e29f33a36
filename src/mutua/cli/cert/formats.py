"""The formats of ``mutua cert export``: what each can hold, and how it is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from mutua.cli.cert.source import Source
from mutua.cli.passwords import given_password, new_password
from mutua.errors import InvalidInput
from mutua.pki.certificates import write_der, write_pem
from mutua.pki.keys import PrivateKey, write_private_key
from mutua.pki.kubernetes import write_tls_secret
from mutua.pki.pkcs7 import write_pkcs7
from mutua.pki.pkcs12 import write_pkcs12


class WithKey(Enum):
    """Whether a private key is in a file of the format."""

    ALWAYS = auto()
    NEVER = auto()
    ON_REQUEST = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for besides the format.

    Attributes:
        with_key: whether the private key goes in.
        password_file: where the password that protects it is.
        name: the friendly name, or the name of the Secret.
        compatible: whether old programs must be able to read it.
    """

    with_key: bool
    password_file: str | None = None
    name: str | None = None
    compatible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format.

    Attributes:
        ending: of its files.
        key: whether a private key is in it.
        options: of those that not every format knows, the ones that mean something for it.
        write: makes the file's bytes, and says whether a key in it is encrypted.
    """

    ending: str
    key: WithKey
    options: frozenset[str] = field(default=frozenset())
    write: Callable[[Source, Wish], tuple[bytes, bool]]


def wish_for(kind: str, with_key: bool | None, given: Mapping[str, str | bool | None]) -> Wish:  # noqa: FBT001 -- three values
    """What was asked for, once it makes sense for the format.

    Args:
        kind: the format's name.
        with_key: ``None`` where nothing was said.
        given: the options that not every format knows, with their values.

    Raises:
        InvalidInput: it makes none.
    """
    form = FORMATS[kind]
    for option, value in given.items():
        if value and option not in form.options:
            raise InvalidInput(f"{option} means nothing with --format {kind}", hint="mutua cert export --help")
    if form.key is WithKey.ALWAYS and with_key is False:
        raise InvalidInput(f"--format {kind} needs the private key", hint="--format pem or p7b for certificates only")
    if form.key is WithKey.NEVER and with_key:
        raise InvalidInput(f"--format {kind} holds no private key", hint="--format p12, or --format pem --with-key")
    wish = Wish(
        with_key=form.key is WithKey.ALWAYS or bool(with_key),
        password_file=_text(given.get("--password-file")),
        name=_text(given.get("--name")),
        compatible=bool(given.get("--compatible")),
    )
    if wish.password_file is not None and not wish.with_key:
        raise InvalidInput("--password-file protects a key, and there is none to write", hint="add --with-key")
    return wish


def _text(value: str | bool | None) -> str | None:  # noqa: FBT001 -- an option's value
    return value if isinstance(value, str) else None


def _pem(source: Source, wish: Wish) -> tuple[bytes, bool]:
    chain = write_pem(source.chain)
    if not wish.with_key:
        return chain, False
    password = given_password(wish.password_file)
    return write_private_key(_key_of(source), password) + chain, password is not None


def _der(source: Source, _wish: Wish) -> tuple[bytes, bool]:
    return write_der(source.chain[0]), False


def _p7b(source: Source, _wish: Wish) -> tuple[bytes, bool]:
    return write_pkcs7(source.chain), False


def _p12(source: Source, wish: Wish) -> tuple[bytes, bool]:
    key, name = _key_of(source), source.name if wish.name is None else wish.name
    password = new_password(wish.password_file)
    content = write_pkcs12(key, source.chain, password=password, friendly_name=name, compatible=wish.compatible)
    return content, True


def _kubernetes(source: Source, wish: Wish) -> tuple[bytes, bool]:
    name = source.name.lower() if wish.name is None else wish.name
    return write_tls_secret(name, _key_of(source), source.chain, source.ca), False


def _key_of(source: Source) -> PrivateKey:
    assert source.key is not None  # the command has asked
    return source.key


FORMATS = {
    "pem": Format(ending=".pem", key=WithKey.ON_REQUEST, options=frozenset({"--password-file"}), write=_pem),
    "der": Format(ending=".der", key=WithKey.NEVER, write=_der),
    "p12": Format(
        ending=".p12",
        key=WithKey.ALWAYS,
        options=frozenset({"--password-file", "--name", "--compatible"}),
        write=_p12,
    ),
    "p7b": Format(ending=".p7b", key=WithKey.NEVER, write=_p7b),
    "kubernetes": Format(ending=".yaml", key=WithKey.ALWAYS, options=frozenset({"--name", "--ca"}), write=_kubernetes),
}
