"""The CAs of a home: made, followed up, and what each of them signs."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from mutua import Home, Identity, KeyType
from mutua.ca.hierarchy import AuthorityState, Purpose, constraints_in
from mutua.errors import (
    AuthorityExists,
    InvalidAuthority,
    InvalidLifetime,
    MutuaError,
    UnknownAuthority,
    UnreadableStore,
)
from mutua.home.home import CA_FILE
from mutua.pki.certificates import common_name, read_certificates
from mutua.pki.keys import key_type_of
from mutua.store.inventory import CertificateState
from tests.home.tables import tables
from tests.pki.hierarchy import make_root


@pytest.fixture
def other(home: Home) -> Iterator[Home]:
    """The same home in another process's hands."""
    with Home.open(home.path, actor="other") as opened:
        yield opened


def bundle(home: Home) -> list[str]:
    """The names in ``ca.pem``."""
    return [common_name(each.subject) for each in read_certificates((home.path / CA_FILE).read_bytes())]


def signer(home: Home, identity: Identity) -> str:
    return home.authority.certificate(identity.thumbprint).authority


def legacy(organization: str = "Legacy") -> Identity:
    """A CA that was made elsewhere."""
    made = make_root(organization=organization)
    return Identity(made.key, (made.certificate,))


def test_a_new_ca_is_below_the_root_and_in_the_bundle_and_has_a_crl(home: Home) -> None:
    made = home.hierarchy.add("partners", purpose=Purpose.CLIENT, lifetime=timedelta(days=30))
    assert home.hierarchy.get("partners") == made
    assert (made.purpose, made.state, made.parent) == (Purpose.CLIENT, AuthorityState.ACTIVE, "root")
    made.certificate.verify_directly_issued_by(home.hierarchy.root.certificate)
    assert made.certificate.not_valid_after_utc == (made.created_at + timedelta(days=30)).replace(microsecond=0)
    assert bundle(home) == ["Root CA", "Issuing CA 1", "partners"]
    assert home.crls.path("partners").is_file()
    home.audit.verify()


def test_its_certificate_is_in_the_inventory_of_the_one_above_and_is_not_listed_with_others(home: Home) -> None:
    made = home.hierarchy.add("partners")
    row = home.authority.certificate(f"{made.certificate.serial_number:032x}")
    assert (row.authority, row.profile, row.client) == ("root", "issuing-ca", None)
    assert row.thumbprint not in {each.thumbprint for each in home.authority.certificates()}


@pytest.mark.parametrize("kind", [KeyType.P384, KeyType.RSA2048, KeyType.ED25519])
def test_its_key_is_of_the_kind_that_was_asked_for_and_so_is_its_successors(home: Home, kind: KeyType) -> None:
    made = home.hierarchy.add("partners", key_type=kind)
    _, successor = home.hierarchy.rotate("partners")
    assert [key_type_of(each.certificate.public_key()) for each in (made, successor)] == [kind, kind]
    assert signer(home, home.authority.issue_client("woovi", authority="partners-2")) == "partners-2"


