"""``mutua cert sign`` and ``mutua cert list``: what a script and a person get."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mutua import Home
from mutua.ca.hierarchy import Purpose
from mutua.cli import main
from mutua.home.issuing import Order
from mutua.pki.names import DnsName
from mutua.pki.profiles import CLIENT, SERVER
from mutua.pki.requests import write_request
from tests.cli.conftest import Run
from tests.home.renewing import by_connection
from tests.pki.hierarchy import key_of
from tests.serving import PATIENCE_SECONDS

KEY = key_of("end entity")


@pytest.fixture
def request_file(home: Home) -> Callable[..., str]:
    """Writes a request beside the home, and gives its path."""

    def write(*names: str, common_name: str = "", form: str = "pem") -> str:
        data = write_request(KEY, [DnsName(name) for name in names], common_name)
        if form == "der":
            data = x509.load_pem_x509_csr(data).public_bytes(Encoding.DER)
        path = home.path.parent / "made.csr"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.mark.parametrize("form", ["pem", "der"])
def test_the_chain_goes_to_stdout_and_the_rest_to_stderr(
    mutua: Run, home: Home, request_file: Callable[..., str], form: str
) -> None:
    result = mutua("cert", "sign", request_file("woovi", common_name="evil\x1b[2Jroot", form=form), "--client", "woovi")
    assert result.code == 0
    first, second = x509.load_pem_x509_certificates(result.out.encode())
    assert first.public_key() == KEY.public_key()
    first.verify_directly_issued_by(second)
    assert "thumbprint" in result.err
    assert "\x1b" not in result.err
    assert len(list(home.authority.certificates(client="woovi"))) == 2


def test_what_is_left_out_is_told(mutua: Run, request_file: Callable[..., str]) -> None:
    result = mutua("cert", "sign", request_file("woovi", common_name="root"), "--client", "woovi")
    assert "left out: subject CN='root'" in result.err


def test_as_json_with_the_chain_in_a_file(mutua: Run, request_file: Callable[..., str], tmp_path: Path) -> None:
    out = tmp_path / "woovi.pem"
    path = request_file("woovi")
    result = mutua("cert", "sign", path, "--client", "woovi", "--days", "7", "--out", str(out), "--json")
    assert set(result.json) == {"thumbprint", "not_after", "dropped", "chain", "file"}
    assert (result.json["chain"], result.json["file"]) == (None, str(out))
    assert len(x509.load_pem_x509_certificates(out.read_bytes())) == 2
    inline = mutua("cert", "sign", path, "--client", "woovi", "--json").json
    assert len(x509.load_pem_x509_certificates(inline["chain"].encode())) == 2


def test_an_operator_names_a_server(mutua: Run, home: Home, request_file: Callable[..., str]) -> None:
    path = request_file("whatever.example")
    names = ["--name", "api.acme.example", "--name", "10.0.0.1"]
    found = mutua("cert", "sign", path, "--profile", "server", *names, "--json").json
    assert home.authority.certificate(found["thumbprint"]).names == ("api.acme.example", "10.0.0.1")
    assert "name 'whatever.example'" in found["dropped"]


def test_every_rule_that_is_broken_is_told_and_nothing_is_signed(
    mutua: Run, home: Home, request_file: Callable[..., str]
) -> None:
    result = mutua("cert", "sign", request_file("bank", "*.evil.example"), "--client", "woovi", "--days", "365")
    assert result.code == 4
    told = result.error()
    for wrong in ("'bank' is not allowed", "'*.evil.example' is not allowed", "wildcard"):
        assert wrong in told
    assert len(list(home.authority.certificates(client="woovi"))) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--client", "nobody"), 4, "not allowed"),
        (("--client", "Woovi"), 2, "cannot name a client"),
        (("--client", "wo\udcffvi"), 2, "cannot name a client"),
        ((), 2, "a client's certificate is for a client"),
        (("--client", "woovi", "--profile", "server"), 2, "a client's certificate is for a client"),
        (("--client", "woovi", "--profile", "root"), 2, "'root' is not one of"),
        (("--client", "woovi", "--ca", "nobody"), 2, "no CA 'nobody' that signs"),
        (("--client", "woovi", "--ca", "root"), 2, "no CA 'root' that signs"),
        (("--client", "woovi", "--name", "a b"), 2, "a b"),
        (("--client", "woovi", "--days", "366"), 4, "366 days"),
        (("--client", "woovi", "--out", "nowhere/woovi.pem"), 2, "no folder for 'nowhere/woovi.pem'"),
    ],
)
def test_mistakes_are_told(
    mutua: Run, home: Home, request_file: Callable[..., str], arguments: tuple[str, ...], code: int, told: str
) -> None:
    result = mutua("cert", "sign", request_file("woovi"), *arguments)
    assert (result.code, told in result.error()) == (code, True), result.err
    assert len(list(home.authority.certificates())) == 2


@pytest.mark.parametrize("data", [b"", b"hello", b"\0" * 10_000_000], ids=["empty", "text", "10 MB"])
def test_a_file_that_is_no_request_is_told(mutua: Run, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "strange").write_bytes(data)
    result = mutua("cert", "sign", str(tmp_path / "strange"), "--client", "woovi")
    assert result.code == 3
    result.error()


def test_openssl_makes_the_request_and_takes_the_certificate(
    mutua: Run, home: Home, peer: Callable[[str], str], tmp_path: Path
) -> None:
    key, made, chain = tmp_path / "key.pem", tmp_path / "made.csr", tmp_path / "chain.pem"
    command = [peer("openssl"), "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*command, "-subj", "/CN=woovi"], check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    assert mutua("cert", "sign", str(made), "--client", "woovi", "--out", str(chain)).code == 0
    verify = [peer("openssl"), "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", str(home.path / "ca.pem")]
    subprocess.run([*verify, str(chain)], check=True, capture_output=True, timeout=PATIENCE_SECONDS)


def listed(mutua: Run, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mutua("cert", "list", *arguments, "--json").json
    return found


def test_a_list_is_narrowed_by_everything_that_is_asked(mutua: Run, home: Home) -> None:
    home.clients.add("bank")
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    soon = home.authority.issue_client("bank", "a.bank.example", "10.0.0.1", lifetime=timedelta(days=5))
    late = home.authority.issue_client("bank", "aa.bank.example", authority="issuing-1")
    home.revocation.revoke(late.thumbprint)

    def of(*arguments: str) -> list[str]:
        return [each["thumbprint"] for each in listed(mutua, *arguments)]

    woovi, api = (home.identities.load(name).thumbprint for name in ("woovi", "api"))
    assert of() == [late.thumbprint, soon.thumbprint, woovi, api]
    assert of("--client", "bank") == [late.thumbprint, soon.thumbprint]
    assert of("--expiring", "6d") == of("--expiring", "1w") == of("--expiring", "121h") == [soon.thumbprint]
    assert of("--expiring", "4d") == of("--expiring", "119h") == []
    assert of("--expiring", "99999d", "--limit", "2") == [late.thumbprint, soon.thumbprint]
    assert of("--state", "revoked") == [late.thumbprint]
    assert of("--state", "valid", "--client", "bank") == [soon.thumbprint]
    assert of("--state", "expired") == of("--state", "on_hold") == []
    assert of("--name", "a.bank.example") == [soon.thumbprint], "exactly this name"
    assert of("--name", "10.0.0.1") == [soon.thumbprint]
    assert of("--name", "bank.example") == of("--name", "%") == of("--name", "a_bank.example") == []
    assert of("--ca", "partners") == [soon.thumbprint]
    assert of("--ca", "issuing-1", "--profile", "client") == [late.thumbprint, woovi]
    assert of("--profile", "issuing-ca") != []
    assert of("--limit", "1") == [late.thumbprint]


def test_a_renewed_certificate_is_superseded_and_no_longer_valid(mutua: Run, home: Home) -> None:
    first = home.identities.load("woovi")
    second = by_connection(home, first)
    assert [each["thumbprint"] for each in listed(mutua, "--state", "superseded")] == [first.thumbprint]
    assert second.thumbprint in [each["thumbprint"] for each in listed(mutua, "--state", "valid")]


@pytest.mark.parametrize("span", ["", "30", "d", "0d", "-1d", "1y", "1.5d", "999999d", "30d ", "٣d"])
def test_a_time_that_is_none_is_a_mistake(mutua: Run, span: str) -> None:
    assert "such as 30d" in mutua("cert", "list", "--expiring", span).error()


@pytest.mark.parametrize("arguments", [("--client", "nobody"), ("--ca", "nobody"), ("--limit", "0"), ("--state", "x")])
def test_what_there_is_not_is_a_mistake(mutua: Run, arguments: tuple[str, ...]) -> None:
    assert mutua("cert", "list", *arguments).code == 2


def test_nothing_found_is_an_empty_list_and_talk(mutua: Run) -> None:
    assert listed(mutua, "--name", "nobody.example") == []
    result = mutua("cert", "list", "--name", "nobody.example")
    assert (result.out, "no certificates like that" in result.err) == ("", True)


def many(home: Home, count: int) -> None:
    public_key = KEY.public_key()
    order = Order(profile=SERVER, names=[DnsName("many.example")], public_key=public_key)
    clients = Order(profile=CLIENT, names=[DnsName("woovi")], public_key=public_key, client="woovi")
    for _ in range(count // 500):
        home.authority.issuing.issue([order] * 250 + [clients] * 250)


def test_a_long_list_is_one_json_array_and_never_whole_in_memory(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    many(home, 5000)
    monkeypatch.setenv("MUTUA_HOME", str(home.path))
    peaks = {}
    for limit in (1000, 5000):
        out = tmp_path / f"{limit}.json"
        with out.open("w") as file, monkeypatch.context() as redirected:
            redirected.setattr(sys, "stdout", file)
            main(["cert", "list", "--json", "--limit", "1"])  # everything is loaded by now
            tracemalloc.start()
            try:
                assert main(["cert", "list", "--json", "--limit", str(limit)]) == 0
                peaks[limit] = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        first, _, rest = out.read_text().partition("\n]\n")
        assert len(json.loads(first + "\n]")) == 1
        found = json.loads(rest)
        assert len(found) == limit
        assert len({each["thumbprint"] for each in found}) == limit
    assert peaks[5000] < peaks[1000] * 1.5


def test_a_long_table_has_one_heading_and_whoever_stops_reading_is_no_error(home: Home) -> None:
    many(home, 2500)
    command = [sys.executable, "-m", "mutua", "cert", "list", "--home", str(home.path)]
    whole = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
    lines = whole.stdout.splitlines()
    assert len(lines) == 2500 + 2 + 1
    assert sum(line.startswith("THUMBPRINT") for line in lines) == 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as stopped:
        assert stopped.stdout is not None
        assert stopped.stderr is not None
        assert stopped.stdout.readline().startswith(b"THUMBPRINT")
        stopped.stdout.close()
        assert stopped.stderr.read() == b""
    assert stopped.returncode == 0
