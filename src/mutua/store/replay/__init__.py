"""Replay: the events tell what every row of the registry and the inventory must be; each that differs is named.

The registry and the CAs are held in memory. Certificates are not: their ids are those of the events that tell of
them, so both are read side by side in that order. The events of mutua 0.1.0 lack some facts (see ``said``), and what
they lack is not compared; ``sightings`` are outside the trail.
"""

from mutua.store.replay.difference import Difference, Differences
from mutua.store.replay.history import replay

__all__ = ["Difference", "Differences", "replay"]
