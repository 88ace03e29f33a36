"""A CA, as commands show it."""

from mutua.cli.output import day
from mutua.home.keys import TOKEN_URI
from mutua.pki.certificates import common_name
from mutua.pki.dn import DistinguishedName
from mutua.pki.keys import accepted_public_key, describe_key
from mutua.pki.thumbprints import x5t_s256
from mutua.store.authorities import AuthorityRecord


def key_place(record: AuthorityRecord) -> str:
    """Where its key is, in a word."""
    if record.key is None:
        return "offline"
    return "token" if record.key.startswith(TOKEN_URI) else "store"


def authority_facts(record: AuthorityRecord) -> list[tuple[str, str]]:
    """For a person."""
    return [
        ("CA", record.id),
        ("name", common_name(record.certificate.subject)),
        ("purpose", record.purpose.value),
        ("state", record.state.value),
        ("below", record.parent or "-"),
        ("key", f"{describe_key(accepted_public_key(record.certificate.public_key()))}, {key_place(record)}"),
        ("until", day(record.certificate.not_valid_after_utc)),
        ("thumbprint", x5t_s256(record.certificate)),
    ]


def authority_json(record: AuthorityRecord) -> dict[str, object]:
    """For a program."""
    return {
        "id": record.id,
        "profile": record.profile,
        "subject": str(DistinguishedName.of(record.certificate.subject)),
        "purpose": record.purpose.value,
        "state": record.state.value,
        "parent": record.parent,
        "key": key_place(record),
        "key_type": describe_key(accepted_public_key(record.certificate.public_key())),
        "not_before": record.certificate.not_valid_before_utc,
        "not_after": record.certificate.not_valid_after_utc,
        "thumbprint": x5t_s256(record.certificate),
    }
