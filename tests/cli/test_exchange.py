"""``mutua client export`` and ``import``: a registry goes from one home to another, whole or not at all."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import InvalidRegistryFile
from mutua.home.exchange import export_registry, import_registry
from mutua.pki.certificates import read_certificates, write_pem
from mutua.pki.thumbprints import x5t_s256
from mutua.registry.credentials import Form
from mutua.registry.exchange import read_registry
from mutua.registry.partners import by_certificate, by_key, by_subject
from tests.cli.conftest import Run
from tests.conftest import CHEAP_SEALING
from tests.pki.hierarchy import NOW, make_issuing_ca, make_root

ROOT = make_root(organization="Partner")
CA = make_issuing_ca(ROOT)


@pytest.fixture
def partners(home: Home) -> Home:
    """A home with partners of every kind."""
    home.clients.add("bank", allow=["GET /status", "POST /webhook/*"])
    home.credentials.add("bank", by_subject([ROOT.certificate, CA.certificate], Form.DN, "CN=Bank,O=Ação", now=NOW))
    home.credentials.add("bank", by_certificate([ROOT.certificate], now=NOW))
    home.clients.add("shop")
    home.credentials.add("shop", by_key([CA.certificate, ROOT.certificate]))
    home.clients.suspend("shop")
    return home


def test_what_was_exported_is_taken_in_elsewhere(partners: Home, tmp_path: Path) -> None:
    text = export_registry(partners)
    assert "PRIVATE" not in text
    with Home.create(tmp_path / "other", name="Other", sealing_cost=CHEAP_SEALING) as other:
        entries = read_registry(text.encode(), now=other.now())
        told = import_registry(other, entries, dry_run=True)
        assert other.clients.all() == ()
        assert len(import_registry(other, entries)) == len(told)
        assert export_registry(other) == text
        assert import_registry(other, entries) == []
        assert [each.state.value for each in other.clients.all()] == ["active", "suspended", "active"]
        other.audit.verify()


def test_intermediates_keep_the_order_in_which_they_came(home: Home, tmp_path: Path) -> None:
    between = sorted((make_issuing_ca(ROOT) for _ in range(4)), key=lambda each: x5t_s256(each.certificate))
    chain = [ROOT.certificate, *(between[place].certificate for place in (2, 0, 3, 1))]
    home.clients.add("bank")
    home.credentials.add("bank", by_subject(chain, Form.DNS, "api.bank.example", now=NOW))
    text = export_registry(home)
    (credential,) = json.loads(text)["clients"][0]["credentials"]
    assert read_certificates("".join(credential["certificates"]).encode()) == tuple(chain)
    with Home.create(tmp_path / "other", name="Other", sealing_cost=CHEAP_SEALING) as other:
        import_registry(other, read_registry(text.encode(), now=other.now()))
        assert json.loads(export_registry(other))["clients"][0] == json.loads(text)["clients"][0]


def test_the_commands_say_what_they_do(partners: Home, mutua: Run, tmp_path: Path) -> None:
    file = tmp_path / "partners.json"
    content = json.loads(mutua("client", "export").out)
    content["clients"].append({"name": "new", "grants": ["GET /new"]})
    content["clients"][0]["grants"].append("GET /more")
    file.write_text(json.dumps(content))
    planned = mutua("client", "import", str(file), "--dry-run")
    assert planned.out.splitlines() == ["bank: may call GET /more", "new: registered"]
    assert "nothing was changed" in planned.err
    assert mutua("client", "import", str(file), "--json").json["changes"] == planned.out.splitlines()
    assert "everything is there already" in mutua("client", "import", str(file)).err


def test_a_credential_of_somebody_else_stops_the_whole_file(partners: Home, mutua: Run, tmp_path: Path) -> None:
    file = tmp_path / "partners.json"
    pin = {"by": "x5t#S256", "certificates": [write_pem([ROOT.certificate]).decode()]}
    file.write_text(json.dumps({"clients": [{"name": "first"}, {"name": "thief", "credentials": [pin]}]}))
    before = partners.snapshot()
    assert mutua("client", "import", str(file)).code == 4
    assert partners.snapshot() == before


MISTAKES: list[tuple[Any, str]] = [
    ([], "it is not"),
    ({"clients": [], "more": 1}, "it is not"),
    ({"clients": [{}]}, "client 1 has no name"),
    ({"clients": [{"name": "UPPER"}]}, "cannot name a client"),
    ({"clients": [{"name": "a", "state": "gone"}]}, "gone"),
    ({"clients": [{"name": "a", "key": "x"}]}, "unknown: 'key'"),
    ({"clients": [{"name": "a", "grants": ["GET status"]}]}, "does not start with a slash"),
    ({"clients": [{"name": "a"}, {"name": "a"}]}, "twice"),
    ({"clients": [{"name": "a", "credentials": [{"by": "x5t#S256", "certificates": ["junk"]}]}]}, "certificate"),
    ({"clients": [{"name": "a", "credentials": [{"by": "hash", "certificates": []}]}]}, "hash"),
]


@pytest.mark.parametrize(("content", "told"), MISTAKES, ids=range(len(MISTAKES)))
def test_every_mistake_is_told_and_nothing_is_changed(
    home: Home, mutua: Run, tmp_path: Path, content: object, told: str
) -> None:
    file = tmp_path / "partners.json"
    file.write_text(json.dumps(content))
    result = mutua("client", "import", str(file))
    assert result.code == 2
    assert told in result.error()
    assert [client.name for client in home.clients.all()] == ["woovi"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "state", "grants", "credentials", "by", "certificates"]), inner)
    ),
)


@settings(deadline=None)
@given(clients=st.lists(VALUES, max_size=3) | VALUES)
def test_any_json_is_read_or_refused_with_an_error_of_ours(clients: object) -> None:
    with suppress(InvalidRegistryFile):
        read_registry(json.dumps({"clients": clients}).encode(), now=NOW)
