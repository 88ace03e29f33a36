"""What each command prints when all goes well: data on stdout, talk on stderr, JSON with stable keys."""

from pathlib import Path

import pytest

import mutua as package
from mutua import Home, Identity
from mutua.cli.cert.revoke import REASONS
from tests.cli.conftest import Result, Run

CLIENT = {"name", "state", "grants", "credentials"}
BEYOND = {"created_at", "last_seen", "first_end"}
CERTIFICATE = {
    "thumbprint",
    "serial",
    "profile",
    "client",
    "subject",
    "names",
    "authority",
    "not_before",
    "not_after",
    "issued_at",
    "revoked_at",
    "reason",
    "invalid_since",
    "shard",
    "superseded",
    "state",
}
ISSUED = {"identity", "thumbprint", "names", "not_after", "key", "chain", "ca"}
INIT = {"home", "name", "ca_file", "root_not_after", "issuing_not_after"}


def as_data(result: Result) -> list[str]:
    """The lines on stdout of a command that went well."""
    assert result.code == 0, result.err
    return result.out.splitlines()


def test_init_makes_a_home_and_says_what_is_next(mutua: Run, tmp_path: Path) -> None:
    result = mutua("init", "Two Words", "--home", "new home", "--key-type", "ed25519")
    assert [line.split()[0] for line in as_data(result)] == ["home", "CA", "root", "issuing"]
    assert "next:  mutua client add --home 'new home' woovi" in result.err
    with Home.open(tmp_path / "new home") as home:
        assert home.settings.name == "Two Words"
        assert type(home.hierarchy.root.certificate.public_key()).__name__ == "Ed25519PublicKey"


def test_init_as_json(mutua: Run) -> None:
    result = mutua("init", "--home", "new", "--json")
    assert set(result.json) == INIT
    assert result.json["name"] == "mutua"
    assert result.err == ""


def test_add_registers_and_warns_when_nothing_may_be_called(mutua: Run, home: Home) -> None:
    result = mutua("client", "add", "bank", "--allow", "POST /pix/**", "--allow", "GET /status")
    assert as_data(result) == ["bank is registered"]
    assert "warning" not in result.err
    assert "next:  mutua cert issue client bank" in result.err
    assert [str(grant) for grant in home.clients.get("bank").grants] == ["POST /pix/**", "GET /status"]
    assert "warning: mute may call nothing" in mutua("client", "add", "mute").err


def test_clients_are_listed_in_a_table(mutua: Run) -> None:
    mutua("client", "add", "bank")
    mutua("client", "suspend", "bank")
    result = mutua("client", "list")
    assert [[*line.split(maxsplit=2)[:2], line.split("  ")[-1].strip()] for line in as_data(result)] == [
        ["CLIENT", "STATE", "MAY CALL"],
        ["bank", "suspended", "nothing"],
        ["woovi", "active", "GET /**, POST /webhook/*"],
    ]
    assert result.err == ""


def test_empty_lists_are_talk_and_as_json_an_empty_list(mutua: Run) -> None:
    mutua("init", "--home", "new")
    for noun in ("client", "cert"):
        result = mutua(noun, "list", "--home", "new")
        assert as_data(result) == []
        assert "yet" in result.err
        assert mutua(noun, "list", "--home", "new", "--json").json == []


def test_a_client_is_shown_with_its_grants_and_certificates(mutua: Run, home: Home) -> None:
    thumbprint = home.identities.load("woovi").thumbprint
    lines = as_data(mutua("client", "show", "woovi"))
    assert lines[0].split() == ["client", "woovi"]
    assert any(thumbprint in line and "valid" in line for line in lines)
    shown = mutua("client", "show", "woovi", "--json").json
    assert set(shown) == CLIENT | BEYOND | {"certificates", "crls", "invitations"}
    assert [set(each) for each in shown["certificates"]] == [{"thumbprint", "state", "not_after"}]
    (credential,) = shown["credentials"]
    assert (credential["kind"], credential["value"]) == ("issued", thumbprint)
    assert set(credential) == {"kind", "form", "value", "authority", "ends_at", "not_after", "state"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("client", "add", "bank"),
        ("client", "suspend", "woovi"),
        ("client", "resume", "woovi"),
    ],
)
def test_a_changed_client_as_json(mutua: Run, arguments: tuple[str, ...]) -> None:
    assert set(mutua(*arguments, "--json").json) == CLIENT


def test_clients_as_json(mutua: Run) -> None:
    (client,) = mutua("client", "list", "--json").json
    assert set(client) == CLIENT | BEYOND
    assert client["grants"] == ["GET /**", "POST /webhook/*"]


def test_suspending_and_resuming_say_what_follows(mutua: Run, home: Home) -> None:
    assert as_data(mutua("client", "suspend", "woovi")) == ["woovi is suspended: its next request is refused"]
    assert home.clients.get("woovi").state.value == "suspended"
    assert as_data(mutua("client", "resume", "woovi")) == ["woovi is active"]
    assert home.clients.get("woovi").state.value == "active"


