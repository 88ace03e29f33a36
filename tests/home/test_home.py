import os
import pwd
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from mutua import Home
from mutua.errors import (
    HomeExists,
    HomeNotFound,
    InvalidAddress,
    InvalidName,
    MutuaError,
    UnreadableFile,
    UnreadableStore,
    UnsafeHome,
)
from mutua.home.sealing import Cost
from mutua.pki.certificates import read_certificates
from tests.conftest import CHEAP_SEALING


def create(folder: Path, name: str = "Acme Payments", revocation_url: str | None = None) -> Home:
    return Home.create(folder, name=name, sealing_cost=CHEAP_SEALING, revocation_url=revocation_url)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_home_has_a_root_and_an_issuing_ca_below_it(tmp_path: Path) -> None:
    with create(tmp_path / "home") as home:
        root, issuing = home.hierarchy.root, home.hierarchy.issuing
        assert [record.id for record in home.hierarchy.everyone()] == ["root", "issuing-1"]
        assert issuing.certificate.issuer == root.certificate.subject
        assert root.certificate.subject.rfc4514_string() == "CN=Root CA,O=Acme Payments"
        issuing.certificate.verify_directly_issued_by(root.certificate)
        assert home.clients.all() == ()
        assert home.audit.verify() == 4
        bundle = read_certificates((home.path / "ca.pem").read_bytes())
        assert bundle == home.trust.anchors == (root.certificate, issuing.certificate)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_everything_made_is_private_but_the_certificates(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with create(tmp_path / "home") as home:
            home.identities.save("api", home.authority.issue_server("localhost"))
            paths = [home.path, *home.path.rglob("*")]
            modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in paths if not path.is_symlink()}
            resolved = (home.path / "identities" / "api").resolve()
    finally:
        os.umask(before)
    files = {path.name: mode for path, mode in modes.items() if path.is_file()}
    public = {"ca.pem", "chain.pem", "root.crl", "issuing-1.crl", "all.pem"}
    assert {files.pop(name) for name in public} == {0o644}
    assert set(files) >= {".gitignore", "mutua.toml", "passphrase", "audit.key", "store.db", "key.pem"}
    assert set(files.values()) == {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {path.name for path in resolved.iterdir()} == {"key.pem", "chain.pem"}


def test_nothing_in_a_home_is_ever_added_to_git(home: Home) -> None:
    assert (home.path / ".gitignore").read_text() == "*\n"


def test_an_empty_folder_becomes_a_home(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    create(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_folders_above_are_made(tmp_path: Path) -> None:
    with create(tmp_path / "a" / "b" / "home") as home:
        assert home.path == tmp_path / "a" / "b" / "home"


def test_a_second_create_touches_nothing(home: Home) -> None:
    before = content(home.path)
    with pytest.raises(HomeExists, match="already"):
        create(home.path)
    assert content(home.path) == before
    assert [path.name for path in home.path.parent.iterdir()] == ["home"]


@pytest.mark.parametrize("kind", ["file", "full folder", "dangling link"])
def test_what_is_there_already_is_never_replaced(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("precious")
    elif kind == "full folder":
        place.mkdir()
        (place / "precious").touch()
    else:
        place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(HomeExists):
        create(place)
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert kind != "file" or place.read_text() == "precious"


def test_of_two_that_create_at_once_one_wins(tmp_path: Path) -> None:
    def attempt(_: int) -> "Home | MutuaError":
        try:
            return create(tmp_path / "home")
        except HomeExists as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(attempt, range(4)))
    homes = [outcome for outcome in outcomes if isinstance(outcome, Home)]
    assert len(homes) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert homes[0].audit.verify() == 4
    homes[0].close()


def test_the_current_folder_cannot_be_replaced_and_the_hint_says_what_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(UnreadableFile) as refused:
        create(Path())
    assert "--home 'home'" in refused.value.hint
    assert list(folder.iterdir()) == []


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnreadableFile, match="no home can be made"):
        create(tmp_path / "file" / "home")


@pytest.mark.parametrize("name", ["", "x" * 65, "two\nlines", "bell\a", "\u202ereversed", "half\ud800"])
def test_an_organization_that_no_certificate_can_carry_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidName):
        create(tmp_path / "home", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 64, "ü" * 64, 'Say "hi" \\ bye', "株式会社", "O=Evil,CN=Root"])
