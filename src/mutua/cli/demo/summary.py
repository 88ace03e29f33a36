"""What is said at the end: what was proved, where the files are, what to type next."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from mutua.cli.demo.cases import ADMITTED, CLOSED, LOSES_ALERTS, Row, Site, expected_sights
from mutua.cli.output import data, printable, talk


def say_what_was_proved(rows: Sequence[Row], missing: Sequence[str], *, kept: Path | None) -> None:
    """The end of the story, on stdout."""
    clients = sorted({row.client for row in rows})
    good = [row for row in rows if row.ok]
    data()
    plural = "" if len(clients) == 1 else "s"
    data(f"{len(good)} of {len(rows)} rows as expected, with {len(clients)} client{plural}: {', '.join(clients)}")
    if missing:
        data(f"not installed, not counted: {', '.join(missing)}")
    data()
    data("What was proved:")
    for count, sentence in _sentences(good):
        data(f"  {count:3d}  {sentence}")
    data()
    _say_where(kept)
    data()
    data("Next:")
    for command in _next_commands(kept):
        data(f"  {command}")


def complain_of(rows: Sequence[Row]) -> None:
    """Each row that is not as expected, with the client's own words, on stderr."""
    for row in rows:
        if not row.ok:
            talk(
                f"unexpected: {row.client}, {row.case.summary}: saw {printable(row.saw)!r}, "
                f"expected {' or '.join(expected_sights(row.case, row.client))!r}; "
                f"logged {row.logged!r}, expected {' or '.join(row.case.logs)!r}"
            )
            if row.detail:
                talk(f"    {printable(row.detail)}")


def _sentences(rows: Sequence[Row]) -> list[tuple[int, str]]:
    reverse = [row for row in rows if row.case.site is not Site.API]
    forward = [row for row in rows if row.case.site is Site.API]
    admitted = [row for row in forward if row.logged == ADMITTED]
    suspended = [row for row in forward if row.case.live]
    by_alert = [row for row in forward if row.saw.startswith("alert ")]
    lost = [row for row in forward if row.saw == CLOSED and row.client in LOSES_ALERTS]
    by_status = [row for row in forward if row.saw == "403"]
    sentences = [
        (len(admitted), "times a known client got in"),
        (len(by_alert), "times a client was refused in the handshake, and its own error names the reason"),
        (len(lost), "times the same, but the client lost the alert, as requests and urllib3 do"),
        (len(by_status), "times a certificate of our own CA was not enough: nobody registered, or not granted"),
        (len(suspended), "times a client was suspended, and its next request refused on its live connection"),
        (len(reverse), "times a client refused a server: wrong name, or a stranger's CA"),
    ]
    return [(count, sentence) for count, sentence in sentences if count]


def _say_where(kept: Path | None) -> None:
    if kept is None:
        data("The home was temporary and is gone; keep it with: mutua demo --keep DIR")
    else:
        data(f"The home is {printable(str(kept))}; keys, certificates and the servers' logs are in its folder demo")


def _next_commands(kept: Path | None) -> tuple[str, str, str]:
    if kept is None:
        return (
            'mutua init "Acme Payments"',
            'mutua client add woovi --allow "POST /webhook/*"',
            "mutua cert issue server localhost 127.0.0.1",
        )
    home = shlex.quote(str(kept))
    return (
        f"mutua client list --home {home}",
        f"mutua cert list --home {home}",
        f"mutua audit verify --home {home}",
    )
