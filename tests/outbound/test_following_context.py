"""The context of a followed identity: it verifies whatever is done to it, and keeps what is set on it."""

import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from mutua import FollowedIdentity, Identity, Trust
from mutua.errors import InvalidInput
from mutua.outbound.following_context import FollowingContext, may_be_used_again
from tests.outbound.renewing import Renewing
from tests.outbound.sessions import PATIENCE_SECONDS


@pytest.fixture
def followed(settled: None, renewed: Renewing) -> FollowedIdentity:
    return FollowedIdentity(renewed.path, renewed.trust)


@pytest.fixture
def context(followed: FollowedIdentity) -> FollowingContext:
    return followed.client_context()


def connect(renewed: Renewing, context: ssl.SSLContext, **options: Any) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", renewed.serving.port), timeout=PATIENCE_SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname=options.pop("server_hostname", "127.0.0.1"), **options)
    except BaseException:
        plain.close()
        raise


def switch_off(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_NONE


def make_optional(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_OPTIONAL


def ignore_host_names(context: ssl.SSLContext) -> None:
    context.check_hostname = False


def add_a_ca(context: ssl.SSLContext) -> None:
    context.load_verify_locations(cafile="/etc/ssl/certs/ca-certificates.crt")


def add_the_system(context: ssl.SSLContext) -> None:
    context.load_default_certs()


def add_the_default_paths(context: ssl.SSLContext) -> None:
    context.set_default_verify_paths()


def add_a_certificate(context: ssl.SSLContext) -> None:
    context.load_cert_chain("other.pem")


ATTACKS = [
    switch_off,
    make_optional,
    ignore_host_names,
    add_a_ca,
    add_the_system,
    add_the_default_paths,
    add_a_certificate,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])
def test_verification_trust_and_identity_cannot_be_changed_from_outside(
    attack: Callable[[ssl.SSLContext], None], renewed: Renewing, context: FollowingContext
) -> None:
    anchors = context.get_ca_certs(binary_form=True)
    with pytest.raises(InvalidInput):
        attack(context)
    for made in (context, context.newest()):
        assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert made.get_ca_certs(binary_form=True) == anchors
    renewed.renew()
    assert context.newest().verify_mode == ssl.CERT_REQUIRED
    assert context.get_ca_certs(binary_form=True) == anchors


def test_setting_what_is_set_changes_nothing(context: FollowingContext) -> None:
    """As urllib3 and http.client do for every connection."""
    made = context.newest()
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    assert context.newest() is made


def test_a_server_that_is_not_believed_is_refused_before_and_after_a_renewal(
    renewed: Renewing, followed: FollowedIdentity
) -> None:
    elsewhere = FollowedIdentity(renewed.path, Trust(renewed.new().chain[1:2]))
    for context in (elsewhere.client_context(), followed.client_context()):
        for _ in range(2):
            with pytest.raises(ssl.SSLCertVerificationError):
                connect(renewed, context, server_hostname="elsewhere.example")
            renewed.renew()


def test_a_host_name_is_asked_for(renewed: Renewing, context: FollowingContext) -> None:
    with pytest.raises(ValueError, match="check_hostname requires server_hostname"):
        connect(renewed, context, server_hostname=None)


def test_it_makes_no_server_s_connection(renewed: Renewing, context: FollowingContext) -> None:
    with pytest.raises(ValueError, match="check_hostname"):
        connect(renewed, context, server_side=True, server_hostname=None)
    with pytest.raises(ssl.SSLError, match="Cannot create a server socket"):
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)


def test_whoever_goes_round_it_gets_no_connection(renewed: Renewing, context: FollowingContext) -> None:
    """The object itself has neither anchors nor a key."""
    with (
        socket.create_connection(("127.0.0.1", renewed.serving.port), timeout=PATIENCE_SECONDS) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.SSLSocket._create(plain, server_hostname="127.0.0.1", context=context)  # type: ignore[attr-defined]
    assert ssl.SSLContext.get_ca_certs(context) == []


def test_no_session_of_an_older_identity_is_resumed(
    renewed: Renewing, followed: FollowedIdentity, context: FollowingContext
) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # there the session is known when the handshake ends
    with connect(renewed, context) as first:
        session = first.session
        assert session is not None
    for _ in range(2):
        with connect(renewed, context, session=session) as again:
            assert not again.session_reused
        renewed.renew()
    with connect(renewed, followed.client_context(), session=session) as other:
        assert not other.session_reused


def test_what_is_set_holds_for_every_later_identity(renewed: Renewing, context: FollowingContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    for _ in range(3):
        with connect(renewed, context) as tls:
            assert tls.version() == "TLSv1.2"
            assert tls.selected_alpn_protocol() == "http/1.1"
            assert (tls.cipher() or "")[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        renewed.renew()


def test_what_is_set_later_holds_for_the_next_connection_and_retires_none(
    renewed: Renewing, context: FollowingContext
) -> None:
    with connect(renewed, context) as before:
        assert before.version() == "TLSv1.3"
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert context.is_current(before)
        with connect(renewed, context) as after:
            assert after.version() == "TLSv1.2"


def test_what_openssl_refuses_is_refused(context: FollowingContext) -> None:
    with pytest.raises(ssl.SSLError):
        context.set_ciphers("no such cipher")
    with pytest.raises(ssl.SSLError):
        context.set_alpn_protocols([""])
    assert context.newest().get_ciphers() == context.get_ciphers()


def test_it_shows_what_a_plain_context_would(
    renewed: Renewing, followed: FollowedIdentity, context: FollowingContext
) -> None:
    plain = followed.identity.client_context(renewed.trust)
    assert context.cert_store_stats() == plain.cert_store_stats()
    for name in ("options", "verify_flags", "minimum_version", "maximum_version", "verify_mode", "check_hostname"):
        assert getattr(context, name) == getattr(plain, name)
    assert context.get_ciphers() == plain.get_ciphers()


def test_two_clients_with_one_identity_do_not_get_in_each_other_s_way(
    renewed: Renewing, followed: FollowedIdentity, context: FollowingContext
) -> None:
    other = followed.client_context()
    other.maximum_version = ssl.TLSVersion.TLSv1_2
    with connect(renewed, context) as ours, connect(renewed, other) as theirs:
        assert (ours.version(), theirs.version()) == ("TLSv1.3", "TLSv1.2")
        assert context.is_current(ours)
        assert not context.is_current(theirs)
    assert context.generation == other.generation


def test_a_connection_of_a_plain_context_may_always_be_used_again(renewed: Renewing) -> None:
    plain = Identity.load(renewed.path).client_context(renewed.trust)
    with closing(connect(renewed, plain)) as tls:
        renewed.renew()
        assert may_be_used_again(plain, tls)
        assert may_be_used_again(None, tls)