def test_an_organizations_name_stands_in_its_certificates_and_settings(tmp_path: Path, name: str) -> None:
    create(tmp_path / "home", name).close()
    with Home.open(tmp_path / "home") as home:
        assert home.settings.name == name
        attributes = {each.rfc4514_attribute_name: each.value for each in home.hierarchy.root.certificate.subject}
        assert attributes == {"CN": "Root CA", "O": name}


def test_a_failed_create_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="n must be"):
        Home.create(tmp_path / "home", sealing_cost=Cost(n=3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["nowhere", "file", "empty"])
def test_where_no_home_is_none_is_opened(tmp_path: Path, missing: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(HomeNotFound) as refused:
        Home.open(tmp_path / missing)
    assert refused.value.hint == "mutua init"


def test_the_home_is_the_argument_then_the_variable_then_the_folder_here(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "elsewhere" / ".mutua", "Elsewhere").close()
    create(tmp_path / "variable", "Variable").close()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("MUTUA_HOME", raising=False)
    opened = [Home.open()]
    monkeypatch.setenv("MUTUA_HOME", str(tmp_path / "variable"))
    opened += [Home.open(), Home.open(home.path)]
    assert [each.settings.name for each in opened] == ["Elsewhere", "Variable", "Acme Payments"]
    for each in opened:
        each.close()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702])
def test_a_home_that_others_can_write_is_refused(home: Home, mode: int) -> None:
    home.path.chmod(mode)
    with pytest.raises(UnsafeHome) as refused:
        Home.open(home.path)
    assert "chmod 700" in refused.value.hint


def test_a_home_that_others_can_only_read_is_opened(home: Home) -> None:
    home.path.chmod(0o755)
    Home.open(home.path).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_home_of_another_user_is_refused(home: Home) -> None:
    os.chown(home.path, 12345, 12345)
    with pytest.raises(UnsafeHome, match="another user"):
        Home.open(home.path)


def test_a_home_without_its_store_is_refused(home: Home) -> None:
    home.close()
    (home.path / "store.db").unlink()
    with pytest.raises(UnreadableStore):
        Home.open(home.path)


def test_a_home_that_was_moved_works_on(home: Home, tmp_path: Path) -> None:
    home.close()
    home.path.rename(tmp_path / "moved")
    with Home.open(tmp_path / "moved") as moved:
        assert moved.identities.load("woovi").names == moved.authority.issue_client("woovi").names


def test_a_path_that_is_not_unicode_works(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/h\xff"))
    create(folder).close()
    with Home.open(folder) as home:
        assert home.clients.add("woovi").name == "woovi"


def test_the_audit_trail_names_the_systems_user_whatever_the_environment_says(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "mallory")
    with Home.open(home.path) as opened:
        opened.clients.add("bank")
    with Home.open(home.path, actor="ana") as opened:
        opened.clients.suspend("bank")
    with home.store.read() as connection:
        actors = connection.exec_driver_sql("SELECT actor FROM events ORDER BY id DESC LIMIT 2").scalars().all()
    assert actors == ["ana", pwd.getpwuid(os.getuid()).pw_name]


def test_no_repr_tells_a_secret(home: Home) -> None:
    passphrase = (home.path / "passphrase").read_text().strip()
    home.authority.issue_client("woovi")
    told = repr([home, home.sealer, home.authority, home.clients, home.identities, home.settings, home.store])
    assert passphrase not in told
    assert "PRIVATE" not in told


def test_a_home_with_an_address_names_it_from_the_first_ca_on(tmp_path: Path) -> None:
    with create(tmp_path / "home", revocation_url="http://pki.acme.example/") as home:
        assert home.settings.revocation_url == "http://pki.acme.example"
        points = home.hierarchy.issuing.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
        assert "http://pki.acme.example/crl/root.crl" in str(points.value)


def test_an_address_below_which_nothing_can_be_published_is_refused_and_nothing_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidAddress):
        create(tmp_path / "home", revocation_url="https://pki.acme.example")
    assert list(tmp_path.iterdir()) == []
