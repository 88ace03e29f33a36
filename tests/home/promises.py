"""What those who act on a home were promised, and whether it holds."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from sqlalchemy import func, select

from mutua import Home
from mutua.ca.hierarchy import AuthorityState
from mutua.home.home import CA_FILE
from mutua.pki.certificates import read_certificates
from mutua.pki.crl import read_crl
from mutua.store.events import Recorded
from mutua.store.inventory import CertificateRecord, CertificateState
from mutua.store.schema import certificates
from tests.home.acting import Promise, exported_root


def assert_kept(home: Home, writers: Iterable[list[Promise]]) -> None:
    """Everything that was promised is there, once, and its event in its place.

    Args:
        home: where.
        writers: what each of those who wrote at the same time was promised, in order.
    """
    trail = list(home.audit.after(0))
    assert [event.id for event in trail] == list(range(1, len(trail) + 1))
    assert home.audit.verify() == len(trail)
    inventory = {record.thumbprint: record for record in home.authority.certificates()}
    states = {each.id: each.state for each in home.hierarchy.everyone()}
    assert_nothing_twice(home)
    assert_lists_grow(home, trail)
    for promises in writers:
        last = 0
        for promise in promises:
            told = {(event.kind, event.subject) for event in trail[last : promise["last"]]}
            assert {tuple(each) for each in promise["events"]} <= told, promise
            last = promise["last"]
            if "thumbprint" in promise:
                assert_certificate(inventory, promise)
            if "old" in promise:
                assert states[promise["new"]] is not None
                assert states[promise["old"]] is not AuthorityState.ACTIVE
            if "retired" in promise:
                assert states[promise["retired"]] is AuthorityState.RETIRED
        assert_numbers(home, promises)


def assert_certificate(inventory: dict[str, CertificateRecord], promise: Promise) -> None:
    record = inventory[promise["thumbprint"]]
    match promise["act"]:
        case "issue" | "request" | "renew":
            assert (
                record.serial == promise["serial"] == f"{x509.load_der_x509_certificate(record.der).serial_number:032x}"
            )
            assert record.client == promise["client"]
            if "supersedes" in promise:
                old = inventory[promise["supersedes"]]
                assert record.supersedes == old.id
                assert old.superseded
        case "revoke":
            assert record.reason == promise["reason"]
            assert record.state(record.not_before) is CertificateState.REVOKED


def assert_nothing_twice(home: Home) -> None:
    """No serial number of any CA, and no certificate, is there twice."""
    columns = certificates.c
    query = select(func.count(), func.count(columns.serial.distinct()), func.count(columns.thumbprint.distinct()))
    with home.store.read() as connection:
        rows, serials, thumbprints = connection.execute(query.select_from(certificates)).one()
    assert rows == serials == thumbprints


def assert_lists_grow(home: Home, trail: Iterable[Recorded]) -> None:
    """CRL numbers only grow (RFC 5280 section 5.2.3), over everything that ever happened."""
    highest: dict[str, int] = defaultdict(int)
    current: dict[str, int] = {}
    for event in trail:
        if event.kind == "crl.published":
            number = json.loads(event.body)["number"]
            assert number > highest[event.subject]
            highest[event.subject] = current[event.subject] = number
        elif event.kind == "crl.withdrawn":
            del current[event.subject]
    assert current == _published(home)


def assert_numbers(home: Home, promises: list[Promise]) -> None:
    """Nor does a writer see one that is older than what it has seen."""
    seen: dict[str, int] = {}
    for promise in promises:
        now: dict[str, int] = promise.get("crls", {})
        assert all(seen.get(place, 0) <= number for place, number in now.items())
        seen |= now
    published = _published(home)
    assert all(number <= published[place] for place, number in seen.items() if place in published)


def assert_usable(home: Home, kills: int) -> None:
    """What kills leave in the folder: every file whole, no list further behind than kills can leave it, keys that open.

    Args:
        home: where.
        kills: how many since the last time that somebody made up for them.
    """
    for (authority, shard), record in home.crls.everything().items():
        path = home.crls.path(authority, shard)
        number = crl_number(path.read_bytes()) if path.exists() else 0
        assert record.number - kills <= number <= record.number, f"{path} has {number}, the store {record.number}"
    assert read_certificates((home.path / CA_FILE).read_bytes())
    for each in home.hierarchy.everyone():
        if each.key is not None:
            home.keys.of(each)
        else:
            assert each.id == "root"
            assert exported_root(home).is_file()


def assert_published(home: Home) -> None:
    """The files say what the store says."""
    for place in home.crls.everything():
        assert home.crls.path(*place).read_bytes() == home.crls.der(*place)
    assert read_certificates((home.path / CA_FILE).read_bytes()) == home.trust.anchors


def crl_number(data: bytes) -> int:
    return read_crl(data).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _published(home: Home) -> dict[str, Any]:
    return {f"{each}/{shard}": record.number for (each, shard), record in home.crls.everything().items()}
