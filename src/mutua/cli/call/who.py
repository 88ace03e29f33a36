"""Who calls, and whom they believe: from a home, from files, or from what the system believes."""

from pathlib import Path

from mutua.cli.options import password_from
from mutua.cli.output import printable
from mutua.cli.passwords import asked_password
from mutua.errors import EncryptedKey, InvalidInput
from mutua.home.home import Home
from mutua.home.identities import Identities
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust


def identity_from(
    name: str | None, key: str | None, password_file: str | None, folder: Path
) -> tuple[Identity | None, bool]:
    """The identity, and whether it is one of the home's.

    Args:
        name: an identity of the home, a file or a folder; ``None`` for nobody.
        key: the file of its key, where it is apart.
        password_file: opens what is encrypted; where there is none, somebody at a terminal is asked.
        folder: the home. It need not be there: a call with what a bank sent needs no registry.

    Raises:
        InvalidInput: a key or password of nobody. UnknownIdentity: there is none. Unreadable: it cannot be read.
    """
    if name is None:
        if key is not None or password_file is not None:
            raise InvalidInput("--key and --password-file need --identity", hint="give --identity FILE")
        return None, False
    identities = Identities(folder / "identities")
    path = identities.find(name)
    return _load(path, key, password_from(password_file)), path.is_relative_to(identities.folder)


def _load(path: Path, key: str | None, password: bytes | None) -> Identity:
    source, apart = path, None if key is None else Path(key)
    try:
        return Identity.load(source, key=apart, password=password)
    except EncryptedKey:
        asked = asked_password(printable(key or str(path))) if password is None else None
        if asked is None:
            raise
        return Identity.load(source, key=apart, password=asked)


def trust_from(text: str | None, folder: Path, *, is_of_home: bool) -> Trust:
    """What ``--trust`` says; without it, the home's for an identity of the home, and the system's otherwise.

    Raises:
        HomeNotFound: the home's was asked for. Unreadable: the bundle cannot be read.
    """
    if text == "home" or (text is None and is_of_home):
        with Home.open(folder) as home:
            return home.trust
    return Trust.system() if text in {None, "system"} else Trust.load(str(text))
