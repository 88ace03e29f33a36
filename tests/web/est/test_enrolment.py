"""``cacerts``, ``csrattrs`` and ``simpleenroll``: what they answer, and to whom they do not."""

from base64 import b64decode, b64encode, encodebytes
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta

import pytest

from mutua.pki.certificates import names_of, write_der
from mutua.pki.keys import public_key_bytes
from mutua.pki.names import parse_name
from mutua.pki.requests import MAX_REQUEST_BYTES
from tests.pki.forged_requests import CLOSE_PRIMES, forged, rsa_key
from tests.pki.hierarchy import key_of
from tests.web.est.asking import PKCS10, EstServer, asked, basic, certificates_in, issued, request_of
from tests.web.publishing import Reply

KEY, OTHER = key_of("enrolled over EST"), key_of("another over EST")
BODY = request_of(KEY)


def refused(reply: Reply) -> None:
    """The answer to whoever has no good token, whatever is wrong with it."""
    assert reply.status == 401
    assert reply["WWW-Authenticate"] == 'Basic realm="mutua", charset="UTF-8"'
    assert reply["Content-Type"].startswith("text/plain")
    assert reply.body == b"an invitation is needed, and what was sent is none that is good now\n"


def test_the_cas_are_given_to_anybody_the_root_among_them(est: EstServer) -> None:
    found = certificates_in(est.ask("cacerts"))
    assert set(map(write_der, found)) == {write_der(each.certificate) for each in est.home.hierarchy.trusted()}
    assert est.home.hierarchy.root.certificate in found


def test_a_key_and_a_digest_are_recommended(est: EstServer) -> None:
    reply = est.ask("csrattrs")
    assert (reply.status, reply["Content-Type"]) == (200, "application/csrattrs")
    assert b64decode(reply.body).hex() == "3021301506072a8648ce3d0201310a06082a8648ce3d03010706082a8648ce3d040302"


def test_whoever_holds_a_token_gets_the_one_certificate_and_can_use_it(est: EstServer, client: str) -> None:
    identity = issued(est.enrol(est.invite(client), BODY), KEY, est.home)
    assert [str(name) for name in names_of(identity.certificate)] == [client]
    assert est.home.authority.certificate(identity.thumbprint).client == client
    assert certificates_in(est.renew(request_of(OTHER), identity))
    assert identity.thumbprint in est.said(f"certified {identity.thumbprint} for {client} (invitation ")


@pytest.mark.parametrize(
    "body",
    [encodebytes(b64decode(BODY)), encodebytes(b64decode(BODY)).replace(b"\n", b"\r\n"), BODY + b"\r\n", b"\n " + BODY],
    ids=["lines", "CRLF", "line end", "space before"],
)
def test_base64_may_have_line_breaks_or_not(est: EstServer, client: str, body: bytes) -> None:
    headers = {"Content-Transfer-Encoding": "base64", "Content-Type": "Application/PKCS10; x=y"}
    assert certificates_in(est.enrol(est.invite(client), body, headers=headers))


def test_a_body_of_unknown_length_is_read(est: EstServer, client: str) -> None:
    invitation = est.invite(client)
    with closing(est.connect()) as connection:
        headers = {**PKCS10, **basic(client, invitation.token)}
        connection.request(
            "POST", "/.well-known/est/simpleenroll", iter([BODY[:7], BODY[7:]]), headers, encode_chunked=True
        )
        assert connection.getresponse().status == 200


def test_names_of_others_are_not_certified_and_are_said_in_the_log(est: EstServer, client: str) -> None:
    body = request_of(KEY, "woovi", "spiffe://acme.example/root")
    identity = issued(est.enrol(est.invite(client), body), KEY, est.home)
    assert [str(name) for name in names_of(identity.certificate)] == [client]
    assert "left out: " in (line := est.said(identity.thumbprint))
    assert "name 'woovi'" in line


def test_a_server_is_certified_with_the_names_of_its_invitation(est: EstServer, client: str) -> None:
    names = [parse_name("api.acme.example"), parse_name("10.0.0.1")]
    identity = issued(est.enrol(est.invite(client, profile="server", names=names), BODY), KEY, est.home)
    assert [str(name) for name in names_of(identity.certificate)] == ["api.acme.example", "10.0.0.1"]


# Without a good token.


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !",
        "Basic ====",
        "Basic " + "A" * 5000,
        "Bearer x",
        "Basic AAAA",
        "Basic /w==",
        "Digest x",
    ],
    ids=["none", "empty", "no value", "junk", "padding", "long", "bearer", "no colon", "no UTF-8", "digest"],
)
def test_without_credentials_nothing_is_certified(est: EstServer, authorization: str | None) -> None:
    headers = PKCS10 if authorization is None else {**PKCS10, "Authorization": authorization}
    refused(est.ask("simpleenroll", method="POST", body=BODY, headers=headers))


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 900, "\x00", "é" * 43])
def test_a_wrong_token_is_refused(est: EstServer, token: str) -> None:
    refused(est.ask("simpleenroll", method="POST", body=BODY, headers={**PKCS10, **basic("woovi", token)}))
    est.said("/.well-known/est/simpleenroll refused to 127.0.0.1:")


def test_a_certificate_is_no_token(est: EstServer) -> None:
    woovi = est.home.identities.load("woovi")
    refused(est.ask("simpleenroll", method="POST", body=BODY, headers=PKCS10, identity=woovi))


