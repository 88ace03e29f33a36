"""``mutua ca``, and ``mutua init`` where the keys and the store are elsewhere."""

import json
from pathlib import Path

import pytest
from cryptography import x509

from mutua import Home
from mutua.ca.hierarchy import Purpose
from mutua.cli.ca.passphrase import NEW_VARIABLE
from mutua.home.passphrase import COMMAND_VARIABLE, FILE_VARIABLE, VARIABLE
from mutua.home.retirement import REASONS
from mutua.pki.certificates import read_certificates, write_pem
from mutua.pki.keys import write_private_key
from mutua.pki.pkcs12 import write_pkcs12
from tests.cli.conftest import Result, Run
from tests.cli.test_export import on_a_terminal
from tests.home.shared import cluster
from tests.pki.crafted import make
from tests.postgresql import Cluster
from tests.softhsm import SoftHsm, softhsm

__all__ = ["cluster", "softhsm"]

USAGE, UNREADABLE, NOT_ALLOWED = 2, 3, 4
AUTHORITY = {"id", "profile", "subject", "purpose", "state", "parent", "key", "key_type", "not_before", "not_after",
             "thumbprint"}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_passphrase_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (VARIABLE, FILE_VARIABLE, COMMAND_VARIABLE, NEW_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def lines(result: Result) -> list[str]:
    """What a command that went well has on stdout."""
    assert result.code == 0, result.err
    return result.out.splitlines()


def test_show_lists_every_ca_with_where_its_key_is(mutua: Run, home: Home, ca_keys: str) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    rows = [line.split()[:5] for line in lines(mutua("ca", "show"))]
    assert rows == [
        ["CA", "PURPOSE", "STATE", "BELOW", "KEY"],
        ["root", "any", "active", "-", ca_keys],
        ["issuing-1", "any", "active", "root", ca_keys],
        ["partners", "client", "active", "root", ca_keys],
    ]
    found = mutua("ca", "show", "--json").json
    assert [each["id"] for each in found] == ["root", "issuing-1", "partners"]
    assert all(set(each) == AUTHORITY for each in found)


def test_show_tells_all_about_one(mutua: Run, home: Home, ca_keys: str) -> None:
    result = mutua("ca", "show", "issuing-1")
    assert [line.split()[0] for line in lines(result)] == [
        "CA", "name", "purpose", "state", "below", "key", "until", "thumbprint"]  # fmt: skip
    assert f"P-256, {ca_keys}" in result.out
    assert mutua("ca", "show", "issuing-1", "--json").json["thumbprint"] in result.out


def test_add_makes_one_and_says_what_is_next(mutua: Run, home: Home) -> None:
    result = mutua(
        "ca", "add", "partner-acme", "--purpose", "client", "--names", "acme.example", "--names", "10.0.0.0/8"
    )
    assert "partner-acme" in lines(result)[0]
    assert "next:  mutua cert issue client NAME --ca partner-acme" in result.err
    assert home.hierarchy.get("partner-acme").purpose is Purpose.CLIENT
    made = mutua("ca", "add", "p384", "--key-type", "p384", "--days", "30", "--json").json
    assert (made["key_type"], made["state"], set(made)) == ("P-384", "active", AUTHORITY)


def test_a_ca_below_another_issues_with_both_in_the_chain(mutua: Run, home: Home) -> None:
    mutua("ca", "add", "partners", "--purpose", "client", "--path-length", "1")
    mutua("ca", "add", "acme", "--purpose", "client", "--under", "partners")
    issued = mutua("cert", "issue", "client", "woovi", "--ca", "acme", "--identity", "deep", "--json").json
    assert len(read_certificates(Path(issued["chain"]).read_bytes())) == 3


def test_rotate_makes_the_next_and_says_what_to_do_with_it(mutua: Run, home: Home) -> None:
    result = mutua("ca", "rotate")
    assert lines(result)[0].startswith("issuing-2 signs from now on, until ")
    assert "mutua ca retire issuing-1" in result.err
    both = mutua("ca", "rotate", "issuing-2", "--json").json
    assert (both["superseded"]["id"], both["successor"]["id"]) == ("issuing-2", "issuing-3")


def test_retire_is_refused_while_certificates_are_in_use_and_shows_how_to_list_them(mutua: Run, home: Home) -> None:
    mutua("ca", "rotate")
    result = mutua("ca", "retire", "issuing-1")
    assert (result.code, result.error()) == (NOT_ALLOWED, "2 certificates below the CA 'issuing-1' are still good")
    assert "hint:  mutua cert list --ca issuing-1; renew them first, or --force to refuse them all" in result.err
    assert len(lines(mutua("cert", "list", "--ca", "issuing-1"))) == 3


def test_retire_by_force_takes_it_out_of_the_bundle(mutua: Run, home: Home) -> None:
    mutua("ca", "rotate")
    result = mutua("ca", "retire", "issuing-1", "--force", "--reason", "ca_compromise")
    assert lines(result) == [f"issuing-1 is retired: {home.path / 'ca.pem'} holds it no more"]
    assert result.err == ""
    assert len(read_certificates((home.path / "ca.pem").read_bytes())) == 2
    shown = mutua("cert", "show", home.identities.load("woovi").thumbprint)
    assert "revoked, since its CA is retired" in shown.out


def test_retire_of_the_only_one_says_what_comes_first(mutua: Run) -> None:
    result = mutua("ca", "retire", "issuing-1", "--force")
    assert "has no successor" in result.error()
    assert result.code == USAGE
    assert "hint:  mutua ca rotate issuing-1" in result.err


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_for_a_ca_can_be_typed(mutua: Run, home: Home, reason: str) -> None:
    mutua("ca", "add", "partners", "--purpose", "client")
    assert mutua("ca", "retire", "partners", "--reason", reason, "--json").json["state"] == "retired"
    told = [each for each in home.audit.after(0) if each.kind == "authority.retired"]
    assert [json.loads(each.body)["reason"] for each in told] == [reason]


def test_export_writes_the_bundle_or_one_certificate(mutua: Run, home: Home) -> None:
    assert lines(mutua("ca", "export")) == (home.path / "ca.pem").read_text().splitlines()
    assert mutua("ca", "export", "root").out.encode() == write_pem([home.hierarchy.root.certificate])


def test_a_key_goes_away_and_comes_back(mutua: Run, home: Home, tmp_path: Path) -> None:
    result = mutua("ca", "export", "--key", "root", "--out", "root.key")
    assert lines(result) == ["the key of root is in root.key and no longer in the home"]
    assert "next:  mutua ca import --key root root.key, when it is needed" in result.err
    assert lines(mutua("ca", "show"))[1].split()[4] == "offline"
    refused = mutua("ca", "rotate")
    assert (refused.code, refused.error()) == (NOT_ALLOWED, "the key of the CA 'root' was taken out of this store")
    assert "hint:  bring it back for the moment: mutua ca import --key root FILE" in refused.err
    assert mutua("cert", "issue", "client", "woovi", "--force").code == 0
    assert lines(mutua("ca", "import", "--key", "root", "root.key")) == ["the key of root is in the home"]
    assert mutua("ca", "rotate").code == 0


def test_what_a_retirement_needs_of_a_root_that_is_offline_is_said(mutua: Run, home: Home) -> None:
    mutua("ca", "rotate")
    mutua("ca", "export", "--key", "root", "--out", "root.key")
    result = mutua("ca", "retire", "issuing-1", "--force", "--reason", "ca_compromise")
    assert result.code == 0
    assert "others learn of it by the revocation list of root, whose key is not here" in result.err
    assert "next:  mutua ca import --key root FILE" in result.err
    assert "the CRL of root is due" in mutua("ca", "crl").err
    mutua("ca", "import", "--key", "root", "root.key")
    assert "is due" not in mutua("ca", "crl").err


def test_a_key_from_before_another_passphrase_is_opened_with_the_old_one(
    mutua: Run, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "old.txt").write_bytes((home.path / "passphrase").read_bytes())
    mutua("ca", "export", "--key", "root", "--out", "root.key")
    (tmp_path / "new.txt").write_text("another one\n")
    assert lines(mutua("ca", "passphrase", "--new-file", "new.txt")) == ["1 keys are sealed under the new passphrase"]
    assert mutua("ca", "import", "--key", "root", "root.key").code == NOT_ALLOWED
    back = mutua("ca", "import", "--key", "root", "root.key", "--password-file", "old.txt", "--json")
    assert back.json["key"] == "store"
    assert mutua("ca", "rotate").code == 0


def test_a_ca_of_somebody_elses_is_taken_in_and_its_shortcomings_are_said(
    mutua: Run, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret\n")
    authorities = {"good": make("A good CA"), "plain": make("A plain CA", change={x509.KeyUsage: None})}
    for name, made in authorities.items():
        (tmp_path / f"{name}.pem").write_bytes(write_pem([made.certificate]))
        (tmp_path / f"{name}.key").write_bytes(write_private_key(made.key, b"secret"))
        result = mutua("ca", "import", name, f"{name}.pem", "--key-file", f"{name}.key", "--password-file", "password")
        assert lines(result)[0].split() == ["CA", name]
        assert ("warning: strict verifiers" in result.err) == (name == "plain")
    assert mutua("cert", "issue", "client", "woovi", "--ca", "good", "--force").code == 0
    assert home.authority.certificate(home.identities.load("woovi").thumbprint).authority == "good"
    assert {each["id"]: each["key"] for each in mutua("ca", "show", "--json").json}["good"] == "store"


def test_a_ca_is_taken_in_from_pkcs12_for_a_purpose(mutua: Run, tmp_path: Path) -> None:
    made = make("Partner CA", make("Partner Root"))
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "ca.p12").write_bytes(write_pkcs12(made.key, (made.certificate,), password=b"secret"))
    command = ("ca", "import", "partner", "ca.p12", "--password-file", "password", "--purpose", "client", "--json")
    assert mutua(*command).json["purpose"] == "client"
    again = mutua(*command[:2], "other", *command[3:])
    assert (again.code, again.error()) == (NOT_ALLOWED, "the CA is here as 'partner'")


def test_another_passphrase_comes_from_a_file_or_the_environment(
    mutua: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new.txt").write_bytes(b"first one\nnot this line\n")
    assert lines(mutua("ca", "passphrase", "--new-file", "new.txt")) == ["2 keys are sealed under the new passphrase"]
    assert (home.path / "passphrase").read_text() == "first one\n"
    monkeypatch.setenv(NEW_VARIABLE, "second one")
    assert mutua("ca", "passphrase").err == ""
    assert (home.path / "passphrase").read_text() == "second one\n"
    assert mutua("cert", "issue", "client", "woovi", "--force").code == 0


@pytest.mark.parametrize("variable", [VARIABLE, FILE_VARIABLE, COMMAND_VARIABLE])
def test_who_keeps_the_passphrase_elsewhere_is_told_to_put_the_new_one_there(
    mutua: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (home.path / "passphrase").rename(tmp_path / "elsewhere")
    (tmp_path / "new.txt").write_text("another one\n")
    value = {
        VARIABLE: (tmp_path / "elsewhere").read_text().strip(),
        FILE_VARIABLE: str(tmp_path / "elsewhere"),
        COMMAND_VARIABLE: f"cat {tmp_path / 'elsewhere'}",
    }[variable]
    monkeypatch.setenv(variable, value)
    result = mutua("ca", "passphrase", "--new-file", "new.txt")
    assert lines(result) == ["2 keys are sealed under the new passphrase"]
    assert "next:  put the new passphrase where" in result.err
    assert not (home.path / "passphrase").exists()


def test_a_new_passphrase_is_asked_for_twice_where_somebody_is_there(home: Home, tmp_path: Path) -> None:
    code, shown = on_a_terminal(home, tmp_path, [b"typed one", b"typed one"], "ca", "passphrase")
    assert code == 0
    assert (home.path / "passphrase").read_text() == "typed one\n"
    assert b"typed" not in shown
    assert b"2 keys are sealed under the new passphrase" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("show", "nobody"), USAGE, "no CA 'nobody'"),
        (("add", "Partners"), USAGE, "cannot name a CA"),
        (("add", "issuing-1"), NOT_ALLOWED, "there is a CA 'issuing-1' already"),
        (("add", "x", "--under", "nobody"), USAGE, "no CA 'nobody'"),
        (("add", "x", "--path-length", "2"), USAGE, "path length 2"),
        (("add", "x", "--path-length", "-1"), USAGE, "'--path-length'"),
        (("add", "x", "--names", "*"), USAGE, "no part of the name space"),
        (("add", "x", "--purpose", "mail"), USAGE, "'mail' is not one of"),
        (("add", "x", "--days", "9999"), USAGE, "up to 3650 days"),
        (("rotate", "root"), USAGE, "cannot be rotated"),
        (("rotate", "nobody"), USAGE, "no CA 'nobody'"),
        (("retire", "root", "--force"), USAGE, "'root' is the root"),
        (("retire", "nobody"), USAGE, "no CA 'nobody'"),
        (("retire", "issuing-1", "--reason", "certificate_hold"), USAGE, "is not one of"),
        (("export", "nobody"), USAGE, "no CA 'nobody'"),
        (("export", "--out", "x"), USAGE, "--out goes with --key"),
        (("export", "--key", "root"), USAGE, "--key needs --out"),
        (("export", "root", "--key", "root", "--out", "x"), USAGE, "and no other name"),
        (("export", "--key", "nobody", "--out", "x"), USAGE, "no CA 'nobody'"),
        (("import",), USAGE, "give a name and a file"),
        (("import", "legacy"), USAGE, "give a name and a file"),
        (("import", "legacy", "nowhere.pem"), UNREADABLE, "cannot be read"),
        (("import", "--key", "root", "a", "b"), USAGE, "give a name and a file"),
        (("import", "--key", "root", "nowhere.key"), USAGE, "is here"),
        (("import", "--key", "root", "x", "--purpose", "client"), USAGE, "brings back a CA that is here"),
        (("import", "--key", "nobody", "nowhere.key"), USAGE, "no CA 'nobody'"),
        (("passphrase", "--new-file", "nowhere"), UNREADABLE, "cannot be read"),
        (("passphrase", "--new-file", "empty"), USAGE, "is empty"),
        (("passphrase",), USAGE, "there is no new passphrase"),
    ],
)
def test_bad_input_changes_nothing(
    mutua: Run, home: Home, tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    (tmp_path / "empty").touch()
    events, files = home.audit.verify(), sorted(home.path.parent.iterdir())
    result = mutua("ca", *arguments)
    assert told in result.error()
    assert result.code == code
    assert home.audit.verify() == events
    assert sorted(home.path.parent.iterdir()) == files


@pytest.mark.parametrize(
    "arguments",
    [
        ("ca", "show"),
        ("ca", "add", "x"),
        ("ca", "rotate"),
        ("ca", "retire", "x"),
        ("ca", "export"),
        ("ca", "import", "x", "y"),
        ("ca", "crl"),
        ("ca", "passphrase"),
    ],
)
def test_a_missing_home(mutua: Run, arguments: tuple[str, ...]) -> None:
    result = mutua(*arguments, "--home", "nowhere")
    assert (result.code, result.error()) == (UNREADABLE, "there is no home at 'nowhere'")


def test_init_makes_the_keys_in_a_token(mutua: Run, softhsm: SoftHsm, tmp_path: Path) -> None:
    token = ("--keys", "pkcs11", "--pkcs11-module", str(softhsm.module), "--pkcs11-token", softhsm.token)
    result = mutua("init", "Acme", "--home", "new", *token)
    assert "CA keys        in the token 'mutua'" in lines(result)
    with Home.open(tmp_path / "new") as home:
        assert [str(each.key).split(";")[1] for each in home.hierarchy.everyone()] == [
            "object=root",
            "object=issuing-1",
        ]
        assert "token" not in vars(home), "nobody has asked for it"
        assert home.authority.issue_server("a.example")
    assert [row.split()[4] for row in lines(mutua("ca", "show", "--home", "new"))[1:]] == ["token", "token"]
    again = mutua("init", "Acme", "--home", "again", *token)
    assert again.code == UNREADABLE
    assert "has a key 'root' already" in again.error()
    assert not (tmp_path / "again").exists()


def test_a_key_in_a_token_does_not_leave(mutua: Run, softhsm: SoftHsm, tmp_path: Path) -> None:
    token = ("--keys", "pkcs11", "--pkcs11-module", str(softhsm.module), "--pkcs11-token", softhsm.token)
    assert mutua("init", "--home", "new", *token).code == 0
    result = mutua("ca", "export", "--home", "new", "--key", "root", "--out", "root.key")
    assert (result.code, result.error()) == (USAGE, "the key of the CA 'root' is in a token and never leaves it")
    assert not (tmp_path / "root.key").exists()


def test_a_token_that_is_away_makes_no_home(mutua: Run, softhsm: SoftHsm, tmp_path: Path) -> None:
    for module, label, told in (
        (str(softhsm.module), "nobody", "has no token 'nobody'"),
        ("/nowhere.so", "mutua", "cannot be loaded"),
    ):
        command = ("--keys", "pkcs11", "--pkcs11-module", module, "--pkcs11-token", label)
        result = mutua("init", "--home", "new", *command)
        assert told in result.error()
        assert result.code == UNREADABLE
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--keys", "pkcs11"), "needs --pkcs11-module and --pkcs11-token"),
        (("--keys", "pkcs11", "--pkcs11-token", "mutua"), "needs --pkcs11-module and --pkcs11-token"),
        (("--pkcs11-token", "mutua"), "go with --keys pkcs11"),
        (("--keys", "store", "--pkcs11-module", "/x.so"), "go with --keys pkcs11"),
        (("--keys", "paper"), "'paper' is not one of"),
        (("--store", "store.db"), "not the address of a store"),
        (("--store", "postgresql://mutua:hunter2@localhost/mutua"), "do not belong on a command line"),
        (("--store", "postgresql://localhost/mutua?password=hunter2"), "do not belong on a command line"),
        (("--store", "http://[hunter2"), "not the address of a store"),
    ],
)
def test_what_makes_no_home(mutua: Run, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    result = mutua("init", "--home", "new", *arguments)
    assert told in result.error()
    assert result.code == USAGE
    assert "hunter2" not in result.err
    assert not (tmp_path / "new").exists()


def test_init_shares_a_database(mutua: Run, cluster: Cluster, tmp_path: Path) -> None:
    with cluster.database() as name:
        url = cluster.url(name)
        result = mutua("init", "Acme", "--home", "new", "--store", url)
        assert lines(result)[-1].split() == ["store", url.replace("postgresql:", "postgresql+psycopg:")]
        assert f'store = "{url}"' in (tmp_path / "new" / "mutua.toml").read_text()
        assert lines(mutua("client", "add", "woovi", "--home", "new")) == ["woovi is registered"]
        key = mutua("ca", "export", "--home", "new", "--key", "root", "--out", "root.key")
        assert "note:  PostgreSQL keeps what was deleted" in key.err
        again = mutua("init", "Acme", "--home", "again", "--store", url)
        assert (again.code, (tmp_path / "again").exists()) == (NOT_ALLOWED, False)
