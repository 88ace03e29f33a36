"""Warnings before a certificate ends, to whoever wants to know: the log, a webhook, a command."""

import http.client
import json
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from mutua.agent.hooks import run_hook
from mutua.outbound.est import ended_after
from mutua.tls.trust import Trust

WEBHOOK_SECONDS = 10.0
"""For the whole of it. It is tried again later."""

log = logging.getLogger("mutua.agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told.

    Attributes:
        name: of the identity.
        path: where it is.
        thumbprint: of its certificate.
        not_after: when that ends, UTC.
        days: which of the days before the end it is that has passed; 0 for the end.
        left: until the end.
        renewed: whether it is renewed here.
        error: why that has failed, or empty.
    """

    name: str
    path: str
    thumbprint: str
    not_after: datetime
    days: int
    left: timedelta
    renewed: bool
    error: str

    @property
    def message(self) -> str:
        """One line, for people."""
        when = f"{self.not_after:%Y-%m-%d %H:%M} UTC"
        ends = f"ends in {_span(self.left)}, at {when}" if self.left > timedelta(0) else f"has ended at {when}"
        why = f", and its renewal fails: {self.error}" if self.renewed else ", and nobody renews it here"
        return f"the certificate of {ascii(self.name)[1:-1]} {ends}{why}"


Channel = Callable[[Notice], bool]
"""Tells somebody; whether that worked."""


def channels(webhook: str | None, command: Sequence[str]) -> dict[str, Channel]:
    """Whom to tell, by name; the log is always among them."""
    found: dict[str, Channel] = {"log": _into_log}
    if webhook is not None:
        found["webhook"] = lambda notice: _posted(webhook, notice)
    if command:
        found["command"] = lambda notice: _run(command, notice)
    return found


def _into_log(notice: Notice) -> bool:
    log.warning("%s", notice.message)
    return True


def _run(command: Sequence[str], notice: Notice) -> bool:
    given = {
        "MUTUA_MESSAGE": notice.message,
        "MUTUA_NAME": notice.name,
        "MUTUA_IDENTITY": notice.path,
        "MUTUA_NOT_AFTER": notice.not_after.isoformat(),
        "MUTUA_DAYS": str(notice.days),
    }
    return run_hook(command, given=given)


def _posted(url: str, notice: Notice) -> bool:
    """POST it as JSON. Redirects are not followed, and the answer is not read."""
    told = {
        "event": "certificate_ends",
        "text": notice.message,
        "identity": notice.name,
        "path": notice.path,
        "thumbprint": notice.thumbprint,
        "not_after": notice.not_after.isoformat(),
        "days": notice.days,
        "renewed": notice.renewed,
        "error": notice.error,
    }
    try:
        status = _post(url, json.dumps(told).encode())
    except (OSError, http.client.HTTPException, ValueError) as error:
        log.warning("the webhook cannot be reached, it is tried again: %s", ascii(str(error)[:160])[1:-1])
        return False
    if not 200 <= status < 300:
        log.warning("the webhook answers %d, it is tried again", status)
        return False
    return True


def _post(url: str, body: bytes) -> int:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with (
        socket.create_connection((host, port), WEBHOOK_SECONDS) as plain,
        ended_after(WEBHOOK_SECONDS, plain),
        closing(http.client.HTTPConnection(host, port)) as connection,
    ):
        if secure:
            connection.sock = Trust.system().client_context().wrap_socket(plain, server_hostname=host)
        else:
            connection.sock = plain
        headers = {"Content-Type": "application/json", "User-Agent": "mutua", "Connection": "close"}
        connection.request("POST", path, body, headers)
        return connection.getresponse().status


def _span(left: timedelta) -> str:
    hours = left / timedelta(hours=1)
    if hours >= 48:
        return f"{left.days} days"
    return f"{int(hours)} hours" if hours >= 2 else f"{max(int(hours * 60), 1)} minutes"
