"""A first certificate, from a real authority, whatever happens meanwhile."""

import os
import socket
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mutua import Identity, Trust
from mutua.agent.folder import IdentityFolder
from mutua.agent.renewing import enroll
from mutua.errors import AlreadyExists, EstFailed, IdentityBusy, InvalidInput, RefusedEnrolment, UnsafeHome
from mutua.pki.keys import KeyType, key_type_of
from mutua.registry.invitations import Invitation, write_invitation
from tests.agent.authority import RunningAuthority, readable_for_others
from tests.agent.conftest import Command


def enrolled(invitation: Invitation, path: Path, *, key_type: KeyType = KeyType.P256, force: bool = False) -> Identity:
    return enroll(invitation, IdentityFolder(path), key_type=key_type, now=datetime.now(UTC), force=force)


def test_an_invitation_gives_an_identity_that_the_authority_knows(authority: RunningAuthority, own: Path) -> None:
    made = enrolled(authority.invite(), own / "woovi")
    read = Identity.load(own / "woovi")
    assert read.thumbprint == made.thumbprint
    assert [str(name) for name in read.names] == ["woovi"]
    assert len(read.chain) == 2
    trust = Trust.load(own / "woovi" / "trust.pem")
    assert set(trust.anchors) == set(authority.home.trust.anchors)
    with (
        socket.create_connection(("127.0.0.1", authority.port)) as plain,
        read.client_context(trust).wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        assert secured.version() == "TLSv1.3"


def test_only_its_owner_can_read_the_key_and_nothing_is_left_beside_it(authority: RunningAuthority, own: Path) -> None:
    enrolled(authority.invite(), own / "deeper" / "woovi")
    assert readable_for_others(own) == []
    keys = [path for path in own.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert [path.name for path in keys if ".versions" in path.parts] == ["key.pem"]
    assert list((own / "deeper" / ".pending" / "woovi").iterdir()) == []


@pytest.mark.parametrize("kind", [KeyType.P384, KeyType.RSA2048, KeyType.ED25519])
def test_the_key_is_of_the_kind_that_was_asked_for(authority: RunningAuthority, own: Path, kind: KeyType) -> None:
    assert key_type_of(enrolled(authority.invite(), own / "woovi", key_type=kind).key.public_key()) is kind


def test_a_server_is_certified_for_the_names_of_its_invitation(authority: RunningAuthority, own: Path) -> None:
    from mutua.pki.names import parse_name

    made = enrolled(authority.invite(profile="server", names=[parse_name("api.acme.example")]), own / "api")
    assert [str(name) for name in made.names] == ["api.acme.example"]


def test_the_same_invitation_gives_the_same_identity_again(authority: RunningAuthority, own: Path) -> None:
    invitation = authority.invite()
    first = enrolled(invitation, own / "woovi")
    assert enrolled(invitation, own / "woovi").thumbprint == first.thumbprint


def test_a_lost_answer_costs_nothing_for_the_same_key_asks_again(authority: RunningAuthority, own: Path) -> None:
    invitation = authority.invite()
    folder = IdentityFolder(own / "woovi")
    with folder.alone():
        waiting = folder.pending_key(KeyType.P256)
    from mutua.outbound.est import EstClient
    from mutua.pki.requests import write_request

    client = EstClient(invitation.url, Trust((invitation.anchor,)))
    lost = client.enroll("woovi", invitation.token, write_request(waiting, ()))
    assert enrolled(invitation, own / "woovi").certificate == lost


def test_a_used_invitation_gives_another_machine_nothing(authority: RunningAuthority, own: Path) -> None:
    invitation = authority.invite()
    enrolled(invitation, own / "woovi")
    with pytest.raises(RefusedEnrolment, match="401"):
        enrolled(invitation, own / "thief")
    assert not IdentityFolder(own / "thief").exists


def test_an_identity_is_replaced_only_by_force(authority: RunningAuthority, own: Path) -> None:
    first = enrolled(authority.invite(), own / "woovi")
    with pytest.raises(AlreadyExists):
        enrolled(authority.invite(), own / "woovi")
    assert Identity.load(own / "woovi").thumbprint == first.thumbprint
    assert enrolled(authority.invite(), own / "woovi", force=True).thumbprint != first.thumbprint


def test_what_somebody_else_has_made_is_never_replaced(authority: RunningAuthority, own: Path) -> None:
    (own / "woovi").mkdir()
    (own / "woovi" / "precious").touch()
    invitation = authority.invite()
    with pytest.raises(AlreadyExists):
        enrolled(invitation, own / "woovi", force=True)
    assert (own / "woovi" / "precious").exists()
    assert enrolled(invitation, own / "elsewhere"), "the invitation was not used up by it"


def test_a_second_process_is_told_that_the_first_is_at_it(authority: RunningAuthority, own: Path) -> None:
    with IdentityFolder(own / "woovi").alone(), pytest.raises(IdentityBusy):
        enrolled(authority.invite(), own / "woovi")


def test_a_name_that_cannot_be_a_folder_is_refused_before_anything_is_asked(own: Path) -> None:
    with pytest.raises(InvalidInput):
        IdentityFolder(own / "..woovi")


class Eavesdropper:
    """A TLS server with a certificate of its own; ``heard`` is what anybody has told it."""

    def __init__(self, identity: Identity) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        from mutua.tls.files import load_cert_chain

        load_cert_chain(self._context, identity.key, identity.chain_pem())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = b""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        plain, _ = self._listener.accept()
        with plain:
            plain.settimeout(30)
            try:
                with self._context.wrap_socket(plain, server_side=True) as secured:
                    self.heard = secured.recv(4096)
            except OSError:
                return

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


def test_nobody_but_the_server_of_the_invitation_is_ever_told_the_token(
    authority: RunningAuthority, own: Path, tmp_path: Path
) -> None:
    from mutua import Home
    from tests.conftest import CHEAP_SEALING

    with Home.create(tmp_path / "mallory", name="Acme Payments", sealing_cost=CHEAP_SEALING) as mallory:
        listening = Eavesdropper(mallory.authority.issue_server("localhost"))
    try:
        invitation = replace(authority.invite(), url=f"https://localhost:{listening.port}")
        with pytest.raises(EstFailed) as caught:
            enrolled(invitation, own / "woovi")
    finally:
        listening.close()
    assert listening.heard == b""
    assert invitation.token not in str(caught.value)
    assert not IdentityFolder(own / "woovi").exists


def test_a_server_of_another_name_is_told_nothing_either(authority: RunningAuthority, own: Path) -> None:
    other = authority.home.authority.issue_server("other.acme.example")
    listening = Eavesdropper(other)
    try:
        with pytest.raises(EstFailed):
            enrolled(replace(authority.invite(), url=f"https://localhost:{listening.port}"), own / "woovi")
    finally:
        listening.close()
    assert listening.heard == b""


def test_the_command_line_enrols_from_a_file_and_runs_what_comes_after(
    authority: RunningAuthority,
    command: Command,
    tmp_path: Path,
) -> None:
    (tmp_path / "woovi.invitation").write_text(write_invitation(authority.invite()) + "\n")
    options = ("--file", "woovi.invitation", "--to", "id/woovi")
    done = command("enroll", *options, "--hook", "touch 'it has run'", "--json")
    assert (done.returncode, '"thumbprint"' in done.stdout) == (0, True)
    assert (tmp_path / "it has run").exists()
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    failed = command("enroll", *options, "--hook", "false")
    assert failed.returncode == 1, "the identity is there, and the hook has failed"
    assert "'false' has failed with 1" in failed.stderr


def test_the_command_line_takes_an_invitation_from_stdin(
    authority: RunningAuthority,
    command: Command,
    tmp_path: Path,
) -> None:
    line = write_invitation(authority.invite())
    done = command("enroll", "-", input=line)
    assert (done.returncode, (tmp_path / "woovi" / "key.pem").exists()) == (0, True)
    assert "mutua agent --identity" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--file", "absent"), 3),
        (("nonsense",), 3),
        (("nonsense", "--file", "absent"), 2),
        (("nonsense", "--hook", "'"), 2),
    ],
)
def test_what_makes_no_sense_is_refused(command: Command, arguments: tuple[str, ...], code: int) -> None:
    done = command("enroll", *arguments)
    assert (done.returncode, done.stderr.startswith("error: ")) == (code, True)


