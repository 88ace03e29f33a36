"""The change feed: has anything been committed since I last looked?"""

from typing import Protocol


class ChangeFeed(Protocol):
    """Looks at a store from outside its transactions; a look costs a few microseconds. Made by ``Store.feed``."""

    def changed(self) -> bool:
        """Whether there may be something new since the last call; true on the first, and on the first after an error.

        Raises:
            UnreadableStore: the store is missing or cannot be read.
            StoreUnreachable: its server does not answer.
        """

    def close(self) -> None:
        """Let go of the database."""
