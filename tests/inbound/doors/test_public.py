"""What is public, through every door: a certificate is optional there and nowhere else, and never a bad one."""

import shutil
import ssl
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import h2.events
import pytest

from mutua import Home
from mutua.tls.files import load_cert_chain
from mutua.tls.identity import Identity
from tests.inbound.cases import CASES
from tests.inbound.doors.calls import Http2Caller, alert_of, calling, context_for
from tests.inbound.doors.doors import HTTP1, HTTP2, spoken
from tests.inbound.doors.test_cases import VERSIONS, client_context, lines_about
from tests.serving import Serving

_numbers = count(1)


def public_path() -> str:
    return f"/open/{next(_numbers)}"


@pytest.fixture(scope="module")
def shared_home(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("public") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    settings = folder / "mutua.toml"
    settings.write_text('public = ["GET /open/*"]\n' + settings.read_text())
    with Home.open(folder) as opened:
        yield opened


@pytest.mark.parametrize(("door_name", "protocol"), spoken())
def test_without_a_certificate_what_is_public_is_answered_and_all_else_ends_the_connection(
    protocol: str, serving: Serving, shared_home: Home
) -> None:
    context = context_for(protocol, shared_home.trust.client_context())
    path = public_path()
    with calling(protocol, serving.port, context) as caller:
        assert caller.get(path) == 200
    line = lines_about(serving, caller.address)  # of a WebSocket it comes when that has ended
    assert (line["event"], line["client"], line["public"]) == ("admitted", None, True)
    for private, status, reason in (("/status", 401, "no_certificate"), ("/open/%2e%2e/status", 400, "malformed")):
        with calling(protocol, serving.port, context) as caller:
            assert caller.get(private) == status
            assert status == 400 or caller.ended()
            line = lines_about(serving, caller.address)
            assert (line["event"], line["reason"], line["client"]) == ("refused", reason, None)


ALERTS = {name: case for name, case in CASES.items() if case.alerts and name != "no certificate"}
REFUSED = ("revoked", "unregistered", "suspended")


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1))
def test_a_bad_certificate_is_refused_on_public_paths_as_everywhere(
    protocol: str, serving: Serving, shared_home: Home, identities: dict[str, Identity | None]
) -> None:
    for name, case in ALERTS.items():
        context = client_context(shared_home, identities[name], "1.3", protocol)
        assert alert_of(serving.port, context)[0] == case.alerts[1]  # type: ignore[index]
    for name in REFUSED:
        context = client_context(shared_home, identities[name], "1.3", protocol)
        with calling(protocol, serving.port, context) as caller:
            assert caller.get(public_path()) == 403
            assert lines_about(serving, caller.address)["reason"] == CASES[name].reason
    context = client_context(shared_home, identities["outside the grant"], "1.3", protocol)
    with calling(protocol, serving.port, context) as caller:
        assert caller.get(public_path()) == 200
        line = lines_about(serving, caller.address)
        assert (line["client"], line.get("public")) == ("narrow", None)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1, resuming=True))
def test_a_session_without_a_certificate_never_becomes_one_with_nor_the_other_way(
    version: str, protocol: str, serving: Serving, shared_home: Home
) -> None:
    context = client_context(shared_home, None, version, protocol)
    with calling(protocol, serving.port, context) as caller:
        assert caller.get(public_path()) == 200
        anonymous = caller.tls.session
    woovi = shared_home.identities.load("woovi")
    load_cert_chain(context, woovi.key, woovi.chain_pem())
    with calling(protocol, serving.port, context, anonymous) as caller:
        assert caller.tls.session_reused
        assert caller.get("/status") == 401
    with calling(protocol, serving.port, context) as caller:
        assert caller.get("/status") == 200
        known = caller.tls.session
    with calling(protocol, serving.port, context, known) as caller:
        assert caller.tls.session_reused
        assert caller.get(public_path()) == 200
        assert lines_about(serving, caller.address)["client"] == "woovi"
    assert isinstance(known, ssl.SSLSession)


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP2))
def test_streams_of_one_connection_are_each_decided_by_themselves(
    protocol: str, serving: Serving, shared_home: Home
) -> None:
    context = context_for(protocol, shared_home.trust.client_context())
    with calling(protocol, serving.port, context) as caller:
        assert isinstance(caller, Http2Caller)
        paths = [public_path(), "/status", public_path(), "/open/a/../status"]
        streams = {caller.request(path): path for path in paths}
        statuses: dict[str, int] = {}
        with suppress(ConnectionError):
            for event in caller.events():
                if isinstance(event, h2.events.ResponseReceived) and event.headers is not None:
                    statuses[streams[event.stream_id]] = int(dict(event.headers)[b":status"])
        # The refusal of one ends the connection, when those have been answered that came before it could.
        assert statuses["/status"] == 401
        assert {statuses.get(path) for path in (paths[0], paths[2])} <= {200, None}
        assert statuses.get("/open/a/../status") in {400, None}
        assert 200 in statuses.values()
