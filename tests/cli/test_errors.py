"""Bad input: three lines on stderr, nothing on stdout, and the exit code a script can rely on."""

import os
import socket
from pathlib import Path

import click
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from mutua import Home
from mutua.cli import COMMANDS
from mutua.cli.exits import ExitCode, exit_code
from mutua.errors import InvalidInput, MutuaError, NetworkError, NotAllowed, Unreadable
from tests.cli.conftest import Run

USAGE, UNREADABLE, NOT_ALLOWED, NETWORK = 2, 3, 4, 5
EVERYWHERE = [
    ("client", "add", "bank"),
    ("client", "list"),
    ("client", "show", "woovi"),
    ("client", "suspend", "woovi"),
    ("client", "resume", "woovi"),
    ("cert", "issue", "client", "woovi"),
    ("cert", "list"),
    ("cert", "show", "abcdef"),
    ("cert", "revoke", "abcdef"),
    ("audit", "verify"),
]


@pytest.mark.parametrize("arguments", EVERYWHERE)
def test_a_missing_home(mutua: Run, arguments: tuple[str, ...]) -> None:
    result = mutua(*arguments, "--home", "nowhere")
    assert result.code == UNREADABLE
    assert result.error() == "there is no home at 'nowhere'"
    assert "hint:  mutua init\n" in result.err


def test_a_second_init_changes_nothing(mutua: Run, home: Home) -> None:
    before = {path: path.read_bytes() for path in home.path.iterdir() if path.is_file()}
    result = mutua("init")
    assert result.code == NOT_ALLOWED
    assert "already" in result.error()
    assert {path: path.read_bytes() for path in home.path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("client", "show", "bank"), USAGE, "knows no client 'bank'"),
        (("client", "show", os.fsdecode(b"\xff")), USAGE, "knows no client"),
        (("client", "suspend", "bank"), USAGE, "knows no client 'bank'"),
        (("client", "resume", "bank"), USAGE, "knows no client 'bank'"),
        (("cert", "issue", "client", "bank"), USAGE, "knows no client 'bank'"),
        (("cert", "list", "--client", "bank"), USAGE, "knows no client 'bank'"),
        (("client", "add", "Bank"), USAGE, "'Bank' cannot name a client"),
        (("client", "add", ""), USAGE, "'' cannot name a client"),
        (("client", "add", "woovi"), NOT_ALLOWED, "registered already"),
        (("client", "add", "bank", "--allow", "POST"), USAGE, "slash"),
        (("cert", "issue", "server", "a b"), USAGE, "'a b' cannot name an identity"),
        (("cert", "issue", "server", "a b", "--identity", "x"), USAGE, "'a b' is not a name for a certificate"),
        (("cert", "issue", "server", ""), USAGE, "a name is empty"),
        (("cert", "issue", "server", "x.example", "--identity", "../x"), USAGE, "cannot name an identity"),
        (("cert", "issue", "server", "x.example", "--days", "399"), USAGE, "up to 398 days"),
        (("cert", "issue", "server", "x.example", "--days", "0"), USAGE, "'--days'"),
        (("cert", "issue", "server", "x.example", "--key-type", "dsa"), USAGE, "'dsa' is not one of"),
        (("cert", "issue", "ca", "x.example"), USAGE, "'ca' is not one of"),
        (("cert", "issue", "server"), USAGE, "Missing argument"),
        (("cert", "issue"), USAGE, "Missing argument"),
        (("cert", "issue", "client", "woovi"), NOT_ALLOWED, "'woovi' is there already"),
        (("cert", "show", "abcdef"), USAGE, "no certificate 'abcdef'"),
        (("cert", "show", "abc"), USAGE, "no certificate 'abc'"),
        (("cert", "show", os.fsdecode(b"\xff" * 6)), USAGE, "no certificate"),
        (("cert", "revoke", "abcdef"), USAGE, "no certificate 'abcdef'"),
        (("cert", "revoke", "abcdef", "--reason", "boredom"), USAGE, "'boredom' is not one of"),
        (("init", ""), USAGE, "an organization's name"),
        (("init", "x" * 65, "--home", "new"), USAGE, "an organization's name"),
        (("init", "--home", "."), NOT_ALLOWED, "already"),
        (("init", "--home", "home/mutua.toml/x"), UNREADABLE, "no home can be made"),
        (("call", "http://127.0.0.1/"), USAGE, "cannot be called"),
        (("call", "nonsense"), USAGE, "cannot be called"),
        (("call", "https://127.0.0.1/", "--identity", "bank"), USAGE, "no identity 'bank'"),
        (("call", "https://127.0.0.1/", "--key", "k.pem"), USAGE, "need --identity"),
        (("call", "https://127.0.0.1/", "--timeout", "0"), USAGE, "'--timeout'"),
        (("call", "https://127.0.0.1/", "--trust", "nowhere.pem"), UNREADABLE, "cannot be read"),
        (("client", "list", "--nope"), USAGE, "No such option '--nope'"),
        (("--nope",), USAGE, "No such option '--nope'"),
        (("nope",), USAGE, "No such command 'nope'"),
        (("client", "nope"), USAGE, "No such command 'nope'"),
        (("client", "show"), USAGE, "Missing argument 'NAME'"),
        (("client", "list", "extra"), USAGE, "unexpected extra argument"),
        (("serve", "a:b"), USAGE, "Missing option '--identity'"),
        (("serve", "a:b", "--identity", "api", "--port", "70000"), USAGE, "70000"),
        (("serve", "a:b", "--identity", "api", "--port", "0", "--reload"), USAGE, "fixed port"),
    ],
)
def test_bad_input_changes_nothing(mutua: Run, home: Home, arguments: tuple[str, ...], code: int, told: str) -> None:
    events, files = home.audit.verify(), sorted(home.path.parent.iterdir())
    result = mutua(*arguments)
    assert told in result.error()
    assert result.code == code
    assert home.audit.verify() == events
    assert sorted(home.path.parent.iterdir()) == files


