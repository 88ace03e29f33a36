"""``mutua cert export``: each format, where the key may go and where it may not, and passwords."""

import errno
import json
import os
import pty
import stat
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest

from mutua import Home, Identity
from mutua.pki.certificates import read_certificates, write_der, write_pem
from mutua.pki.keys import read_private_key, write_private_key
from mutua.pki.pkcs7 import read_pkcs7, write_pkcs7
from mutua.pki.pkcs12 import COMPATIBLE_ITERATIONS, open_pkcs12, write_pkcs12
from tests.cli.conftest import Result, Run
from tests.outbound.issuers import KEY, line
from tests.pki.pkcs12_reading import read_pkcs12

USAGE, UNREADABLE, NOT_ALLOWED = 2, 3, 4
FACTS = {"file", "format", "thumbprint", "not_after", "certificates", "has_key", "encrypted"}


@pytest.fixture
def woovi(home: Home) -> Identity:
    """The client of the home."""
    return home.identities.load("woovi")


@pytest.fixture
def password(tmp_path: Path) -> str:
    """A password file."""
    (tmp_path / "password").write_bytes(b"secret\nnot this line\n")
    return "password"


def test_a_chain_goes_into_a_file_of_ones_own(mutua: Run, woovi: Identity, tmp_path: Path) -> None:
    result = mutua("cert", "export", "woovi", "--format", "pem")
    assert result.code == 0
    assert (tmp_path / "woovi.pem").read_bytes() == woovi.chain_pem()
    assert [line.split()[0] for line in result.out.splitlines()] == [
        "file",
        "certificate",
        "thumbprint",
        "until",
        "private",
    ]
    assert "private key  not in it" in result.out
    assert "next:  mutua cert inspect woovi.pem\n" in result.err


def test_each_format_holds_what_it_can(mutua: Run, home: Home, woovi: Identity, tmp_path: Path, password: str) -> None:
    for kind, options in (("der", []), ("p7b", []), ("p12", ["--password-file", password]), ("kubernetes", [])):
        result = mutua("cert", "export", "woovi", "--format", kind, *options, "--json")
        assert set(result.json) == FACTS
        assert result.json["thumbprint"] == woovi.thumbprint
        assert result.json["has_key"] == (kind in {"p12", "kubernetes"})
        assert result.json["encrypted"] == (kind == "p12")
    assert (tmp_path / "woovi.der").read_bytes() == write_der(woovi.certificate)
    assert set(read_pkcs7((tmp_path / "woovi.p7b").read_bytes())) == set(woovi.chain)
    key, chain = read_pkcs12((tmp_path / "woovi.p12").read_bytes(), b"secret")
    assert (write_private_key(key), chain) == (woovi.key_pem(), woovi.chain)
    secret = (tmp_path / "woovi.yaml").read_text()
    entries = dict(line.strip().split(": ") for line in secret.splitlines() if line.startswith("  "))
    assert json.loads(entries["name"]) == "woovi"
    data = {name: b64decode(json.loads(value)) for name, value in entries.items() if "." in name}
    assert data["tls.crt"] == woovi.chain_pem()
    assert data["tls.key"] == woovi.key_pem()
    assert data["ca.crt"] == (home.path / "ca.pem").read_bytes()


@pytest.mark.parametrize("kind", ["pem", "der", "p12", "p7b", "kubernetes"])
def test_files_are_private_whole_and_never_replaced_by_accident(
    mutua: Run, tmp_path: Path, password: str, kind: str
) -> None:
    options = ("--password-file", password) if kind == "p12" else ()
    command = ("cert", "export", "woovi", "--format", kind, *options, "--out", "out")
    before = set(tmp_path.iterdir())
    assert mutua(*command).code == 0
    out = tmp_path / "out"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert set(tmp_path.iterdir()) - before == {out}
    out.write_bytes(b"mine")
    result = mutua(*command)
    assert (result.code, result.error()) == (NOT_ALLOWED, "'out' is there already")
    assert out.read_bytes() == b"mine"
    assert mutua(*command, "--force").code == 0
    assert out.read_bytes() != b"mine"


def test_a_link_is_replaced_and_not_followed(mutua: Run, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "out").symlink_to("theirs")
    command = ("cert", "export", "woovi", "--format", "pem", "--out", "out")
    assert mutua(*command).code == NOT_ALLOWED
    assert mutua(*command, "--force").code == 0
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    assert not (tmp_path / "out").is_symlink()


