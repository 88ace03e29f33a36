"""The one suite: every case through every proxy that asks, each with the settings that stand on the page."""

from contextlib import closing

import pytest

from mutua.pki.certificates import write_der
from mutua.tls.identity import Identity
from tests.inbound.connections import until
from tests.inbound.forward_auth.asking import Lines, ask, connect
from tests.inbound.forward_auth.conftest import Front
from tests.inbound.forwarded.writing import CASES as DIALECTS

CASES = {
    "no certificate": ("no_certificate", None, 401),
    "stranger's CA": ("unknown_issuer", None, 403),
    "expired": ("expired", None, 403),
    "not yet valid": ("not_yet_valid", None, 403),
    "wrong purpose": ("wrong_purpose", None, 403),
    "revoked": ("revoked", "revoked", 403),
    "unregistered": ("unknown_client", None, 403),
    "suspended": ("suspended", "suspended", 403),
    "outside the grant": ("not_granted", "narrow", 403),
}

CONFUSING = [
    "/elsewhere/../{}",
    "/elsewhere/%2e%2e/{}",
    "/elsewhere/.%2E/{}",
    "/elsewhere/..%2f{}",
    "/elsewhere/..%5c{}",
    "/elsewhere/..;/{}",
    "/elsewhere/%252e%252e/{}",
    "/elsewhere//../../{}",
    "//elsewhere/{}",
    "/elsewhere/%00{}",
    "/elsewhere/%ff{}",
    "/elsewhere/\\..\\..\\{}",
    "/elsewhere/%2e%2e%2f?{}",
]


def test_a_known_client_reaches_the_application_that_is_told_who_it_is(front: Front) -> None:
    woovi, mark = front.identities["good"], front.mark()
    answer = front.ask(woovi, f"/status/{mark}%20x?a=/../b&c=%2e%2e")
    assert (answer.status, answer.body) == (200, b"ok")
    (reached,) = front.app.got(mark)
    assert (reached.method, reached.target) == ("GET", f"/status/{mark}%20x?a=/../b&c=%2e%2e")
    assert reached.all("mutua-client") == ["woovi"]
    assert reached.all("mutua-client-thumbprint") == [_thumbprint(woovi)]
    assert not [name for name, _ in reached.headers if "cert" in name.lower() or "ssl" in name.lower()]
    line = front.gate.line(mark)
    assert (line["event"], line["client"], line["path"]) == ("admitted", "woovi", f"/status/{mark} x")


@pytest.mark.parametrize("case", CASES)
def test_nobody_else_does(front: Front, case: str) -> None:
    reason, client, status = CASES[case]
    identity, mark = front.identities[case], front.mark()
    answer = front.ask(identity, f"/status/{mark}")
    if case in front.proxy.by_itself:
        assert answer.status == 400
    else:
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.body.endswith(b'"status":%d}' % status)
        assert ("www-authenticate" in answer.headers) is (status == 401)
        line = front.gate.line(mark)
        assert (line["event"], line["reason"], line["client"]) == ("refused", reason, client)
        assert line["thumbprint"] == (None if identity is None else _thumbprint(identity))
    assert front.app.got(mark) == []


def test_the_method_is_the_clients(front: Front) -> None:
    narrow = front.identities["outside the grant"]  # GET /elsewhere/**, POST /status
    before = len(front.app.reached)
    assert front.ask(narrow, "/status", method="POST", body=b"a=1").status == 200
    (reached,) = front.app.reached[before:]
    assert (reached.method, reached.body) == ("POST", b"a=1")
    for method in ("GET", "HEAD", "PUT", "OPTIONS", "DELETE"):
        assert front.ask(narrow, "/status", method=method).status == 403, method
    for method in ("get", "Post", "POST2"):
        assert front.ask(narrow, "/status", method=method).status in {400, 403, 405, 501}, method
    assert front.ask(narrow, "/status", lines=[("X-HTTP-Method-Override", "POST")]).status == 403
    assert len(front.app.reached) == before + 1


@pytest.mark.parametrize("spelling", CONFUSING)
def test_a_path_that_two_could_read_in_two_ways_is_refused(front: Front, spelling: str) -> None:
    mark = front.mark()
    for name in ("outside the grant", "good"):
        answer = front.ask(front.identities[name], spelling.format(mark))
        assert answer.status in {400, 403}, name
    assert front.app.got(mark) == []
    plain = front.ask(front.identities["good"], f"/elsewhere/%2e%2e/{mark}")
    assert plain.status == front.proxy.malformed


def test_a_target_with_a_host_or_a_fragment_is_decided_by_its_path(front: Front) -> None:
    narrow, mark = front.identities["outside the grant"], front.mark()
    for target in (f"http://localhost/{mark}", f"/{mark}#/elsewhere/x", f"/{mark}?/elsewhere/x"):
        assert front.ask(narrow, target).status in {400, 403}, target
    assert front.ask(narrow, f"/elsewhere/#/../../{mark}").status in {400, 403}
    assert front.app.got(mark) == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_forged_certificate_changes_nothing(front: Front, dialect: str) -> None:
    victim = [write_der(each) for each in _given(front.identities["good"]).chain]
    lines: Lines = [(name, each) for name, values in DIALECTS[dialect].write(*victim).items() for each in values]
    _forged(front, lines)
    _forged(front, [(name.replace("-", "_").upper(), value) for name, value in lines])