def test_a_token_of_another_client_is_refused_and_stays_good(est: EstServer, client: str) -> None:
    invitation = est.invite(client)
    for other in ("woovi", "", client.upper(), "nobody", "\x00", "\n"):
        refused(est.enrol(invitation, BODY, client=other))
    assert certificates_in(est.enrol(invitation, BODY))


def test_a_token_is_good_for_one_key_and_for_the_same_key_again(est: EstServer, client: str) -> None:
    invitation = est.invite(client)
    first = est.enrol(invitation, BODY)
    refused(est.enrol(invitation, request_of(OTHER)))
    assert certificates_in(est.enrol(invitation, BODY)) == certificates_in(first)
    est.said("was used already, for another key")


def test_of_two_machines_at_once_one_is_certified(est: EstServer, client: str) -> None:
    bodies = [request_of(key_of(f"racing over EST {number}")) for number in range(4)]
    invitation = est.invite(client)
    with ThreadPoolExecutor(len(bodies)) as threads:
        replies = list(threads.map(lambda body: est.enrol(invitation, body), bodies))
    assert sorted(reply.status for reply in replies) == [200, 401, 401, 401]
    assert len(list(est.home.authority.certificates(client=client))) == 1


def test_withdrawn_expired_and_suspended_look_the_same(est: EstServer, client: str) -> None:
    withdrawn = est.invite(client)
    est.home.invitations.withdraw(client)
    refused(est.enrol(withdrawn, BODY))
    expired = est.invite(client, expires=timedelta(seconds=1))
    suspended = est.invite(client)
    est.home.clients.suspend(client)
    refused(est.enrol(suspended, BODY))
    est.said(f"{client!r} is suspended")
    est.home.clients.resume(client)
    while est.home.now() <= expired.expires_at:
        est.ask("cacerts")
    refused(est.enrol(expired, BODY))
    est.said(f"the invitation of {client!r} has expired")


def test_tokens_are_not_in_the_log(est: EstServer, client: str) -> None:
    invitation = est.invite(client)
    refused(est.enrol(invitation, BODY, client="woovi"))
    assert certificates_in(est.enrol(invitation, BODY))
    est.said(f"for {client} (invitation")
    assert invitation.token not in "".join(est.process.talk)


# With a good token, and no good request.


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"-----BEGIN CERTIFICATE REQUEST-----", 400),
        (b"%%%", 400),
        (BODY[:-3], 400),
        (b64encode(b"junk"), 400),
        (b64encode(b64decode(BODY)[:-1]), 400),
        (b64encode(b64decode(BODY) + b"\x00"), 400),
        (b64encode(forged(key=OTHER, spki=public_key_bytes(KEY.public_key()))), 400),
        (b"A" * (MAX_REQUEST_BYTES * 2), 413),
    ],
    ids=["empty", "PEM", "no base64", "cut base64", "junk", "cut", "more", "another key's", "large"],
)
def test_a_body_that_is_no_request_leaves_the_invitation_open(
    est: EstServer, client: str, body: bytes, status: int
) -> None:
    invitation = est.invite(client)
    reply = est.enrol(invitation, body)
    assert reply.status == status
    assert reply["Content-Type"].startswith("text/plain")
    assert len(reply.body.splitlines()) == 1
    assert certificates_in(est.enrol(invitation, BODY))


def test_a_key_that_the_policy_refuses_is_forbidden(est: EstServer, client: str) -> None:
    body = b64encode(forged(key=rsa_key(*CLOSE_PRIMES)))
    reply = est.enrol(est.invite(client), body)
    assert (reply.status, reply.body) == (403, b"the request is refused\n")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_another_type_of_body_is_not_read(est: EstServer, client: str, kind: str) -> None:
    assert est.enrol(est.invite(client), BODY, headers={"Content-Type": kind}).status == 415


@pytest.mark.parametrize("has_token", [True, False])
def test_ten_megabytes_are_not_read(est: EstServer, client: str, has_token: bool) -> None:
    """Whoever sends them is answered or cut off, and nobody else notices."""
    headers = {**PKCS10, **(basic(client, est.invite(client).token) if has_token else {})}
    with closing(est.connect()) as connection, suppress(OSError):
        reply = asked(connection, "simpleenroll", method="POST", body=b"A" * 10_000_000, headers=headers)
        assert reply.status == (413 if has_token else 401)
    assert certificates_in(est.ask("cacerts"))


def test_whoever_asks_too_often_is_told_so_and_nobody_else(est: EstServer, client: str) -> None:
    invitation = est.invite(client)
    headers = {**PKCS10, **basic(client, invitation.token)}
    with closing(est.connect()) as connection:
        statuses = [
            asked(connection, "simpleenroll", method="POST", body=b"", headers=headers).status for _ in range(31)
        ]
    assert set(statuses) == {400, 429}
    assert statuses[-1] == 429
    other = est.home.clients.add(f"{client}-neighbour").name
    assert certificates_in(est.enrol(est.invite(other), BODY))


# What there is not.


@pytest.mark.parametrize(
    ("operation", "method", "status"),
    [
        ("simpleenroll", "GET", 405),
        ("simplereenroll", "PUT", 405),
        ("cacerts", "POST", 405),
        ("fullcmc", "POST", 404),
        ("serverkeygen", "POST", 404),
        ("label/cacerts", "GET", 404),
        ("../est/cacerts", "GET", 404),
        ("", "GET", 404),
    ],
)
def test_other_operations_are_not_there(est: EstServer, operation: str, method: str, status: int) -> None:
    assert est.ask(operation, method=method).status == status