def test_issue_writes_an_identity_and_says_where(mutua: Run, home: Home) -> None:
    result = mutua("cert", "issue", "server", "api.acme.example", "127.0.0.1", "--days", "10")
    lines = dict(line.split(maxsplit=1) for line in as_data(result))
    made = home.identities.load("api.acme.example")
    assert lines["thumbprint"] == made.thumbprint
    assert lines["names"] == "api.acme.example, 127.0.0.1"
    assert Path(lines["key"]).is_file()
    assert Identity.load(lines["chain"], key=lines["key"]).thumbprint == made.thumbprint
    assert "next:  mutua serve main:app --identity api.acme.example" in result.err
    assert (made.not_after - home.now()).days in {9, 10}


def test_issue_as_json_names_the_identity(mutua: Run, home: Home) -> None:
    home.clients.add("bank")
    issued = mutua("cert", "issue", "client", "bank", "spiffe://acme.example/bank", "--identity", "bank-2026", "--json")
    assert set(issued.json) == ISSUED
    assert issued.json["identity"] == "bank-2026"
    assert issued.json["names"] == ["spiffe://acme.example/bank"]
    assert issued.err == ""


def test_force_replaces_an_identity(mutua: Run, home: Home) -> None:
    before = home.identities.load("woovi").thumbprint
    assert mutua("cert", "issue", "client", "woovi", "--force").code == 0
    assert home.identities.load("woovi").thumbprint != before


def test_certificates_are_listed_and_filtered(mutua: Run) -> None:
    listed = mutua("cert", "list", "--json").json
    assert [set(each) for each in listed] == [CERTIFICATE, CERTIFICATE]
    assert {each["profile"] for each in listed} == {"server", "client"}
    assert [each["client"] for each in mutua("cert", "list", "--client", "woovi", "--json").json] == ["woovi"]
    assert [each["profile"] for each in mutua("cert", "list", "--profile", "server", "--json").json] == ["server"]
    assert mutua("cert", "list").out.startswith("THUMBPRINT")


def test_a_certificate_is_shown_by_a_prefix(mutua: Run, home: Home) -> None:
    made = home.identities.load("woovi")
    assert as_data(mutua("cert", "show", made.thumbprint[:8]))[0].split() == ["thumbprint", made.thumbprint]
    assert set(mutua("cert", "show", made.thumbprint, "--json").json) == CERTIFICATE
    assert mutua("cert", "show", made.thumbprint, "--pem").out.encode() in made.chain_pem()


@pytest.mark.parametrize("reason", [each for each in REASONS if each != "ca_compromise"])
def test_revoking_is_told_and_shown(mutua: Run, home: Home, reason: str) -> None:
    thumbprint = home.identities.load("woovi").thumbprint
    result = mutua("cert", "revoke", thumbprint[:10], "--reason", reason, "--json")
    assert set(result.json) == CERTIFICATE
    state = "on_hold" if reason == "certificate_hold" else "revoked"
    assert result.json["state"] == state
    assert result.json["revoked_at"]
    assert state in mutua("client", "show", "woovi").out


def test_the_audit_trail_verifies(mutua: Run, home: Home) -> None:
    count = home.audit.verify()
    assert as_data(mutua("audit", "verify")) == [f"{count} events, the chain is whole"]
    assert mutua("audit", "verify", "--json").json == {"events": count, "ok": True}


def test_the_home_is_the_option_before_the_variable(mutua: Run, monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    monkeypatch.setenv("MUTUA_HOME", "/nowhere/at/all")
    assert mutua("client", "list").code == 3
    assert as_data(mutua("client", "list", "--home", str(home.path)))
    monkeypatch.delenv("MUTUA_HOME")
    home.path.rename(home.path.parent / ".mutua")
    assert as_data(mutua("client", "list"))


def test_the_version_is_told(mutua: Run) -> None:
    assert as_data(mutua("--version")) == [f"mutua {package.__version__}"]


def test_the_whole_way_as_processes(mutua_process: Run, tmp_path: Path) -> None:
    def run(*arguments: str) -> Result:
        result = mutua_process(*arguments)
        assert result.code == 0, result.err
        assert "PRIVATE KEY" not in result.out + result.err
        return result

    run("init", "Acme Payments")
    passphrase = (tmp_path / ".mutua" / "passphrase").read_text().strip()
    told = [run("client", "add", "woovi", "--allow", "POST /webhook/*")]
    told += [run("cert", "issue", "server", "localhost"), run("cert", "issue", "client", "woovi")]
    thumbprint = run("cert", "list", "--client", "woovi", "--json").json[0]["thumbprint"]
    told += [run("client", "list"), run("client", "show", "woovi"), run("client", "suspend", "woovi")]
    told += [run("client", "resume", "woovi"), run("cert", "show", thumbprint), run("cert", "revoke", thumbprint)]
    told += [run("audit", "verify"), run("--version"), run("--help")]
    assert all(result.out for result in told)
    assert not any(passphrase in result.out + result.err for result in told)