def test_a_key_in_pem_is_there_on_request_only_and_encrypted_on_request(
    mutua: Run, woovi: Identity, tmp_path: Path, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("cert", "export", "woovi", "--format", "pem", "--force")
    assert mutua(*command, "--cert-only").code == 0
    assert b"PRIVATE" not in (tmp_path / "woovi.pem").read_bytes()
    result = mutua(*command, "--with-key")
    assert "private key  NOT encrypted" in result.out
    assert "note:  whoever can read the file has the key" in result.err
    assert (tmp_path / "woovi.pem").read_bytes() == woovi.key_pem() + woovi.chain_pem()
    for given in ("file", "environment"):
        if given == "environment":
            monkeypatch.setenv("MUTUA_EXPORT_PASSWORD", "secret")
        option = ("--password-file", password) if given == "file" else ()
        assert "private key  encrypted" in mutua(*command, "--with-key", *option).out
        data = (tmp_path / "woovi.pem").read_bytes()
        assert data.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        assert write_private_key(read_private_key(data, b"secret")) == woovi.key_pem()


def test_a_key_goes_to_stdout_when_that_was_typed(mutua_process: Run, home: Home, woovi: Identity) -> None:
    where = {"env": {**os.environ, "MUTUA_HOME": str(home.path)}}
    result = mutua_process("cert", "export", "woovi", "--format", "pem", "--with-key", "--out", "-", **where)
    assert (result.code, result.err) == (0, "")
    assert result.out.encode() == woovi.key_pem() + woovi.chain_pem()
    result = mutua_process("cert", "export", "woovi", "--format", "pem", "--out", "-", "--json", **where)
    assert (result.code, result.out) == (USAGE, "")


def test_a_compatible_file_for_openssl_with_a_name_of_ones_own(
    mutua: Run, peer: Callable[[str], str], tmp_path: Path, password: str
) -> None:
    command = ("cert", "export", "woovi", "--format", "p12", "--password-file", password)
    result = mutua(*command, "--compatible", "--name", "Acme ção")
    assert "note:  this encryption is weak" in result.err
    (key,) = open_pkcs12((tmp_path / "woovi.p12").read_bytes(), b"secret").keys
    assert key.friendly_name == "Acme ção"
    told = subprocess.run(
        [peer("openssl"), "pkcs12", "-in", "woovi.p12", "-info", "-noout", "-passin", "pass:secret"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stderr
    assert f"pbeWithSHA1And3-KeyTripleDES-CBC, Iteration {COMPATIBLE_ITERATIONS}" in told


def test_the_password_comes_from_the_environment(mutua: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUTUA_EXPORT_PASSWORD", "pässwörd")
    assert mutua("cert", "export", "woovi", "--format", "p12", "--compatible").code == 0
    assert open_pkcs12((tmp_path / "woovi.p12").read_bytes(), "pässwörd".encode()).keys


# Makes the terminal on stdin its own, where a password is asked for, and becomes the program.
ON_ITS_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "mutua", *sys.argv[1:]])
"""


def on_a_terminal(home: Home, folder: Path, typed: list[bytes], *arguments: str) -> tuple[int, bytes]:
    """Run a command on a terminal of its own, and type a line at each question."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", ON_ITS_TERMINAL, *arguments],
        cwd=folder,
        env={**os.environ, "MUTUA_HOME": str(home.path)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while read := _until_closed(ours):
        shown += read
        if typed and shown.rstrip().endswith(b":"):
            os.write(ours, typed.pop(0) + b"\n")
            shown += b"|"
    os.close(ours)
    return child.wait(60), shown


def _until_closed(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says EIO once the program has ended
        return b""


def test_the_password_is_asked_for_twice_and_never_shown(home: Home, tmp_path: Path) -> None:
    command = ("cert", "export", "woovi", "--format", "p12", "--compatible")
    code, shown = on_a_terminal(home, tmp_path, [b"s3cret", b"s3cret"], *command)
    assert code == 0, shown
    assert b"s3cret" not in shown
    assert shown.count(b": |") == 2
    assert open_pkcs12((tmp_path / "woovi.p12").read_bytes(), b"s3cret").keys


def test_a_password_typed_differently_the_second_time_is_asked_for_anew(home: Home, tmp_path: Path) -> None:
    typed = [b"s3cret", b"other", b"s3cret", b"s3cret"]
    code, shown = on_a_terminal(home, tmp_path, typed, "cert", "export", "woovi", "--format", "p12", "--compatible")
    assert (code, typed) == (0, []), shown


def test_inspect_asks_for_the_password_of_a_file(home: Home, woovi: Identity, tmp_path: Path) -> None:
    data = write_pkcs12(woovi.key, woovi.chain, password=b"s3cret", compatible=True)
    (tmp_path / "bank.p12").write_bytes(data)
    code, shown = on_a_terminal(home, tmp_path, [b"s3cret"], "cert", "inspect", "bank.p12")
    assert (code, b"s3cret" in shown) == (0, False)
    assert b"PKCS#12 with 1 private key, 2 certificates" in shown
    code, shown = on_a_terminal(home, tmp_path, [b"s3cret"], "cert", "export", "bank.p12", "--format", "pem")
    assert (code, read_certificates((tmp_path / "bank.pem").read_bytes())) == (0, woovi.chain), shown


def test_without_a_password_and_a_terminal_nothing_is_written(mutua: Run, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    result = mutua("cert", "export", "woovi", "--format", "p12")
    assert result.code == USAGE
    assert "no password" in result.error()
    assert "--password-file FILE, or set MUTUA_EXPORT_PASSWORD" in result.err
    assert set(tmp_path.iterdir()) == before


def test_a_file_in_any_format_is_a_source(mutua: Run, woovi: Identity, tmp_path: Path, password: str) -> None:
    leaf, ca = woovi.chain
    files = {
        "both.pem": woovi.chain_pem() + woovi.key_pem(),
        "sealed.p12": write_pkcs12(woovi.key, woovi.chain, password=b"secret", compatible=True),
        "chain.pem": woovi.chain_pem(),
        "key.pem": woovi.key_pem(b"secret"),
        "turned.p7b": write_pkcs7([ca, leaf]),
        "leaf.der": write_der(leaf),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    command = ("cert", "export")
    opened = ("--source-password-file", password)
    for source in (["both.pem"], ["sealed.p12", *opened], ["chain.pem", "--key", "key.pem", *opened]):
        assert mutua(*command, *source, "--format", "pem", "--with-key", "--out", "out", "--force").code == 0
        assert (tmp_path / "out").read_bytes() == woovi.key_pem() + woovi.chain_pem()
    assert mutua(*command, "turned.p7b", "--format", "pem", "--out", "out", "--force").code == 0
    assert read_certificates((tmp_path / "out").read_bytes()) == woovi.chain
    assert mutua(*command, "leaf.der", "--format", "pem").code == 0
    assert read_certificates((tmp_path / "leaf.pem").read_bytes()) == (leaf,)
    assert mutua(*command, "home/identities/woovi/", "--format", "der", "--out", "out", "--force").code == 0


def test_a_truststore_is_a_source_without_a_key(
    mutua: Run, woovi: Identity, tmp_path: Path, password: str, peer: Callable[[str], str]
) -> None:
    (tmp_path / "ca.pem").write_bytes(write_pem(woovi.chain[1:]))
    command = [peer("keytool"), "-importcert", "-noprompt", "-file", "ca.pem", "-alias", "ca"]
    command += ["-keystore", "trust.p12", "-storetype", "PKCS12", "-storepass", "secret"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60)
    opened = ("--source-password-file", password)
    assert mutua("cert", "export", "trust.p12", "--format", "pem", *opened).code == 0
    assert (tmp_path / "trust.pem").read_bytes() == (tmp_path / "ca.pem").read_bytes()
    assert "no private key of 'trust'" in mutua("cert", "export", "trust.p12", "--format", "p12", *opened).error()
    assert "--source-password-file" in mutua("cert", "export", "trust.p12", "--format", "der").err


def test_what_is_missing_is_fetched_and_kept_when_asked(mutua: Run, tmp_path: Path, password: str) -> None:
    with line() as bank:
        (tmp_path / "bank.pem").write_bytes(write_pem([bank.leaf]) + write_private_key(KEY))
        command = ("cert", "export", "bank.pem", "--format", "p12", "--password-file", password, "--fetch")
        refused = mutua(*command)
        assert refused.code == 5
        assert "--allow-private" in refused.error()
        assert not (tmp_path / "bank.p12").exists()
        assert mutua(*command, "--allow-private", "--json").json["certificates"] == 2
        _, chain = read_pkcs12((tmp_path / "bank.p12").read_bytes(), b"secret")
        assert chain == (bank.leaf, bank.issuing)


def test_of_two_identities_in_a_file_none_is_guessed(
    mutua: Run, woovi: Identity, tmp_path: Path, password: str
) -> None:
    with line() as bank:
        two = woovi.chain_pem() + woovi.key_pem() + write_pem([bank.leaf]) + write_private_key(KEY)
        (tmp_path / "two.pem").write_bytes(two)
    result = mutua("cert", "export", "two.pem", "--format", "p12", "--password-file", password)
    assert result.code == 3
    assert "2 private keys" in result.error()


def test_a_password_that_openssl_could_not_take_is_refused(mutua: Run, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 1024)
    for options in (["--format", "p12"], ["--format", "pem", "--with-key"]):
        result = mutua("cert", "export", "woovi", *options, "--password-file", "long")
        assert (result.code, "more than 1023 bytes" in result.error()) == (USAGE, True)
    (tmp_path / "long").write_bytes(b"x" * 1023)
    assert mutua("cert", "export", "woovi", "--format", "pem", "--with-key", "--password-file", "long").code == 0


def test_a_file_needs_no_home(mutua_process: Run, woovi: Identity, tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_bytes(woovi.chain_pem())
    environment = {name: value for name, value in os.environ.items() if name != "MUTUA_HOME"}
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    result = mutua_process("cert", "export", "../chain.pem", "--format", "p7b", cwd=folder, env=environment)
    assert result.code == 0, result.err
    assert set(read_pkcs7((folder / "chain.p7b").read_bytes())) == set(woovi.chain)
    result = mutua_process("cert", "export", "chain.pen", "--format", "p7b", cwd=folder, env=environment)
    assert result.code == USAGE
    assert result.error() == "'chain.pen' is no file, and there is no home at '.mutua'"


def test_a_certificate_of_the_inventory_has_its_chain_and_no_key(
    mutua: Run, home: Home, woovi: Identity, tmp_path: Path
) -> None:
    result = mutua("cert", "export", woovi.thumbprint, "--format", "pem", "--json")
    file = tmp_path / f"certificate-{woovi.thumbprint[:8]}.pem"
    assert result.json["file"] == file.name
    assert read_certificates(file.read_bytes()) == woovi.chain
    for kind in ("p12", "kubernetes"):
        refused = mutua("cert", "export", woovi.thumbprint, "--format", kind)
        assert refused.code == USAGE
        assert "no private key" in refused.error()
        assert f"hint:  mutua cert export woovi --format {kind}\n" in refused.err
    home.identities.save("woovi", home.authority.issue_client("woovi"), replace=True)
    refused = mutua("cert", "export", woovi.thumbprint, "--format", "p12")
    assert refused.code == USAGE
    assert "--format pem or p7b" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nobody", "--format", "pem"], USAGE, "no certificate of the inventory"),
        (["woovi"], USAGE, "Missing option '--format'"),
        (["woovi", "--format", "jks"], USAGE, "'jks' is not one of"),
        (["woovi", "--format", "p12", "--cert-only"], USAGE, "needs the private key"),
        (["woovi", "--format", "der", "--with-key"], USAGE, "holds no private key"),
        (["woovi", "--format", "p7b", "--with-key"], USAGE, "holds no private key"),
        (["woovi", "--format", "pem", "--compatible"], USAGE, "--compatible means nothing"),
        (["woovi", "--format", "der", "--name", "x"], USAGE, "--name means nothing"),
        (["woovi", "--format", "p12", "--ca", "x"], USAGE, "--ca means nothing"),
        (["woovi", "--format", "pem", "--password-file", "password"], USAGE, "there is none to write"),
        (["woovi", "--format", "kubernetes", "--name", "No Name"], USAGE, "cannot name a Secret"),
        (["woovi", "--format", "pem", "--out", "nowhere/x"], UNREADABLE, "cannot be written"),
        (["woovi", "--format", "pem", "--out", "home"], NOT_ALLOWED, "is there already"),
        (["woovi", "--format", "pem", "--out", "home", "--force"], UNREADABLE, "cannot be written"),
        (["password", "--format", "pem"], UNREADABLE, "nothing in it is of a known kind"),
        (["home/passphrase", "--format", "p12"], UNREADABLE, "nothing in it is of a known kind"),
        (["home/identities/api/chain.pem", "--format", "p12"], USAGE, "no private key of 'chain'"),
        (["home/identities/api/key.pem", "--format", "pem"], UNREADABLE, "no certificate"),
        (["woovi", "--key", "home/identities/api/key.pem", "--format", "p12"], UNREADABLE, "does not belong"),
    ],
)
def test_what_cannot_be_exported_changes_nothing(
    mutua: Run, tmp_path: Path, password: str, arguments: list[str], code: int, told: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = mutua("cert", "export", *arguments)
    assert told in result.error()
    assert result.code == code
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_told(mutua: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = mutua("cert", "export", "woovi", "--format", "pem")
    monkeypatch.undo()
    assert result.code == UNREADABLE
    assert "no room" in result.error()
    assert not list(tmp_path.glob("*woovi.pem*"))


def test_a_thumbprint_may_begin_with_a_hyphen_and_have_any_letters(mutua: Run, home: Home, tmp_path: Path) -> None:
    certificates = (home.authority.issue_client("woovi") for _ in range(5000))
    # In "-...h" click finds the option -h.
    one = next(each for each in certificates if each.thumbprint[0] == "-" and "h" in each.thumbprint)
    result: Result = mutua("cert", "export", one.thumbprint, "--format", "der", "--out", "out.der")
    assert result.code == 0, result.err
    assert (tmp_path / "out.der").read_bytes() == write_der(one.certificate)