@pytest.mark.parametrize(
    ("act", "error", "told"),
    [
        (lambda home: home.hierarchy.add("issuing-1"), AuthorityExists, "there is a CA 'issuing-1'"),
        (lambda home: home.hierarchy.add("root"), AuthorityExists, "there is a CA 'root'"),
        (lambda home: home.hierarchy.add("Partners"), InvalidAuthority, "cannot name a CA"),
        (lambda home: home.hierarchy.add("../x"), InvalidAuthority, "cannot name a CA"),
        (lambda home: home.hierarchy.add("x", parent="nobody"), UnknownAuthority, "no CA 'nobody'"),
        (lambda home: home.hierarchy.add("x", parent="issuing-1"), InvalidAuthority, "path length 0"),
        (lambda home: home.hierarchy.add("x", path_length=2), InvalidAuthority, "path length 2"),
        (lambda home: home.hierarchy.add("x", path_length=-1), InvalidAuthority, "0 to 8"),
        (lambda home: home.hierarchy.add("x", names=["*.x"]), InvalidAuthority, "name space"),
        (lambda home: home.hierarchy.add("x", lifetime=timedelta(0)), InvalidLifetime, "lives up to"),
        (lambda home: home.hierarchy.add("x", lifetime=timedelta(days=3651)), InvalidLifetime, "lives up to"),
        (lambda home: home.hierarchy.rotate("root"), InvalidAuthority, "cannot be rotated"),
        (lambda home: home.hierarchy.rotate("nobody"), UnknownAuthority, "no CA 'nobody'"),
        (lambda home: home.hierarchy.get("nobody\udcff" * 99), UnknownAuthority, "no CA"),
    ],
)
def test_what_cannot_be_made_changes_nothing_and_takes_no_name(
    home: Home, act: Callable[[Home], object], error: type[MutuaError], told: str
) -> None:
    before = tables(home), bundle(home)
    with pytest.raises(error, match=told) as refused:
        act(home)
    assert refused.value.hint
    assert (tables(home), bundle(home)) == before
    # In a token a key of that name would be in the way.
    assert home.hierarchy.add("x").id == "x"


def test_a_ca_stands_below_one_that_is_for_as_much(home: Home) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT, path_length=1)
    for purpose in (Purpose.ANY, Purpose.SERVER):
        with pytest.raises(InvalidAuthority, match="for client certificates only") as refused:
            home.hierarchy.add("acme", purpose=purpose, parent="partners")
        assert refused.value.hint == "--purpose client"
    made = home.hierarchy.add("acme", purpose=Purpose.CLIENT, parent="partners")
    issued = home.authority.issue_client("woovi", authority="acme")
    assert issued.chain[1:] == (made.certificate, home.hierarchy.get("partners").certificate)


def test_the_ca_for_a_purpose_signs_before_the_one_for_all(home: Home) -> None:
    home.hierarchy.add("servers", purpose=Purpose.SERVER)
    home.hierarchy.add("clients", purpose=Purpose.CLIENT)
    assert signer(home, home.authority.issue_server("a.example")) == "servers"
    assert signer(home, home.authority.issue_client("woovi")) == "clients"
    assert signer(home, home.authority.issue_client("woovi", authority="issuing-1")) == "issuing-1"


def test_a_ca_for_one_purpose_signs_nothing_else_even_if_it_is_named(home: Home) -> None:
    home.hierarchy.add("clients", purpose=Purpose.CLIENT)
    with pytest.raises(UnknownAuthority, match="no CA 'clients' that signs server certificates"):
        home.authority.issue_server("a.example", authority="clients")


def test_another_ca_for_all_does_not_take_the_place_of_the_first_nor_does_a_rotation(home: Home) -> None:
    home.hierarchy.add("second")
    assert signer(home, home.authority.issue_server("a.example")) == "issuing-1"
    for number in (2, 3):
        home.hierarchy.rotate("issuing-1" if number == 2 else "issuing-2")
        assert signer(home, home.authority.issue_server("a.example")) == f"issuing-{number}"


def test_rotating_publishes_old_and_new_together(home: Home) -> None:
    old, new = home.hierarchy.rotate("issuing-1")
    assert (old.id, old.state, new.id, new.state) == (
        "issuing-1",
        AuthorityState.SUPERSEDED,
        "issuing-2",
        AuthorityState.ACTIVE,
    )
    assert [home.hierarchy.get(each.id) for each in (old, new)] == [old, new]
    assert bundle(home) == ["Root CA", "Issuing CA 1", "Issuing CA 2"]
    assert home.trust.anchors == read_certificates((home.path / CA_FILE).read_bytes())
    assert signer(home, home.authority.issue_client("woovi")) == "issuing-2"
    record = home.authority.certificate(home.identities.load("woovi").thumbprint)
    assert record.state(home.now()) is CertificateState.VALID
    home.audit.verify()


