"""The sockets in ``run/``: their modes, their names, and who may use them."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mutua.errors import UnreadableFile, UnsafeHome
from mutua.inbound.seen.run_folder import FOLDER, MAX_PATH_BYTES, connect, credentials, listen, parent_of, sockets


@pytest.fixture
def mask() -> Iterator[None]:
    """The most generous umask there is."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_socket_are_the_owners_alone_whatever_the_umask(tmp_path: Path, mask: None) -> None:
    listener, path = listen(tmp_path)
    with closing(listener):
        assert path == tmp_path / FOLDER / f"{os.getpid()}.sock"
        assert (mode(path.parent), mode(path)) == (0o700, 0o600)
        assert sockets(path.parent) == [path]


@pytest.mark.parametrize("length", [MAX_PATH_BYTES - 1, MAX_PATH_BYTES, MAX_PATH_BYTES + 1, 250, 1000])
def test_a_path_of_any_length_works(tmp_path: Path, length: int) -> None:
    name = f"/{FOLDER}/{os.getpid()}.sock"
    home = tmp_path
    while (missing := length - len(str(home)) - len(name)) > 1:
        home = home / ("d" * min(missing - 1, 200))
    home.mkdir(parents=True, exist_ok=True)
    listener, path = listen(home)
    with closing(listener), connect(path, 30) as connection:
        assert path.exists()
        assert credentials(connection) == (os.getpid(), os.getuid())


def test_what_the_dead_left_is_removed_and_the_living_stay(tmp_path: Path) -> None:
    living, kept = listen(tmp_path)
    dead, left = listen(tmp_path)
    dead.close()
    assert left.exists()
    assert left != kept
    with closing(living):
        listener, path = listen(tmp_path)
        with closing(listener):
            assert sockets(tmp_path / FOLDER) == sorted([kept, path])


def test_one_that_is_bound_by_another_of_that_pid_is_not_taken_away(tmp_path: Path) -> None:
    first, one = listen(tmp_path)
    second, other = listen(tmp_path)
    with closing(first), closing(second):
        assert one.name == f"{os.getpid()}.sock"
        assert other.name == f"{os.getpid()}-1.sock"


def test_a_folder_that_others_can_write_is_refused_by_both_sides(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UnsafeHome):
        listen(tmp_path)
    with pytest.raises(UnsafeHome):
        sockets(folder)


def test_where_no_folder_can_be_made_that_is_said(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(UnreadableFile, match=FOLDER):
        listen(tmp_path)
    assert sockets(tmp_path / FOLDER) == []
    assert sockets(tmp_path / "nothing") == []


def test_nobody_can_see_a_socket_that_does_not_listen_yet(tmp_path: Path) -> None:
    """Who finds one that is bound and not listening takes it for dead, so there is a lock around both."""
    (tmp_path / FOLDER).mkdir(mode=0o700)
    folder = os.open(tmp_path / FOLDER, os.O_RDONLY)
    try:
        import fcntl

        fcntl.flock(folder, fcntl.LOCK_EX)
        program = f"import sys; from pathlib import Path; from mutua.inbound.seen.run_folder import listen\n\
print('asked', flush=True); listen(Path({str(tmp_path)!r})); print('has it', flush=True)"
        other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "asked\n"
        assert sockets(tmp_path / FOLDER) == []
        fcntl.flock(folder, fcntl.LOCK_UN)
        assert other.communicate(timeout=60)[0] == "has it\n"
    finally:
        os.close(folder)


def test_a_parent_is_known_and_that_of_nobody_is_none() -> None:
    assert parent_of(os.getpid()) == os.getppid()
    assert parent_of(0) == parent_of(-1) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_cannot_connect() -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o711)
        listener, path = listen(home)
        program = f"import os, socket\nos.setresuid(65534, 65534, 65534)\n\
try: socket.socket(socket.AF_UNIX).connect({str(path)!r}); print('in')\nexcept PermissionError: print('out')"
        with closing(listener):
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
            assert done.stdout == "out\n"
            path.parent.chmod(0o711)  # even then the socket itself is shut
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
            assert done.stdout == "out\n"


def test_a_listener_takes_connections(tmp_path: Path) -> None:
    listener, path = listen(tmp_path)
    with closing(listener), connect(path, 30) as connection:
        there, _ = listener.accept()
        with there:
            there.sendall(b"hello")
            assert connection.recv(5) == b"hello"
        assert listener.family == socket.AF_UNIX