def test_a_forged_name_or_question_changes_nothing(front: Front) -> None:
    names = ("mutua-client", "Mutua_Client", "MUTUA-CLIENT", "Mutua-Client-Thumbprint", "mutua_client_thumbprint")
    _forged(front, [(name, "woovi") for name in names])
    for prefix in ("X-Original", "X-Forwarded"):
        question: Lines = [(f"{prefix}-Uri", "/elsewhere/x"), (f"{prefix}-Method", "GET")]
        _forged(front, question)
        _forged(front, [(name.replace("-", "_"), value) for name, value in question])
    _forged(front, [("X-Rewrite-Url", "/elsewhere/x"), ("X-Envoy-Original-Path", "/elsewhere/x"), ("Path", "/x")])


def test_what_hops_leave_behind_changes_nothing(front: Front) -> None:
    """Names in Connection are taken away on a hop: the certificate's and the question's must not be."""
    named = "close, ssl-client-cert, x-ssl-client-cert, x-forwarded-client-cert, x-original-uri, x-forwarded-uri"
    _forged(front, [("Connection", f"{named}, x-forwarded-method, mutua-client, mutua-client-thumbprint")])


def test_who_asks_to_upgrade_is_decided_on_like_anybody_else(front: Front) -> None:
    lines: Lines = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    lines.append(("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="))
    mark = front.mark()
    for name, statuses in (("no certificate", {401, 403}), ("outside the grant", {403})):
        for _ in range(3):
            assert front.ask(front.identities[name], f"/{mark}", lines=lines).status in statuses
    assert front.app.got(mark) == []
    assert front.ask(front.identities["good"], f"/{mark}").status == 200
    assert "upgrade" not in "".join(front.gate.talk).lower()  # the proxy keeps it to itself


def test_what_is_public_needs_no_certificate_and_takes_no_bad_one(front: Front) -> None:
    mark = front.mark()
    lines: Lines = [(name, "woovi") for name in ("Mutua-Client", "Mutua_Client", "Mutua-Client-Thumbprint")]
    assert front.ask(None, f"/healthz/{mark}", lines=lines).status == 200
    (reached,) = front.app.got(mark)
    assert set(reached.all("mutua-client") + reached.all("mutua-client-thumbprint")) <= {""}
    for name in ("stranger's CA", "expired", "revoked", "suspended", "unregistered"):
        assert front.ask(front.identities[name], f"/healthz/{mark}").status in {400, 403}, name
    assert front.ask(None, f"/healthz/{mark}", method="POST").status == 401
    assert front.ask(None, f"/healthz/../{mark}").status in {400, 401, 403}
    assert len(front.app.got(mark)) == 1


def test_a_change_counts_on_the_next_request_of_a_connection(front: Front) -> None:
    front.home.clients.add("late", allow=["GET /**"])
    late, mark = front.home.authority.issue_client("late"), front.mark()
    with closing(connect(front.home, front.port, late)) as connection:
        until(lambda: ask(connection, f"/{mark}").status == 200)
        front.home.clients.suspend("late")
        until(lambda: ask(connection, f"/{mark}").status == 403)
        count = len(front.app.got(mark))
        assert ask(connection, f"/{mark}").status == 403
        front.home.clients.resume("late")
        until(lambda: ask(connection, f"/{mark}").status == 200)
        front.home.revocation.revoke(late.thumbprint)
        until(lambda: ask(connection, f"/{mark}").status == 403)
        assert len(front.app.got(mark)) > count
    while (line := front.gate.line(mark)).get("reason") != "revoked":
        continue
    assert line["client"] == "late"


def test_without_an_answer_nobody_gets_in_and_afterwards_all_is_well(front: Front) -> None:
    mark = front.mark()
    front.gate.stop()
    try:
        for name in ("good", "no certificate"):
            for path in (f"/{mark}", f"/healthz/{mark}"):
                assert front.ask(front.identities[name], path).status == front.proxy.down
        assert front.app.got(mark) == []
    finally:
        front.gate.start()
    until(lambda: front.ask(front.identities["good"], f"/{mark}").status == 200)


def _forged(front: Front, lines: Lines) -> None:
    """These lines of a client's make nobody of it but who it is."""
    narrow, mark = front.identities["outside the grant"], front.mark()
    assert front.ask(None, f"/elsewhere/{mark}", lines=lines).status in {400, 401, 403}
    assert front.ask(narrow, f"/status/{mark}", lines=lines).status in {400, 403}
    assert front.app.got(mark) == []
    assert front.ask(narrow, f"/elsewhere/{mark}", lines=lines).status == 200
    (reached,) = front.app.got(mark)
    assert reached.all("mutua-client") == ["narrow"]
    assert reached.all("mutua-client-thumbprint") == [_thumbprint(narrow)]


def _given(identity: Identity | None) -> Identity:
    assert identity is not None
    return identity


def _thumbprint(identity: Identity | None) -> str:
    return _given(identity).thumbprint
