"""The cast of a run of tests: one home, copied for each test, and everybody who comes to its door."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mutua.testing import identities
from mutua.testing.home import UnsafeHome
from mutua.tls.identity import Identity

_PLAYERS = (
    identities.known,
    identities.stranger,
    identities.expired,
    identities.not_yet_valid,
    identities.wrong_purpose,
    identities.revoked,
    identities.suspended,
    identities.outside_grant,
    identities.unregistered,
)


@dataclass(frozen=True, slots=True, repr=False)
class Cast:
    """Made once; a copy costs as much as copying a few small files.

    Attributes:
        template: the folder of the home.
        identities: who there is, by the name of the function that makes them.
    """

    template: Path
    identities: Mapping[str, Identity]

    @classmethod
    def make(cls, template: Path) -> "Cast":
        """Make the home and everybody in it.

        Args:
            template: the folder; nothing may be there yet.
        """
        with UnsafeHome.make(template) as home:
            made = {player.__name__: player(home) for player in _PLAYERS}
        return cls(template, MappingProxyType(made))

    def home(self, path: Path) -> UnsafeHome:
        """A copy of the home, open; whoever asks closes it.

        Args:
            path: the folder; nothing may be there yet.
        """
        return UnsafeHome.copy_of(self.template, path)
