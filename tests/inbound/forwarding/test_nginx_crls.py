"""nginx with a revocation list of every CA: ours and partners', kept current; and none where one would be missing."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mutua import Home, Identity
from mutua.ca.hierarchy import draft_issuing_ca
from mutua.home.client_crls import ClientCrls
from mutua.home.foreign_crls import ForeignCrls
from mutua.home.upkeep import Upkeep
from mutua.pki.dn import DistinguishedName
from mutua.pki.randomness import generate_key, new_serial
from mutua.registry.credentials import Form
from mutua.registry.foreign_crls import with_crls
from mutua.registry.partners import by_certificate, by_key, by_subject
from tests.inbound.forwarding.nginx import written
from tests.inbound.forwarding.test_nginx import Start, start
from tests.pki.hierarchy import NOW, Authority, issue, make_issuing_ca, make_root
from tests.pki.revocation_lists import crl, scope

__all__ = ["start"]


def make_named_ca(root: Authority, organization: str) -> Authority:
    key = generate_key()
    draft = draft_issuing_ca(organization, key.public_key(), root=root.certificate, serial=new_serial(), now=NOW)
    return Authority(key, draft.sign(root.key))


ROOT = make_root(organization="Bank")
CA = make_named_ca(ROOT, "Bank")
CHAIN = [ROOT.certificate, CA.certificate]
GOOD, REVOKED = (issue(CA, names=[f"{name}.bank.example"]) for name in ("good", "revoked"))
LISTED = REVOKED.certificate.serial_number
ROOTS, ISSUERS = "http://crl.bank.example/root.crl", "http://crl.bank.example/ca.crl"


class Web:
    """Where the lists are."""

    def __init__(self) -> None:
        self.there = {ROOTS: crl(ROOT, number=1), ISSUERS: crl(CA, [LISTED], number=1)}

    def __call__(self, url: str) -> bytes:
        return self.there[url]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def bank(home: Home) -> str:
    """Two names below a CA, with the lists of that and of its root."""
    home.clients.add("bank", allow=["GET /**"])
    for name in ("good", "revoked"):
        known = by_subject(CHAIN, Form.DNS, f"{name}.bank.example", now=NOW)
        home.credentials.add("bank", with_crls(known, CHAIN, urls=[ROOTS, ISSUERS]))
    return "bank"


def serials(path: Path) -> set[int]:
    """What the lists of a file revoke."""
    end = b"-----END X509 CRL-----\n"
    lists = [x509.load_pem_x509_crl(text + end) for text in path.read_bytes().split(end)[:-1]]
    return {entry.serial_number for each in lists for entry in each}


def config(home: Home, *options: str) -> tuple[str, str]:
    done = written(home, "--server-name", "localhost", "--identity", "api", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_what_is_revoked_anywhere_is_refused_by_nginx_and_nobody_else(
    home: Home, bank: str, web: Web, start: Start
) -> None:
    ForeignCrls(home, web).fetch_due()
    ours = home.authority.issue_client("woovi")
    home.revocation.revoke(ours.thumbprint)
    front = start()
    sent = {each: Identity(each.key, (each.certificate, CA.certificate)) for each in (GOOD, REVOKED)}
    assert front.ask(home.identities.load("woovi"))[1]["client"] == "woovi"
    assert front.ask(sent[GOOD])[1]["client"] == "bank"
    for revoked in (ours, sent[REVOKED]):
        assert front.ask(revoked)[0] == 400  # nginx itself; mutua would say 403


def test_the_file_is_kept_current_with_what_is_fetched_and_what_we_revoke(
    home: Home, bank: str, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mutua.home.upkeep.FOREIGN_SECONDS", 0)
    monkeypatch.setattr(ForeignCrls, "_fetch", web)
    upkeep, path = Upkeep(home.path), ClientCrls(home).path
    try:
        assert not path.exists()
        upkeep._fetch()
        assert serials(path) == {LISTED}
        assert f'ssl_crl "{path}"' in config(home)[0]

        ours = home.authority.issue_client("woovi")
        home.revocation.revoke(ours.thumbprint)
        upkeep._fetch()
        assert serials(path) == {LISTED, ours.certificate.serial_number}

        good = GOOD.certificate.serial_number
        web.there[ISSUERS] = crl(CA, [good], number=2)
        ForeignCrls(home).fetch_due(anyway=True)
        upkeep._fetch()
        assert serials(path) == {good, ours.certificate.serial_number}

        untouched = path.stat()
        upkeep._fetch()
        assert path.stat() == untouched

        home.clients.remove(bank, force=True)
        upkeep._fetch()
        assert serials(path) == {ours.certificate.serial_number}
    finally:
        upkeep.close()


def test_without_partners_lists_there_is_no_such_file(home: Home) -> None:
    ClientCrls(home).write()
    assert not ClientCrls(home).path.exists()
    assert "crl/all.pem" in config(home)[0]


def lacking(home: Home) -> list[str]:
    text, told = config(home)
    assert ("ssl_crl " in text.replace("No ssl_crl", "")) is not ("without ssl_crl" in told)
    return [line.removeprefix("    #     ") for line in text.splitlines() if line.startswith("    #     ")]


def test_where_a_list_is_missing_or_has_ended_there_is_none_and_the_file_says_why(
    home: Home, bank: str, web: Web
) -> None:
    names = [str(DistinguishedName.of(each.subject)) for each in CHAIN]
    assert lacking(home) == names
    web.there[ISSUERS] = crl(CA, this_update=NOW - timedelta(days=3))
    ForeignCrls(home, web).fetch_due(anyway=True)
    assert lacking(home) == names[1:]
    web.there[ISSUERS] = crl(CA, number=2)
    ForeignCrls(home, web).fetch_due(anyway=True)
    assert lacking(home) == []


@pytest.mark.parametrize(
    "extension", [scope(ISSUERS), scope(users=True), scope(cas=True)], ids=["place", "users", "cas"]
)
def test_a_list_of_a_part_is_not_the_list_of_a_ca(
    home: Home, bank: str, web: Web, extension: tuple[x509.ExtensionType, bool]
) -> None:
    web.there[ISSUERS] = crl(CA, extensions=[extension])
    ForeignCrls(home, web).fetch_due()
    assert len(lacking(home)) == 1


def test_who_is_known_by_a_certificate_that_nobody_lists_needs_none(home: Home, bank: str, web: Web) -> None:
    """nginx does not let such a one pass, with lists or without."""
    ForeignCrls(home, web).fetch_due()
    home.credentials.add(bank, by_key([issue(CA).certificate]))
    assert lacking(home) == []


def test_a_pinned_ca_of_which_nobody_has_a_list_is_named(home: Home, bank: str, web: Web) -> None:
    ForeignCrls(home, web).fetch_due()
    home.credentials.add(bank, by_certificate([make_root(organization="Alone").certificate], now=NOW))
    assert len(lacking(home)) == 1


def test_a_ca_with_the_name_of_ours_shuts_nobody_out(home: Home, bank: str, web: Web) -> None:
    """nginx would take its list for ours, and refuse our clients."""
    ours = home.hierarchy.issuing.certificate
    impostor = make_issuing_ca(make_root())
    assert impostor.certificate.subject == ours.subject
    known = by_subject([impostor.certificate], Form.DNS, "a.example", now=NOW)
    home.credentials.add(bank, with_crls(known, [impostor.certificate], urls=["http://x.example/ca.crl"]))
    web.there["http://x.example/ca.crl"] = crl(impostor, [7], number=1)
    ForeignCrls(home, web).fetch_due()
    assert lacking(home) == [str(DistinguishedName.of(ours.subject))]
    ClientCrls(home).write()
    assert serials(ClientCrls(home).path) == {LISTED}


def test_once_ours_are_cut_into_parts_the_file_is_gone(home: Home, bank: str, web: Web) -> None:
    ForeignCrls(home, web).fetch_due()
    lists = ClientCrls(home)
    lists.write()
    assert lists.path.exists()
    home.settings = replace(home.settings, revocation_url="http://pki.acme.example", crl_shards=2)
    home.crls.publish_due()
    for _ in range(2):
        lists.write()
        assert not lists.path.exists()


def test_the_name_of_a_ca_cannot_end_the_comment(home: Home) -> None:
    hostile = make_root(organization="x\n    ssl_verify_client off; #")
    home.clients.add("bank")
    home.credentials.add("bank", by_subject([hostile.certificate], Form.DNS, "a.example", now=NOW))
    text, _ = config(home)
    assert "    #     CN=Root CA,O=x" in text
    assert [line for line in text.splitlines() if line.lstrip().startswith("ssl_verify_client")] == [
        "    ssl_verify_client on;"
    ]
