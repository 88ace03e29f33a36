"""What an enrolled identity remembers: who renews it, and since when it is there. It holds no secret."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from mutua.errors import MutuaError, UnreadableContents
from mutua.registry.clients import accepted_client_name
from mutua.registry.invitations import accepted_est_url

MAX_ENROLMENT_BYTES = 4096
"""An address of 512 characters, a name of 63 and a hash of 43, and as much again."""

_HASH_CHARACTERS = 43


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """Where an identity comes from.

    Attributes:
        url: of the EST server that renews it, without a path.
        client: whom it was issued for.
        invitation: the hash of the token it was enrolled with, to know that invitation again.
        obtained_at: when its certificate came here, UTC, by this machine's clock.
    """

    url: str
    client: str
    invitation: str
    obtained_at: datetime


def read_enrolment(data: bytes) -> Enrolment:
    """Read what ``write_enrolment`` has written.

    Raises:
        UnreadableContents: it is something else.
    """
    try:
        told = json.loads(data if len(data) <= MAX_ENROLMENT_BYTES else b"")
        if not isinstance(told, dict) or told.get("v") != 1:
            raise _unreadable("it is of no version that this mutua knows")
        invitation = told["invitation"]
        if not isinstance(invitation, str) or len(invitation) != _HASH_CHARACTERS:
            raise _unreadable("its invitation is none")
        moment = datetime.fromisoformat(told["obtained_at"])
        return Enrolment(
            url=accepted_est_url(told["url"]),
            client=accepted_client_name(told["client"]),
            invitation=invitation,
            obtained_at=moment.astimezone(UTC),
        )
    except UnreadableContents:
        raise
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise _unreadable(type(error).__name__) from None
    except MutuaError as error:
        raise _unreadable(error.message) from None


def write_enrolment(enrolment: Enrolment) -> bytes:
    """JSON, one line."""
    told = {
        "v": 1,
        "url": enrolment.url,
        "client": enrolment.client,
        "invitation": enrolment.invitation,
        "obtained_at": enrolment.obtained_at.isoformat(),
    }
    return json.dumps(told).encode() + b"\n"


def _unreadable(why: str) -> UnreadableContents:
    return UnreadableContents(f"that tells of no enrolment: {why}", hint="enrol anew: mutua enroll INVITATION --force")
