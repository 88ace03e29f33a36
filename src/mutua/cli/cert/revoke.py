"""``mutua cert revoke``."""

from datetime import UTC, datetime

import click

from mutua.cli.cert.record import THUMBPRINT_FIRST, record_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data
from mutua.home.home import Home
from mutua.pki.crl import RevocationReason

REASONS = [each.value for each in RevocationReason]


@click.command(context_settings=THUMBPRINT_FIRST)
@click.argument("certificate")
@click.option("--reason", type=click.Choice(REASONS), default="unspecified", show_default=True)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]),
    help="When the key is thought to have been lost, UTC.",
)
@home_option
@json_option
def revoke(home: Home, certificate: str, reason: str, since: datetime | None, *, as_json: bool) -> None:
    """Refuse a certificate from now on.

    It cannot be taken back, unless the reason is certificate_hold: see 'mutua cert release'.

    \b
    Examples:
      mutua cert revoke Q3LFby --reason key_compromise --since 2026-01-31
      mutua cert revoke Q3LFby --reason certificate_hold
    """
    invalid_since = None if since is None else since.replace(tzinfo=UTC)
    record = home.revocation.revoke(certificate, reason=reason, invalid_since=invalid_since)
    if as_json:
        json_data(record_json(record, home))
    else:
        what = "on hold" if record.reason == "certificate_hold" else "revoked"
        data(f"{record.thumbprint} is {what}: its next request is refused")
