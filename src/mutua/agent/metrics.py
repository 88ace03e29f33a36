"""What Prometheus learns of identities. Their names come from the operator's own settings."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from mutua.agent.status import IdentityStatus
from mutua.inbound.seen.exposition import Family, Sample, exposition

Value = Callable[[IdentityStatus, datetime], float | None]

_FAMILIES: tuple[tuple[str, str, str, Value], ...] = (
    (
        "mutua_agent_days_to_expiry",
        "gauge",
        "Days until the certificate ends; negative afterwards.",
        lambda each, now: None if each.not_after is None else (each.not_after - now) / timedelta(days=1),
    ),
    (
        "mutua_agent_not_after_timestamp_seconds",
        "gauge",
        "When the certificate ends.",
        lambda each, _: None if each.not_after is None else each.not_after.timestamp(),
    ),
    (
        "mutua_agent_last_success_timestamp_seconds",
        "gauge",
        "When the authority was last asked with success.",
        lambda each, _: None if each.succeeded_at is None else each.succeeded_at.timestamp(),
    ),
    (
        "mutua_agent_renewals_total",
        "counter",
        "Renewals that succeeded.",
        lambda each, _: each.renewals if each.renewed else None,
    ),
    (
        "mutua_agent_renewal_failures_total",
        "counter",
        "Renewals that failed.",
        lambda each, _: each.failed if each.renewed else None,
    ),
    (
        "mutua_agent_failures_in_a_row",
        "gauge",
        "Renewals that have failed since the last that succeeded.",
        lambda each, _: each.failures if each.renewed else None,
    ),
    (
        "mutua_agent_hook_failures_in_a_row",
        "gauge",
        "Runs of the hooks that have failed since the last that succeeded.",
        lambda each, _: each.hook_failures,
    ),
    (
        "mutua_agent_readable",
        "gauge",
        "1 if the identity can be read.",
        lambda each, _: int(each.not_after is not None),
    ),
)


def metrics(statuses: Sequence[IdentityStatus], now: datetime) -> str:
    """The text that Prometheus scrapes."""
    return exposition(_family(name, kind, said, value, statuses, now) for name, kind, said, value in _FAMILIES)


def _family(name: str, kind: str, said: str, value: Value, statuses: Sequence[IdentityStatus], now: datetime) -> Family:
    found = [(each.name, value(each, now)) for each in statuses]
    return Family(name, kind, said, [Sample([("identity", who)], what) for who, what in found if what is not None])