def test_an_expired_invitation_says_what_to_type(authority: RunningAuthority, own: Path) -> None:
    invitation = authority.invite(expires=timedelta(seconds=1))
    authority.home.invitations.withdraw("woovi")
    with pytest.raises(RefusedEnrolment) as caught:
        enrolled(invitation, own / "woovi")
    assert "mutua client invite" in caught.value.hint


@pytest.mark.parametrize("where", [".pending", ".pending/woovi", ".versions", "."])
def test_a_folder_that_others_can_write_gets_no_key(authority: RunningAuthority, own: Path, where: str) -> None:
    """Else somebody could leave a key of his own there, and we would have it certified."""
    (own / where).mkdir(parents=True, exist_ok=True)
    (own / where).chmod(0o777)
    invitation = authority.invite()
    with pytest.raises(UnsafeHome):
        enrolled(invitation, own / "woovi")
    assert [path for path in own.rglob("*") if path.is_file()] == []
    (own / where).chmod(0o700)
    assert enrolled(invitation, own / "woovi"), "the invitation was not used up by it"


def test_the_folder_of_another_user_gets_no_key(authority: RunningAuthority, own: Path) -> None:
    (own / ".pending").mkdir(mode=0o700)
    try:
        os.chown(own / ".pending", 65534, 65534)
    except PermissionError:
        return  # only root can give a folder away
    with pytest.raises(UnsafeHome):
        enrolled(authority.invite(), own / "woovi")
