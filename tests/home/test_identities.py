import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home, Identity
from mutua.errors import AlreadyExists, InvalidInput, MutuaError, UnknownIdentity
from mutua.home.identities import Identities
from tests.conftest import soak


@pytest.fixture
def identity(home: Home) -> Identity:
    return home.authority.issue_client("woovi")


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    return Identities(tmp_path / "identities")


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    folder = tmp_path_factory.mktemp("somewhere") / "identities"
    folder.mkdir()
    return Identities(folder)


def test_what_is_saved_is_loaded(identities: Identities, identity: Identity) -> None:
    folder = identities.save("woovi", identity)
    assert folder == identities.path("woovi") == identities.find("woovi")
    for loaded in (identities.load("woovi"), Identity.load(folder)):
        assert loaded.chain == identity.chain
        assert loaded.key_pem() == identity.key_pem()
    assert identities.names() == ["woovi"]


def test_the_key_is_its_owners_alone(identities: Identities, identity: Identity) -> None:
    folder = identities.save("woovi", identity)
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_identity_is_never_overwritten_unasked(identities: Identities, identity: Identity, home: Home) -> None:
    identities.save("woovi", identity)
    with pytest.raises(AlreadyExists) as refused:
        identities.save("woovi", home.authority.issue_client("woovi"))
    assert "--force" in refused.value.hint
    assert identities.load("woovi").thumbprint == identity.thumbprint


def test_an_identity_is_replaced_when_asked(identities: Identities, identity: Identity, home: Home) -> None:
    identities.save("woovi", identity)
    fresh = home.authority.issue_client("woovi")
    identities.save("woovi", fresh, replace=True)
    assert identities.load("woovi").thumbprint == fresh.thumbprint


def test_only_the_newest_keys_stay_on_disk(identities: Identities, home: Home) -> None:
    made = [home.authority.issue_client("woovi") for _ in range(6)]
    for each in made:
        identities.save("woovi", each, replace=True)
    identities.save("woovi-2", made[0])
    identities.save("woovi", made[5], replace=True)
    keys = [path.read_bytes() for path in (identities.folder / ".versions" / "woovi").rglob("key.pem")]
    assert len(keys) == 2
    assert identities.load("woovi-2").thumbprint == made[0].thumbprint


def test_a_folder_of_somebodys_own_is_not_replaced(identities: Identities, identity: Identity) -> None:
    own = identities.folder / "own"
    own.mkdir(parents=True)
    (own / "key.pem").write_text("precious")
    for replace in (False, True):
        with pytest.raises(AlreadyExists):
            identities.save("own", identity, replace=replace)
    assert (own / "key.pem").read_text() == "precious"


def test_a_name_as_long_as_a_dns_name_can_be_is_saved(identities: Identities, identity: Identity) -> None:
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    assert len(name) == 253
    identities.save(name, identity)
    assert identities.load(name).thumbprint == identity.thumbprint


@pytest.mark.parametrize("name", ["api.acme.example", "*.acme.example", "10.0.0.1", "a_b", "x"])
def test_names_of_servers_and_clients_name_identities(identities: Identities, identity: Identity, name: str) -> None:
    assert identities.save(name, identity).parent == identities.folder


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../api",
        "a/b",
        "/etc",
        "a..b",
        ".versions",
        ".hidden",
        "a.",
        "-a",
        "A",
        "a\n",
        "a\0",
        "ü",
        "a" * 254,
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(identities: Identities, identity: Identity, name: str) -> None:
    for act in (identities.path, identities.load):
        with pytest.raises(InvalidInput):
            act(name)
    with pytest.raises(InvalidInput):
        identities.save(name, identity)
    assert not identities.folder.exists()


@given(name=st.text() | st.text("ab./*-_\\~\0 \n"))
def test_every_accepted_name_stays_in_the_folder(somewhere: Identities, name: str) -> None:
    try:
        path = somewhere.path(name)
    except InvalidInput:
        return
    assert path.parent == somewhere.folder
    assert os.path.normpath(path) == str(path)
    with pytest.raises(UnknownIdentity):
        somewhere.load(name)


@given(text=st.text(st.characters(exclude_characters="./"), min_size=1) | st.just("x" * 5000))
def test_finding_what_is_not_there_is_a_clear_refusal(somewhere: Identities, text: str) -> None:
    with pytest.raises(MutuaError):
        somewhere.find(text + "-is-not-there")


def test_an_unknown_identity_is_told_with_those_there_are(home: Home) -> None:
    with pytest.raises(UnknownIdentity, match="api, woovi"):
        home.identities.load("bank")


def test_an_identity_of_the_home_comes_before_a_file_of_that_name(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "api").touch()
    (tmp_path / "other.p12").touch()
    assert home.identities.find("api") == home.identities.folder / "api"
    assert home.identities.find("./api") == Path("api")
    assert home.identities.find("other.p12") == Path("other.p12")


@pytest.mark.soak
def test_a_reader_never_meets_a_key_with_anothers_certificate(identities: Identities, home: Home) -> None:
    made = [home.authority.issue_client("woovi") for _ in range(4)]
    known = {each.thumbprint for each in made}
    identities.save("woovi", made[0])
    rounds, done = soak(share=60, whole=3000), threading.Event()

    def replace() -> None:
        try:
            for number in range(rounds):
                identities.save("woovi", made[number % len(made)], replace=True)
        finally:
            done.set()

    def read() -> set[str]:
        seen = set()
        while not done.is_set():
            seen.add(identities.load("woovi").thumbprint)
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        pool.submit(replace).result()
        assert readers[0].result() | readers[1].result() <= known
    assert identities.load("woovi").thumbprint == made[(rounds - 1) % len(made)].thumbprint


def test_of_many_that_save_one_name_at_once_one_wins(identities: Identities, home: Home) -> None:
    made = [home.authority.issue_client("woovi") for _ in range(8)]

    def save(identity: Identity) -> str | None:
        try:
            identities.save("woovi", identity)
        except AlreadyExists:
            return None
        return identity.thumbprint

    with ThreadPoolExecutor(len(made)) as pool:
        winners = [thumbprint for thumbprint in pool.map(save, made) if thumbprint]
    assert winners == [identities.load("woovi").thumbprint]


def test_many_that_replace_one_name_at_once_leave_a_whole_identity(identities: Identities, home: Home) -> None:
    made = [home.authority.issue_client("woovi") for _ in range(8)]
    with ThreadPoolExecutor(len(made)) as pool:
        list(pool.map(lambda each: identities.save("woovi", each, replace=True), made))
    assert identities.load("woovi").thumbprint in {each.thumbprint for each in made}
