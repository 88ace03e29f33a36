"""``mutua.explain``: from what was raised to who refused whom, and what to do."""

import asyncio
import http.client
import socket
import ssl
import traceback
import urllib.error
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import aiohttp
import httpx
import pycurl
import pytest
import requests
import urllib3

import mutua
from mutua import Home
from mutua.errors import (
    CallFailed,
    CallUnexplained,
    NobodyAnswered,
    RefusedByServer,
    RefusedByUs,
    WrongPassword,
)
from tests.inbound.certificates import client_identity
from tests.outbound.servers import served, tls_server
from tests.outbound.test_call import TOMORROW, YESTERDAY
from tests.outbound.test_call import show as shown_by


def alert(name: str = "TLSV1_ALERT_UNKNOWN_CA") -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {name}] {name.lower()}")
    error.reason = name
    return error


def not_verified(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


def raised(make: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- any
        make()
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (alert(), RefusedByServer, "unknown_ca"),
        (alert("TLSV1_UNRECOGNIZED_NAME"), RefusedByServer, "unrecognized_name"),
        (not_verified(10), RefusedByUs, "server_expired"),
        (not_verified(23), RefusedByUs, "server_revoked"),
        (not_verified(66), RefusedByUs, "server_not_valid"),
        (socket.gaierror(-2, "Name or service not known"), NobodyAnswered, "unknown_host"),
        (ConnectionRefusedError(111, "Connection refused"), NobodyAnswered, "not_reachable"),
        (OSError(113, "No route to host"), NobodyAnswered, "not_reachable"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1)"), NobodyAnswered, "not_reachable"),
        (TimeoutError("timed out"), NobodyAnswered, "no_response"),
        (http.client.BadStatusLine("220 mail"), NobodyAnswered, "no_response"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), NobodyAnswered, "handshake_failed"),
        (ssl.SSLEOFError(8, "EOF occurred"), CallUnexplained, "no_alert_seen"),
        (http.client.RemoteDisconnected("Remote end closed"), CallUnexplained, "no_alert_seen"),
        (ConnectionResetError(104, "reset"), CallUnexplained, "no_alert_seen"),
        (BrokenPipeError(32, "broken"), CallUnexplained, "no_alert_seen"),
        (EOFError(), CallUnexplained, "no_alert_seen"),
        (urllib.error.URLError(alert()), RefusedByServer, "unknown_ca"),
        (urllib.error.URLError("no host given"), CallUnexplained, "cannot_tell"),
        (
            httpx.RemoteProtocolError("Server disconnected without sending a response."),
            CallUnexplained,
            "no_alert_seen",
        ),
        (httpx.RemoteProtocolError("illegal status line"), NobodyAnswered, "no_response"),
        (httpx.ReadTimeout("timed out"), NobodyAnswered, "no_response"),
        (httpx.ConnectTimeout("timed out"), NobodyAnswered, "not_reachable"),
        (requests.ConnectTimeout("timed out"), NobodyAnswered, "not_reachable"),
        (aiohttp.ServerDisconnectedError(), CallUnexplained, "no_alert_seen"),
        (
            urllib3.exceptions.SSLError(urllib3.util.ssl_match_hostname.CertificateError("x")),
            RefusedByUs,
            "server_wrong_name",
        ),
        (pycurl.error(6, "Could not resolve host"), NobodyAnswered, "unknown_host"),
        (pycurl.error(7, "Failed to connect"), NobodyAnswered, "not_reachable"),
        (pycurl.error(22, "The requested URL returned error: 403"), RefusedByServer, "http_refused"),
        (pycurl.error(28, "Timeout was reached"), NobodyAnswered, "no_response"),
        (pycurl.error(35, "TLS connect error: SSL_ERROR_SYSCALL"), CallUnexplained, "no_alert_seen"),
        (pycurl.error(35, "wrong version number"), NobodyAnswered, "handshake_failed"),
        (pycurl.error(60, "SSL certificate problem: certificate has expired"), RefusedByUs, "server_expired"),
        (pycurl.error(60, "SSL certificate verification failed"), CallUnexplained, "cannot_tell"),
        (pycurl.error(77, "error setting certificate verify locations"), CallUnexplained, "cannot_tell"),
        (ValueError("of something else"), CallUnexplained, "cannot_tell"),
        (ExceptionGroup("several", [ConnectionRefusedError(111, "x"), alert()]), RefusedByServer, "unknown_ca"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_exception_says_who_refused_whom(error: Exception, kind: type[CallFailed], reason: str) -> None:
    failure = mutua.explain(error)
    assert (type(failure), failure.reason) == (kind, reason)
    assert failure.message
    assert failure.hint


class Rpc(Exception):
    """As grpcio makes it: what happened stands in the details."""

    def __init__(self, details: str, code: str = "UNAVAILABLE") -> None:
        super().__init__()
        self._code, self._details = SimpleNamespace(name=code), details

    def code(self) -> object:
        return self._code

    def details(self) -> str:
        return self._details


Rpc.__module__ = "grpc"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Rpc("Tls handshake failed: error:10000415:SSL routines:OPENSSL_internal:X"), "certificate_expired"),
        (Rpc("error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: ?"), "server_not_valid"),
        (Rpc("CERTIFICATE_VERIFY_FAILED: certificate has expired"), "server_expired"),
        (Rpc("Custom verification check failed: Hostname Verification Check failed."), "server_wrong_name"),
        (Rpc("Peer name a is not in peer certificate"), "server_wrong_name"),
        (Rpc("Cannot check peer: missing selected ALPN property."), "handshake_failed"),
        (Rpc("DNS resolution failed for a"), "unknown_host"),
        (Rpc("connect: No route to host (113)"), "not_reachable"),
        (Rpc("recvmsg:Connection reset by peer"), "no_alert_seen"),
        (Rpc("Unwrap failed (TSI_DATA_CORRUPTED)"), "no_alert_seen"),
        (Rpc("Socket closed"), "no_alert_seen"),
        (Rpc("no such client", "PERMISSION_DENIED"), "http_refused"),
        (Rpc("no such client", "UNAUTHENTICATED"), "http_refused"),
        (Rpc("out of soup", "RESOURCE_EXHAUSTED"), "cannot_tell"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_grpc_says_in_its_details_is_understood(error: Exception, reason: str) -> None:
    assert mutua.explain(error).reason == reason


def test_a_failure_tells_the_alert_the_causes_and_the_remedy(home: Home) -> None:
    identity = home.identities.load("woovi")
    failure = mutua.explain(alert(), identity=identity)
    assert failure.alert == "unknown_ca"
    assert failure.message == "the server does not know who issued our certificate"
    assert "intermediate" in failure.causes[0]
    assert failure.hint == failure.findings[0].remedy
    shown = "".join(traceback.format_exception(failure))
    assert f"cause:  {failure.causes[0]}" in shown
    assert f"remedy: {failure.hint}" in shown


def test_what_is_certainly_wrong_with_our_certificate_is_the_likeliest_cause(home: Home) -> None:
    expired = client_identity(home, from_=YESTERDAY, until=YESTERDAY.replace(microsecond=0))
    failure = mutua.explain(EOFError(), identity=expired)
    assert failure.reason == "no_alert_seen"
    assert failure.causes[0].startswith("our certificate expired at")
    assert failure.hint.startswith("get a new one")


def test_in_tls_12_a_missing_certificate_is_certain_only_where_it_is_known_to_be_missing(home: Home) -> None:
    error = alert("SSLV3_ALERT_HANDSHAKE_FAILURE")
    assert mutua.explain(error).reason == "handshake_failure"
    assert "did not come" in mutua.explain(error).causes[0]
    assert mutua.explain(error, probe="https://127.0.0.1:1").reason == "certificate_required"
    with_one = mutua.explain(error, identity=home.identities.load("woovi"))
    assert (with_one.reason, "did not come" in with_one.causes[0]) == ("handshake_failure", False)


def test_the_thumbprint_is_given_to_whoever_has_to_ask_the_operator(home: Home) -> None:
    woovi = home.identities.load("woovi")
    failure = mutua.explain_response(SimpleNamespace(status_code=403), identity=woovi)
    assert failure is not None
    assert (type(failure), failure.status) == (RefusedByServer, 403)
    assert woovi.thumbprint in failure.hint


@pytest.mark.parametrize("answer", [SimpleNamespace(status_code=200), SimpleNamespace(status=302), None, object()])
def test_an_answer_that_refuses_nothing_needs_no_explanation(answer: object) -> None:
    assert mutua.explain_response(answer) is None


def test_another_status_is_not_taken_for_a_refusal() -> None:
    failure = mutua.explain_response(SimpleNamespace(status=500))
    assert failure is not None
    assert (type(failure), failure.reason, failure.status) == (CallUnexplained, "http_error", 500)


@pytest.mark.parametrize(
    "make",
    [
        lambda: httpx.Response(403, request=httpx.Request("GET", "https://a.example")).raise_for_status(),
        lambda: _of_requests(403).raise_for_status(),
        lambda: _raise(urllib.error.HTTPError("https://a.example", 403, "Forbidden", None, None)),  # type: ignore[arg-type]
        lambda: _raise(aiohttp.ClientResponseError(_of_aiohttp("https://a.example"), (), status=403)),
    ],
    ids=["httpx", "requests", "urllib", "aiohttp"],
)
def test_an_exception_for_a_status_is_a_refusal_at_its_address(make: Callable[[], object]) -> None:
    failure = mutua.explain(raised(make))
    assert (type(failure), failure.reason, failure.status) == (RefusedByServer, "http_refused", 403)
    assert failure.target == "a.example:443"


def _raise(error: Exception) -> None:
    raise error


def _of_aiohttp(url: str) -> aiohttp.RequestInfo:
    return cast("aiohttp.RequestInfo", SimpleNamespace(real_url=url))


def _of_requests(status: int) -> requests.Response:
    response = requests.Response()
    response.status_code, response.request = status, requests.Request("GET", "https://a.example").prepare()
    return response


def test_an_explanation_is_not_explained_again() -> None:
    failure = mutua.explain(alert())
    assert mutua.explain(failure) is failure


def test_an_error_of_mutua_keeps_its_own_words() -> None:
    failure = mutua.explain(WrongPassword("the password does not open it", hint="look for another"))
    assert (failure.message, failure.hint, failure.reason) == (
        "the password does not open it",
        "look for another",
        "wrong_password",
    )


def test_a_call_that_failed_before_is_not_taken_for_the_cause_of_this_one() -> None:
    """The second call is made in the ``except`` block of the first, as when one tries another address."""

    def second() -> None:
        try:
            raise alert()
        except ssl.SSLError:
            raise http.client.RemoteDisconnected("the second server closed")  # noqa: B904 -- what is tested

    error = raised(second)
    assert isinstance(error.__context__, ssl.SSLError)
    assert mutua.explain(error).alert is None


def test_an_earlier_failure_of_another_library_is_not_the_cause_either(home: Home) -> None:
    with served(tls_server(home.identities.load("api").server_context(home.trust), answer=b"")) as url:

        def second() -> None:
            try:
                raise alert()
            except ssl.SSLError:
                with httpx.Client(verify=home.identities.load("woovi").client_context(home.trust)) as client:
                    client.get(url)

        assert mutua.explain(raised(second)).reason == "no_alert_seen"


def test_a_probe_finds_the_address_in_the_exception(home: Home) -> None:
    context = home.identities.load("api").server_context(home.trust)
    stranger = client_identity(home, from_=TOMORROW, until=TOMORROW)
    with served(tls_server(context)) as url:
        error = httpx.ReadError("", request=httpx.Request("GET", url))
        failure = mutua.explain(error, identity=stranger, trust=home.trust, probe=True)
    assert (failure.alert, failure.target) == ("bad_certificate", url.removeprefix("https://"))
    assert f"seen by a probe of {failure.target}" in failure.__notes__


def test_a_probe_without_an_address_says_what_is_missing() -> None:
    failure = mutua.explain(EOFError(), probe=True)
    assert failure.reason == "no_alert_seen"
    assert any("give probe=URL" in note for note in failure.__notes__)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1", "nonsense", "https://"])
def test_a_probe_that_cannot_be_made_takes_nothing_away(url: str) -> None:
    failure = mutua.explain(EOFError(), probe=url)
    assert failure.reason == "no_alert_seen"
    assert bool(url) == any(note.startswith("no probe:") for note in failure.__notes__)


def test_a_connection_that_was_lost_though_we_are_welcome_is_nobodys_refusal(home: Home) -> None:
    context = home.identities.load("api").server_context(home.trust)
    with served(tls_server(context)) as url:
        failure = mutua.explain(
            ConnectionResetError(), identity=home.identities.load("woovi"), trust=home.trust, probe=url
        )
        other = mutua.explain(ValueError("?"), identity=home.identities.load("woovi"), trust=home.trust, probe=url)
    assert (type(failure), failure.reason) == (NobodyAnswered, "connection_lost")
    assert (type(other), other.reason) == (CallUnexplained, "cannot_tell")
    assert "a new connection to 127.0.0.1" in other.message


def test_a_probe_is_not_made_where_the_cause_is_known() -> None:
    def handle(plain: socket.socket) -> None:
        connected.append(plain)

    connected: list[socket.socket] = []
    with served(handle) as url:
        for error in (alert(), not_verified(10), ConnectionRefusedError(111, "x"), socket.gaierror(-2, "x")):
            mutua.explain(error, probe=url)
    assert connected == []


def test_a_probe_without_trust_believes_the_system_and_nobody_else(home: Home) -> None:
    with served(tls_server(home.identities.load("api").server_context(home.trust))) as url:
        failure = mutua.explain(EOFError(), identity=home.identities.load("woovi"), probe=url)
    assert (type(failure), failure.reason) == (RefusedByUs, "server_unknown_issuer")


def test_it_can_be_awaited(home: Home) -> None:
    context = home.identities.load("api").server_context(home.trust)
    with served(tls_server(context)) as url:
        failure = asyncio.run(mutua.explain_async(EOFError(), trust=home.trust, probe=url))
    assert failure.reason == "certificate_required"


@pytest.mark.parametrize("who", ["none", "stranger"])
def test_it_says_what_mutua_call_says(who: str, home: Home, tmp_path: object) -> None:
    from pathlib import Path

    from mutua.doctor.call import diagnose
    from mutua.outbound.call import call

    identity = shown_by(who, home, Path(str(tmp_path)))
    with served(tls_server(home.identities.load("api").server_context(home.trust))) as url:
        failure = mutua.explain(EOFError(), identity=identity, trust=home.trust, probe=url)
        assert failure.findings == diagnose(call(url, identity=identity, trust=home.trust).observation)