def test_the_superseded_one_still_lists_what_was_revoked(home: Home) -> None:
    thumbprint = home.identities.load("woovi").thumbprint
    home.hierarchy.rotate("issuing-1")
    before = home.crls.everything()["issuing-1", 0].number
    home.revocation.revoke(thumbprint)
    assert home.crls.everything()["issuing-1", 0].number == before + 1


def test_a_successor_states_what_the_one_before_stated(home: Home) -> None:
    names = ("acme.example", "10.0.0.0/8", "@acme.example")
    before = home.hierarchy.add("partners", purpose=Purpose.CLIENT, names=names, path_length=1)
    _, after = home.hierarchy.rotate("partners")
    assert after.id == "partners-2"
    assert constraints_in(after.certificate) == constraints_in(before.certificate)
    assert (after.purpose, after.parent) == (before.purpose, before.parent)
    assert after.certificate.subject != before.certificate.subject


def test_without_a_name_the_ca_is_rotated_that_signs_what_no_other_was_made_for(home: Home) -> None:
    home.hierarchy.add("clients", purpose=Purpose.CLIENT)
    home.hierarchy.add("acme", names=["acme.example"])
    home.hierarchy.take_in("legacy", legacy())
    assert home.hierarchy.issuing.id == "issuing-1"
    assert [each.id for each in home.hierarchy.rotate()] == ["issuing-1", "issuing-2"]
    assert home.hierarchy.issuing.id == "issuing-2"


def test_a_ca_is_followed_up_once(home: Home) -> None:
    home.hierarchy.rotate("issuing-1")
    with pytest.raises(InvalidAuthority, match="cannot be rotated"):
        home.hierarchy.rotate("issuing-1")


def test_nothing_new_stands_below_a_ca_that_signs_no_more(home: Home) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT, path_length=1)
    home.hierarchy.add("acme", purpose=Purpose.CLIENT, parent="partners")
    home.hierarchy.rotate("partners")
    acts: list[Callable[[], object]] = [
        lambda: home.hierarchy.add("bank", purpose=Purpose.CLIENT, parent="partners"),
        lambda: home.hierarchy.rotate("acme"),
    ]
    for act in acts:
        with pytest.raises(InvalidAuthority, match="'partners' above it is superseded") as refused:
            act()
        assert "--under" in refused.value.hint
    assert home.hierarchy.add("bank", purpose=Purpose.CLIENT, parent="partners-2").parent == "partners-2"


def test_of_two_who_add_the_same_ca_one_is_told(home: Home, other: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    real = home.hierarchy._draw_up

    def late(*arguments: object) -> object:
        made = real(*arguments)  # type: ignore[arg-type]
        other.hierarchy.take_in("partners", legacy())
        return made

    monkeypatch.setattr(home.hierarchy, "_draw_up", late)
    with pytest.raises(AuthorityExists):
        home.hierarchy.add("partners")


def test_a_ca_is_not_stored_below_one_that_was_retired_meanwhile(
    home: Home, other: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT, path_length=1)
    real = home.hierarchy._draw_up

    def late(*arguments: object) -> object:
        made = real(*arguments)  # type: ignore[arg-type]
        other.hierarchy.retire("partners")
        return made

    monkeypatch.setattr(home.hierarchy, "_draw_up", late)
    with pytest.raises(InvalidAuthority, match="'partners' above it is retired"):
        home.hierarchy.add("acme", purpose=Purpose.CLIENT, parent="partners")
    home.audit.verify()


def test_a_home_whose_cas_are_gone_says_so(home: Home) -> None:
    with home.store.write() as connection:
        connection.exec_driver_sql("UPDATE authorities SET state = 'retired'")
    looks: list[Callable[[], object]] = [lambda: home.hierarchy.root, lambda: home.hierarchy.issuing]
    for look in looks:
        with pytest.raises(UnreadableStore, match="the store has no"):
            look()
