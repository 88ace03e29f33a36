"""Identities on disk: ``identities/NAME/key.pem`` and ``chain.pem``, replaced together or not at all.

``identities/NAME`` is a symbolic link to a folder that is never changed once it is written, so that
renewing is one rename: no reader and no crash finds a key with another key's certificate.
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mutua.errors import AlreadyExists, InvalidInput, UnknownIdentity
from mutua.home.files import PRIVATE_DIRECTORY, PUBLIC_FILE, alone, refusals, sync_directory, write_file
from mutua.tls.identity import CHAIN_FILE, KEY_FILE, Identity

_NAME = re.compile(r"[a-z0-9*]([a-z0-9._-]{0,251}[a-z0-9])?")
_VERSIONS = ".versions"
_LINK = "link"
_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class Identities:
    """The identities of a home, by name.

    Args:
        folder: ``identities`` in the home.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where the identity's ``key.pem`` and ``chain.pem`` are, or will be.

        Raises:
            InvalidInput: the name cannot be a folder's.
        """
        if not _NAME.fullmatch(name) or ".." in name:
            raise InvalidInput(f"{name[:80]!r} cannot name an identity", hint="use lower-case letters, digits, . _ -")
        return self.folder / name

    def versions(self, name: str) -> Path:
        """Where the versions of an identity are, the newest and the one before."""
        return self.folder / _VERSIONS / name

    def save(
        self, name: str, identity: Identity, *, replace: bool = False, beside: Mapping[str, bytes] = _NOTHING
    ) -> Path:
        """Write an identity, key 0600, both files together.

        Args:
            name: lower-case letters, digits, dots, hyphens, underscores.
            identity: what to write.
            replace: whether one of that name may be there already.
            beside: other files that are replaced with them, by name; readable for everybody who gets into the folder.

        Returns:
            The folder with ``key.pem`` and ``chain.pem``.

        Raises:
            AlreadyExists: it is there and ``replace`` was not given; nothing was touched.
            DiskFull, UnreadableFile: it cannot be written; one that was there stays.
        """
        link = self.path(name)
        with refusals(link):
            return self._save(link, identity, replace=replace, beside=beside)

    def _save(self, link: Path, identity: Identity, *, replace: bool, beside: Mapping[str, bytes]) -> Path:
        name, versions = link.name, self.versions(link.name)
        for folder in (self.folder, versions.parent, versions):
            folder.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        with alone(versions):
            if os.path.lexists(link) and not (replace and link.is_symlink()):
                hint = "give --force to replace it" if link.is_symlink() else f"not made by mutua: ls -la '{link}'"
                raise AlreadyExists(f"the identity {name!r} is there already", hint=hint)
            version = versions / os.urandom(8).hex()
            version.mkdir(mode=PRIVATE_DIRECTORY)
            previous = link.resolve().name if link.is_symlink() else ""
            try:
                write_file(version / KEY_FILE, identity.key_pem())
                write_file(version / CHAIN_FILE, identity.chain_pem(), mode=PUBLIC_FILE)
                for file, data in beside.items():
                    write_file(version / file, data, mode=PUBLIC_FILE)
                sync_directory(versions)
                fresh = version / _LINK
                fresh.symlink_to(Path(_VERSIONS) / name / version.name)
                fresh.replace(link)
            except BaseException:
                if link.resolve() != version.resolve():
                    shutil.rmtree(version, ignore_errors=True)  # a key that nobody will use
                raise
            sync_directory(self.folder)
            # The one before stays: a reader may still have it open.
            for old in versions.iterdir():
                if old.name not in {version.name, previous}:
                    shutil.rmtree(old, ignore_errors=True)
        return link

    def load(self, name: str) -> Identity:
        """Read an identity.

        Raises:
            UnknownIdentity: there is none of that name.
            UnreadableKey, UnreadableCertificate, KeyMismatch: it is damaged.
        """
        path = self.path(name)
        if not path.is_dir():
            known = ", ".join(self.names()) or "none yet"
            raise UnknownIdentity(
                f"there is no identity {name!r} in this home ({known})", hint=f"mutua cert issue server {name}"
            )
        return Identity.load(path)

    def find(self, name_or_path: str | os.PathLike[str]) -> Path:
        """Where an identity is that was named on a command line: one of this home's before a file of that name.

        Raises:
            UnknownIdentity: neither is there.
        """
        text = os.fspath(name_or_path)
        if os.path.sep not in text and _NAME.fullmatch(text) and (self.folder / text).is_dir():
            return self.folder / text
        if os.path.exists(text):  # noqa: PTH110 -- Path.exists raises for names that are too long
            return Path(text)
        known = ", ".join(self.names()) or "none yet"
        raise UnknownIdentity(
            f"there is no identity {text!r}, neither in this home ({known}) nor as a file",
            hint="mutua cert issue server NAME",
        )

    def names(self) -> list[str]:
        """The names of all identities, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(entry.name for entry in self.folder.iterdir() if not entry.name.startswith("."))
