"""A certificate of the inventory, as commands take and show it."""

from typing import Any

from mutua.cli.output import day
from mutua.home.home import Home
from mutua.store.inventory import CertificateRecord

THUMBPRINT_FIRST: dict[str, Any] = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""One base64url thumbprint in 64 begins with a hyphen, and then ``h`` in it would ask for help."""


def record_facts(record: CertificateRecord, home: Home) -> list[tuple[str, str]]:
    """For a person."""
    return [
        ("thumbprint", record.thumbprint),
        ("serial", record.serial),
        ("profile", record.profile),
        ("client", record.client or "-"),
        ("subject", record.subject),
        ("names", ", ".join(record.names)),
        ("issued by", record.authority),
        ("from", day(record.not_before)),
        ("until", day(record.not_after)),
        ("state", record.state(home.now()).value + (", since its CA is retired" if record.retired else "")),
    ]


def record_json(record: CertificateRecord, home: Home) -> dict[str, object]:
    """For a program."""
    return {
        "thumbprint": record.thumbprint,
        "serial": record.serial,
        "profile": record.profile,
        "client": record.client,
        "subject": record.subject,
        "names": list(record.names),
        "authority": record.authority,
        "not_before": record.not_before,
        "not_after": record.not_after,
        "issued_at": record.issued_at,
        "revoked_at": record.revoked_at,
        "reason": record.reason,
        "invalid_since": record.invalid_since,
        "shard": record.shard,
        "superseded": record.superseded,
        "state": record.state(home.now()).value,
    }
