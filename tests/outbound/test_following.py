"""What is followed: every form an identity comes in, replaced in every way, good and bad."""

import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mutua import FollowedIdentity, Identity, Trust
from mutua.errors import EncryptedKey, InvalidInput, KeyMismatch, UnreadableFile
from mutua.outbound import watched
from mutua.pki.certificates import write_pem
from mutua.pki.pkcs12 import write_pkcs12
from tests.inbound.certificates import client_identity, strangers_identity
from tests.outbound.renewing import Renewing
from tests.outbound.sessions import UNPOOLED
from tests.store.watching import eventually

PASSWORD = b"from-the-bank"


@pytest.fixture(autouse=True)
def tries_again_at_once(settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "RETRY_SECONDS", 0)


def replace(path: Path, data: bytes) -> None:
    """As a careful program does."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(data)
    beside.replace(path)


def in_place(path: Path, data: bytes) -> None:
    """As most do."""
    path.write_bytes(data)


WAYS = {"renamed": replace, "written in place": in_place}


def one_file(folder: Path, write: Callable[[Path, bytes], None], identity: Identity) -> Path:
    write(folder / "bank.pem", identity.chain_pem() + identity.key_pem())
    return folder / "bank.pem"


def pkcs12(folder: Path, write: Callable[[Path, bytes], None], identity: Identity) -> Path:
    write(folder / "bank.p12", write_pkcs12(identity.key, identity.chain, password=PASSWORD))
    return folder / "bank.p12"


def two_files(folder: Path, write: Callable[[Path, bytes], None], identity: Identity) -> Path:
    write(folder / "chain.pem", identity.chain_pem())
    write(folder / "key.pem", identity.key_pem())
    return folder


FORMS = {"one file": one_file, "PKCS#12": pkcs12, "a folder": two_files}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_followed_however_it_is_replaced(form: str, way: str, renewed: Renewing, tmp_path: Path) -> None:
    password = PASSWORD if form == "PKCS#12" else None
    path = FORMS[form](tmp_path, in_place, before := renewed.new())
    followed = FollowedIdentity(path, renewed.trust, password=password)
    assert followed.identity.thumbprint == before.thumbprint
    FORMS[form](tmp_path, WAYS[way], after := renewed.new())
    if password:
        eventually(lambda: followed.identity.thumbprint == after.thumbprint)
    assert followed.identity.thumbprint == after.thumbprint
    assert followed.newest().generation == 2


def sealed(path: Path, identity: Identity) -> None:
    replace(path, identity.chain_pem() + identity.key_pem(PASSWORD))


def test_while_a_password_is_tried_calls_go_on_with_the_last_identity(
    renewed: Renewing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an event loop everything else would stand still."""
    sealed(tmp_path / "bank.pem", before := renewed.new())
    followed, load, go_on = FollowedIdentity(tmp_path / "bank.pem", renewed.trust, password=PASSWORD), Identity.load, []
    opened = threading.Event()

    def slowly(*arguments: Any, **options: Any) -> Identity:
        go_on.append(opened.wait(30))
        return load(*arguments, **options)

    monkeypatch.setattr(Identity, "load", slowly)
    sealed(tmp_path / "bank.pem", after := renewed.new())
    assert [followed.newest().identity.thumbprint for _ in range(3)] == [before.thumbprint] * 3
    assert followed.glance().identity.thumbprint == before.thumbprint
    opened.set()
    eventually(lambda: followed.newest().identity.thumbprint == after.thumbprint)
    assert go_on == [True]


