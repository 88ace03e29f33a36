"""Findings: what is wrong, whose it is to mend, and how."""

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Who said no, or is at fault."""

    US = "us"
    SERVER = "server"
    NETWORK = "network"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: stable, such as ``certificate_required``.
        refused_by: whose refusal it is.
        summary: what happened, one line.
        cause: the most likely reason.
        remedy: what to do next.
    """

    code: str
    refused_by: Side
    summary: str
    cause: str
    remedy: str
