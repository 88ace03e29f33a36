"""SIGKILL at each thing that is done to disk and network: nothing is left readable, and to repeat it is enough."""

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mutua import Identity
from mutua.agent.folder import IdentityFolder
from mutua.agent.renewing import enroll, renew
from mutua.pki.keys import KeyType
from mutua.registry.invitations import write_invitation
from tests.agent.authority import RunningAuthority, readable_for_others
from tests.conftest import soak
from tests.serving import ROOT

MOST = 200
"""Things that are done; it is far fewer, and each test goes on until nothing is killed any more."""


def killed(at: int, what: str, path: Path, told: str = "") -> bool:
    """Whether it was killed before it came to its end."""
    command = [sys.executable, "-m", "tests.agent.killed", str(at), what, str(path)]
    done = subprocess.run(command, cwd=ROOT, input=told, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_an_enrolment_that_was_killed_anywhere_is_repeated_to_its_end(
    authority: RunningAuthority, tmp_path: Path
) -> None:
    points = 0
    for at in range(2, MOST, soak(17, 1)):
        own = tmp_path / str(at)
        own.mkdir(mode=0o700)
        invitation = authority.invite()
        if not killed(at, "enroll", own / "woovi", write_invitation(invitation)):
            break
        points += 1
        assert readable_for_others(own) == []
        if IdentityFolder(own / "woovi").exists:
            assert Identity.load(own / "woovi"), "if it is there, it is whole"
        made = enroll(invitation, IdentityFolder(own / "woovi"), key_type=KeyType.P256, now=datetime.now(UTC))
        assert Identity.load(own / "woovi").thumbprint == made.thumbprint
        assert readable_for_others(own) == []
        assert list((own / ".pending" / "woovi").iterdir()) == []
    else:
        raise AssertionError("it never came to its end")
    assert points >= soak(1, 25)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_renewal_that_was_killed_anywhere_leaves_a_whole_identity_that_is_renewed(
    authority: RunningAuthority, own: Path
) -> None:
    folder = IdentityFolder(own / "woovi")
    enroll(authority.invite(), folder, key_type=KeyType.P256, now=datetime.now(UTC))
    points = 0
    for at in range(3, MOST, soak(17, 1)):
        if not killed(at, "renew", folder.path):
            break
        points += 1
        before = folder.load()
        assert readable_for_others(own) == []
        assert renew(folder, home=None, now=datetime.now(UTC)).thumbprint != before.thumbprint
        assert readable_for_others(own) == []
        assert list((own / ".pending" / "woovi").iterdir()) == []
        versions = [path for path in (own / ".versions" / "woovi").iterdir() if path.is_dir()]
        assert len(versions) == 2
    else:
        raise AssertionError("it never came to its end")
    assert points >= soak(1, 25)