def test_once_the_last_identity_has_expired_they_wait_for_the_next(renewed: Renewing, tmp_path: Path) -> None:
    """As on a Monday, when the first call comes long after both."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = client_identity(renewed.home, from_=yesterday - timedelta(days=1), until=yesterday)
    sealed(tmp_path / "bank.pem", expired)
    followed = FollowedIdentity(tmp_path / "bank.pem", renewed.trust, password=PASSWORD)
    sealed(tmp_path / "bank.pem", after := renewed.new())
    assert followed.newest().identity.thumbprint == after.thumbprint


def test_a_key_that_is_apart_is_followed(renewed: Renewing, tmp_path: Path) -> None:
    two_files(tmp_path, in_place, renewed.new())
    followed = FollowedIdentity(tmp_path / "chain.pem", renewed.trust, key=tmp_path / "key.pem")
    two_files(tmp_path, replace, after := renewed.new())
    assert followed.identity.thumbprint == after.thumbprint


def test_half_a_renewal_is_not_used_and_the_other_half_completes_it(
    renewed: Renewing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two_files(tmp_path, in_place, before := renewed.new())
    followed, after = FollowedIdentity(tmp_path, renewed.trust), renewed.new()
    in_place(tmp_path / "chain.pem", after.chain_pem())
    with caplog.at_level(logging.WARNING, "mutua.identity"):
        assert [followed.identity.thumbprint for _ in range(5)] == [before.thumbprint] * 5
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "does not belong to" in caplog.text
    in_place(tmp_path / "key.pem", after.key_pem())
    assert followed.identity.thumbprint == after.thumbprint


@pytest.mark.parametrize(
    "junk", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\n", None], ids=["empty", "junk", "cut off", "gone"]
)
def test_a_bad_file_leaves_the_last_good_identity_in_use(junk: bytes | None, renewed: Renewing, tmp_path: Path) -> None:
    path = one_file(tmp_path, in_place, before := renewed.known())
    followed = FollowedIdentity(path, renewed.trust)
    context = followed.client_context()
    if junk is None:
        path.unlink()
    else:
        in_place(path, junk)
    with UNPOOLED["http.client"](context) as get:
        assert get(renewed.url)["thumbprint"] == before.thumbprint
        one_file(tmp_path, replace, after := renewed.known())
        assert get(renewed.url)["thumbprint"] == after.thumbprint


def test_no_prefix_of_a_file_that_is_being_written_is_ever_used(renewed: Renewing, tmp_path: Path) -> None:
    """Every state of a slow writer: what is presented always has the key of its certificate."""
    before, after = renewed.new(), renewed.new()
    path = one_file(tmp_path, in_place, before)
    followed = FollowedIdentity(path, renewed.trust)
    whole = after.chain_pem() + after.key_pem()
    for end in range(0, len(whole), 97):
        in_place(path, whole[:end])
        assert followed.identity.thumbprint == before.thumbprint
    in_place(path, whole)
    assert followed.identity.thumbprint == after.thumbprint
    assert followed.identity.chain == after.chain


def test_a_file_that_looks_whole_and_is_still_written_is_not_used(
    renewed: Renewing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key and leaf are there, and the intermediate is to come: servers would refuse the leaf alone."""
    monkeypatch.setattr(watched, "SETTLE_SECONDS", 3600)
    path = one_file(tmp_path, in_place, before := renewed.new())
    followed, after = FollowedIdentity(path, renewed.trust), renewed.new()
    in_place(path, after.key_pem() + write_pem(after.chain[:1]))
    assert Identity.load(path).thumbprint == after.thumbprint
    assert followed.identity.thumbprint == before.thumbprint
    in_place(path, after.key_pem() + after.chain_pem())
    an_hour_ago = time.time() - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    assert followed.identity.chain == after.chain


