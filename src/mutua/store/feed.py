"""The change feed of an SQLite file under its first name; ``Store.feed`` makes the one that a store needs."""

from mutua.store.sqlite import SqliteFeed as ChangeFeed

__all__ = ["ChangeFeed"]