@pytest.mark.parametrize("arguments", [(), ("client",), ("cert",), ("audit",)])
def test_a_noun_alone_shows_its_help_and_is_no_success(mutua: Run, arguments: tuple[str, ...]) -> None:
    result = mutua(*arguments)
    assert result.code == USAGE
    assert result.out == ""
    assert result.err.startswith(f"Usage: {' '.join(('mutua', *arguments))} ")
    assert "\n  Examples:\n    mutua " in result.err


def write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("encrypted.pem", "the private key is encrypted"),
        ("encrypted.p12", "password"),
        ("chain.pem", "no private key"),
        ("key.pem", "certificate"),
        ("mismatch.pem", "does not belong"),
        ("junk.pem", "nothing in it is of a known kind"),
        ("empty.pem", "the file is empty"),
        ("huge.pem", "larger than"),
        ("/proc/self/mem", "cannot be read"),
    ],
)
def test_an_identity_that_cannot_be_used(mutua: Run, home: Home, name: str, told: str) -> None:
    one, two = home.identities.load("woovi"), home.identities.load("api")
    sealed = BestAvailableEncryption(b"secret")
    files = {
        "encrypted.pem": one.key_pem(b"secret") + one.chain_pem(),
        "encrypted.p12": serialize_key_and_certificates(b"woovi", one.key, one.certificate, None, sealed),
        "chain.pem": one.chain_pem(),
        "key.pem": one.key_pem(),
        "mismatch.pem": one.key_pem() + two.chain_pem(),
        "junk.pem": b"junk",
        "empty.pem": b"",
        "huge.pem": b"-" * 300_000,
    }
    if name in files:
        write(home.path.parent, name, files[name])
    result = mutua("call", "https://127.0.0.1:1/", "--identity", name)
    assert told in result.error()
    assert result.code == UNREADABLE


def test_a_wrong_password_and_an_empty_password_file(mutua: Run, home: Home) -> None:
    one, folder = home.identities.load("woovi"), home.path.parent
    path = write(folder, "e.pem", one.key_pem(b"secret") + one.chain_pem())
    write(folder, "wrong", b"guess\n")
    write(folder, "empty", b"\n")
    arguments = ("call", "https://127.0.0.1:1/", "--identity", path, "--password-file")
    assert mutua(*arguments, "wrong").code == UNREADABLE
    assert "does not open" in mutua(*arguments, "wrong").error()
    assert mutua(*arguments, "missing").code == UNREADABLE
    assert mutua(*arguments, "empty").code == USAGE


def test_a_broken_audit_trail(mutua: Run, home: Home) -> None:
    with home.store.write() as connection:
        connection.exec_driver_sql("UPDATE events SET actor = 'mallory' WHERE id = 2")
    result = mutua("audit", "verify")
    assert result.code == NOT_ALLOWED
    assert result.error() == "the audit trail is broken at event 2"


def test_revoking_twice(mutua: Run, home: Home) -> None:
    thumbprint = home.identities.load("woovi").thumbprint
    assert mutua("cert", "revoke", thumbprint).code == 0
    result = mutua("cert", "revoke", thumbprint)
    assert result.code == NOT_ALLOWED
    assert "was revoked at" in result.error()


def test_a_home_that_others_can_write(mutua: Run, home: Home) -> None:
    home.path.chmod(0o777)
    result = mutua("client", "list")
    assert result.code == NOT_ALLOWED
    assert "other users can write" in result.error()