def test_what_cannot_be_loaded_is_left_alone_for_a_moment(
    renewed: Renewing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key takes time to decrypt: a bad file shall not cost it for every connection."""
    monkeypatch.setattr(watched, "RETRY_SECONDS", 3600)
    path = one_file(tmp_path, in_place, before := renewed.new())
    followed = FollowedIdentity(path, renewed.trust)
    in_place(path, b"junk")
    reads: list[object] = []

    def load(source: object, **_options: object) -> Identity:
        reads.append(source)
        return before

    assert followed.identity.thumbprint == before.thumbprint
    with monkeypatch.context() as patched:
        patched.setattr(Identity, "load", load)
        assert [followed.identity.thumbprint for _ in range(5)] == [before.thumbprint] * 5
    assert reads == []
    one_file(tmp_path, in_place, after := renewed.new())
    assert followed.identity.thumbprint == after.thumbprint


def test_a_file_written_anew_with_the_same_in_it_retires_nothing(renewed: Renewing, tmp_path: Path) -> None:
    path = one_file(tmp_path, in_place, identity := renewed.new())
    followed = FollowedIdentity(path, renewed.trust)
    one_file(tmp_path, replace, identity)
    assert followed.newest().generation == 1


def test_an_identity_that_is_no_good_now_is_refused_at_once(renewed: Renewing, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        FollowedIdentity(tmp_path / "nothing.pem", renewed.trust)
    two_files(tmp_path, in_place, renewed.new())
    in_place(tmp_path / "key.pem", renewed.new().key_pem())
    with pytest.raises(KeyMismatch):
        FollowedIdentity(tmp_path, renewed.trust)
    in_place(tmp_path / "key.pem", renewed.new().key_pem(PASSWORD))
    with pytest.raises(EncryptedKey):
        FollowedIdentity(tmp_path, renewed.trust)


def test_an_identity_that_is_in_no_file_is_replaced_by_hand(renewed: Renewing) -> None:
    followed, after = FollowedIdentity(renewed.known(), renewed.trust), renewed.known()
    with UNPOOLED["http.client"](followed.client_context()) as get:
        followed.replace(after)
        assert get(renewed.url)["thumbprint"] == after.thumbprint


@pytest.mark.parametrize("form", ["bytes", "text", "apart"])
def test_contents_are_followed_nowhere_and_shown_nowhere(
    form: str, renewed: Renewing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    identity, bundle = renewed.new(), write_pem(renewed.trust.anchors)
    whole = identity.chain_pem() + identity.key_pem()
    with caplog.at_level(logging.DEBUG):
        if form == "apart":
            followed = FollowedIdentity(identity.chain_pem(), bundle, key=identity.key_pem())
        else:
            followed = FollowedIdentity(whole if form == "bytes" else whole.decode(), bundle)
        assert followed.identity.thumbprint == identity.thumbprint
        followed.replace(after := renewed.new())
    assert followed.identity.thumbprint == after.thumbprint
    assert "PRIVATE KEY" not in caplog.text + repr(followed)


def test_a_key_in_memory_beside_a_file_works(renewed: Renewing, tmp_path: Path) -> None:
    """And a chain of the same key is followed: a renewal need not change it."""
    two_files(tmp_path, in_place, identity := renewed.new())
    for key in (identity.key_pem(), identity.key_pem().decode()):
        followed = FollowedIdentity(tmp_path / "chain.pem", renewed.trust, key=key)
        assert followed.identity.thumbprint == identity.thumbprint
    in_place(tmp_path / "chain.pem", write_pem(identity.chain[:1]))
    assert followed.identity.chain == identity.chain[:1]


def test_an_identity_in_a_file_is_not_replaced_by_hand(renewed: Renewing) -> None:
    with pytest.raises(InvalidInput, match="follows its files"):
        FollowedIdentity(renewed.path, renewed.trust).replace(renewed.new())


def test_trust_is_followed_and_a_server_no_longer_believed_is_refused(renewed: Renewing, tmp_path: Path) -> None:
    bundle, identity = tmp_path / "trust.pem", renewed.known()
    stranger = strangers_identity(tmp_path / "stranger").chain[-1]
    bundle.write_bytes(write_pem(renewed.trust.anchors))
    followed = FollowedIdentity(identity, bundle)
    with UNPOOLED["http.client"](followed.client_context()) as get:
        assert get(renewed.url)["client"] == "woovi"
        replace(bundle, write_pem([stranger]))
        for _ in range(3):
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                get(renewed.url)
        replace(bundle, b"junk")
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            get(renewed.url)
        replace(bundle, write_pem(renewed.trust.anchors))
        assert get(renewed.url)["client"] == "woovi"
    assert followed.trust == Trust.load(bundle)


def test_a_bad_bundle_does_not_keep_the_identity_from_being_renewed(renewed: Renewing, tmp_path: Path) -> None:
    bundle = tmp_path / "trust.pem"
    bundle.write_bytes(write_pem(renewed.trust.anchors))
    path = one_file(tmp_path, in_place, renewed.new())
    followed = FollowedIdentity(path, bundle)
    bundle.unlink()
    one_file(tmp_path, replace, after := renewed.new())
    assert followed.identity.thumbprint == after.thumbprint
    assert followed.trust == renewed.trust


def test_it_shows_no_key_and_is_not_pickled(renewed: Renewing) -> None:
    followed = FollowedIdentity(renewed.path, renewed.trust)
    assert "generation 1" in repr(followed)
    for secret in (followed, followed.client_context()):
        with pytest.raises(TypeError, match="private key"):
            pickle.dumps(secret)


FORKED = """
import os, sys, threading
from mutua import FollowedIdentity, Trust
followed = FollowedIdentity(sys.argv[1], sys.argv[2])
context = followed.client_context()
held, done = threading.Event(), threading.Event()

def hold():
    with followed.lock:
        held.set()
        done.wait()

threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    os._exit(0 if context.newest() and followed.identity else 1)
status = os.waitpid(child, 0)[1]
done.set()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_does_not_wait_for_a_thread_that_it_does_not_have(renewed: Renewing, tmp_path: Path) -> None:
    (tmp_path / "trust.pem").write_bytes(write_pem(renewed.trust.anchors))
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(renewed.path), str(tmp_path / "trust.pem")]
    assert subprocess.run(command, timeout=60, check=False, env=dict(os.environ)).returncode == 0


