"""Why a client was refused: stable strings, only ever added to. Each has its own section in docs/reasons.md."""

from enum import StrEnum


class Reason(StrEnum):
    """The reasons of a refusal, as they stand in logs, metrics and ``--json``."""

    NO_CERTIFICATE = "no_certificate"
    UNKNOWN_ISSUER = "unknown_issuer"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_PURPOSE = "wrong_purpose"
    REVOKED = "revoked"
    UNKNOWN_CLIENT = "unknown_client"
    SUSPENDED = "suspended"
    NOT_GRANTED = "not_granted"
    WEAK_KEY = "weak_key"
    MALFORMED = "malformed"
    STALE_REGISTRY = "stale_registry"
    UNTRUSTED_FORWARDER = "untrusted_forwarder"
    HANDSHAKE_FAILED = "handshake_failed"