def test_a_damaged_store(mutua: Run, home: Home) -> None:
    home.close()
    (home.path / "store.db").write_bytes(b"damaged" * 1000)
    result = mutua("client", "list")
    assert result.code == UNREADABLE
    assert "cannot be" in result.error()


def test_no_passphrase_and_a_wrong_one(mutua: Run, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.path / "passphrase").unlink()
    result = mutua("cert", "issue", "server", "localhost")
    assert result.code == NOT_ALLOWED
    assert "no passphrase" in result.error()
    monkeypatch.setenv("MUTUA_PASSPHRASE", "hunter2")
    result = mutua("cert", "issue", "server", "localhost")
    assert result.code == NOT_ALLOWED
    assert "does not unseal" in result.error()
    assert "hunter2" not in result.err
    assert not home.identities.path("localhost").exists()


def test_a_server_that_is_not_there(mutua: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        result = mutua("call", f"https://127.0.0.1:{taken.getsockname()[1]}/", "--identity", "woovi", "--json")
    assert result.code == NETWORK
    assert result.json["status"] is None
    assert result.json["findings"]


SERVE = ("serve", "--home", "home", "--identity")


@pytest.mark.parametrize(
    ("app", "identity", "code", "told"),
    [
        ("nowhere_at_all:app", "api", UNREADABLE, "No module named"),
        ("ok:nothing", "api", UNREADABLE, "has no 'nothing'"),
        ("ok:number", "api", UNREADABLE, "is not an ASGI application"),
        ("raises:app", "api", UNREADABLE, "RuntimeError: it broke\\x1b[31m"),
        ("wrong:app", "api", UNREADABLE, "SyntaxError"),
        ("leaves:app", "api", UNREADABLE, "SystemExit"),
        ("ok", "api", UNREADABLE, "does not name an application"),
        ("ok:app", "bank", USAGE, "no identity 'bank'"),
        ("ok:app", "x" * 5000, USAGE, "no identity"),
    ],
)
def test_what_cannot_be_served(
    mutua_process: Run, tmp_path: Path, app: str, identity: str, code: int, told: str
) -> None:
    write(tmp_path, "ok.py", b"number = 5\nasync def app(scope, receive, send): ...\n")
    write(tmp_path, "raises.py", b"raise RuntimeError('it broke\\x1b[31m')\n")
    write(tmp_path, "leaves.py", b"raise SystemExit(0)\n")
    write(tmp_path, "wrong.py", b"def\n")
    result = mutua_process(*SERVE, identity, "--port", "0", app)
    assert told in result.error()
    assert result.code == code


def test_a_port_in_use_and_an_address_of_nobody(mutua_process: Run, tmp_path: Path) -> None:
    write(tmp_path, "ok.py", b"async def app(scope, receive, send): ...\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = mutua_process(*SERVE, "api", "ok:app", "--port", str(port))
    assert result.code == NETWORK
    assert f"the port {port} on 127.0.0.1 is in use" in result.error()
    assert f"--port {port + 1}" in result.err
    result = mutua_process(*SERVE, "api", "ok:app", "--port", "0", "--host", "192.0.2.1")
    assert result.code == USAGE
    assert "192.0.2.1" in result.error()


@click.command()
@click.argument("how")
def fail(how: str) -> None:
    raise {"bug": LookupError("secret detail"), "interrupt": KeyboardInterrupt(), "plain": MutuaError("no\x1b[31m")}[
        how
    ]


@pytest.mark.parametrize(("how", "code"), [("bug", 70), ("interrupt", 130), ("plain", 1)])
def test_bugs_and_interruptions_have_codes_of_their_own(
    mutua: Run, monkeypatch: pytest.MonkeyPatch, how: str, code: int
) -> None:
    monkeypatch.setitem(COMMANDS, "fail", (f"{__name__}:fail", ""))
    result = mutua("fail", how)
    assert result.code == code
    assert result.out == ""
    if how == "bug":
        assert "Traceback" in result.err
        assert "error: a bug in mutua: LookupError\nhint:  report" in result.err
    assert "\x1b" not in result.err


def test_every_branch_of_the_tree_has_its_exit_code() -> None:
    branches = {InvalidInput: 2, Unreadable: 3, NotAllowed: 4, NetworkError: 5, MutuaError: 1}
    for branch, code in branches.items():
        assert exit_code(branch("x")) is ExitCode(code)
    for branch, code in list(branches.items())[:4]:
        assert branch.__subclasses__()
        assert {exit_code(leaf("x")) for leaf in branch.__subclasses__()} == {code}