def test_who_only_glances_never_waits_for_one_who_loads(renewed: Renewing) -> None:
    followed = FollowedIdentity(renewed.path, renewed.trust)
    before = followed.newest()
    with followed.lock:
        glanced: list[object] = []
        thread = threading.Thread(target=lambda: glanced.append(followed.glance()))
        thread.start()
        thread.join(30)
        assert glanced == [before]


class _Shipping(logging.Handler):
    """Sends each line with the very identity that it tells of, as a handler that logs over https does."""

    def __init__(self, followed: FollowedIdentity) -> None:
        super().__init__()
        self._followed = followed
        self.sent: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        thumbprint = self._followed.identity.thumbprint
        self.sent.append(f"{record.getMessage()[:30]} by {thumbprint}")


@pytest.mark.parametrize("good", [True, False], ids=["renewed", "junk"])
def test_a_log_that_is_sent_with_the_identity_does_not_wait_for_itself(
    good: bool, renewed: Renewing, tmp_path: Path
) -> None:
    path = one_file(tmp_path, in_place, before := renewed.new())
    followed, after = FollowedIdentity(path, renewed.trust), renewed.new() if good else before
    handler = _Shipping(followed)
    logger = logging.getLogger("mutua.identity")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        replace(path, after.chain_pem() + after.key_pem() if good else b"junk")
        thread = threading.Thread(target=followed.newest, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
    assert [line.rpartition(" ")[2] for line in handler.sent] == [after.thumbprint]


def test_a_trust_taken_away_is_believed_no_longer_though_loading_the_identity_was_interrupted(
    renewed: Renewing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a time limit that raises wherever the thread is, or by Ctrl-C."""
    bundle, others = tmp_path / "trust.pem", strangers_identity(tmp_path / "stranger").chain[-1:]
    bundle.write_bytes(write_pem(renewed.trust.anchors))
    path = one_file(tmp_path, in_place, renewed.new())
    followed = FollowedIdentity(path, bundle)
    replace(bundle, write_pem(others))
    in_place(path, b"junk")

    def interrupted(*_arguments: object, **_options: object) -> Identity:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Identity, "load", interrupted)
        with pytest.raises(KeyboardInterrupt):
            followed.newest()
    assert followed.trust.anchors == others
    assert followed.newest().generation == 2
