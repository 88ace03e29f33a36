"""A home for tests: cheap to make, cheaper to copy, and with a clock that can be set."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from mutua.home.home import Home
from mutua.home.sealing import Cost

SERVER = "server"
"""The identity with which servers of tests answer to ``localhost`` and ``127.0.0.1``."""

_UNSAFE_PASSPHRASE = "anybody can read this"  # noqa: S105 -- it guards keys that live as long as a run of tests
_UNSAFE_COST = Cost(n=2)
"""The least that scrypt takes; a real home's costs 0.3 s each time it is opened to sign."""


class UnsafeHome(Home):
    """A home whose CA keys anybody could unseal, and whose clock can be set: for tests and nothing else."""

    _shift = timedelta()

    @classmethod
    def make(cls, path: Path, *, name: str = "mutua testing") -> "UnsafeHome":
        """Make one, with the server identity ``server``.

        Args:
            path: the folder; nothing may be there yet.
            name: the organization in the CA certificates.
        """
        made = cls.create(
            path, name=name, passphrase=_UNSAFE_PASSPHRASE, actor="mutua.testing", sealing_cost=_UNSAFE_COST
        )
        made.identities.save(SERVER, made.authority.issue_server("localhost", "127.0.0.1"))
        return cast("UnsafeHome", made)

    @classmethod
    def copy_of(cls, template: Path, path: Path) -> "UnsafeHome":
        """Copy a home that ``make`` has made and that nobody has open, and open the copy.

        Args:
            template: the folder of the one.
            path: the folder of the other; nothing may be there yet.
        """
        shutil.copytree(template, path, symlinks=True)
        return cast("UnsafeHome", cls.open(path, passphrase=_UNSAFE_PASSPHRASE, actor="mutua.testing"))

    def now(self) -> datetime:
        """The time of this home, UTC."""
        return super().now() + self._shift

    @contextmanager
    def at(self, shift: timedelta) -> Iterator[None]:
        """Set the clock of this home, though of no gate, for a while: what it issues then has other dates.

        Args:
            shift: what to add to the real time. No certificate begins before the CA's own, five minutes before the
                home was made.
        """
        before, self._shift = self._shift, shift
        try:
            yield
        finally:
            self._shift = before
