"""A CA that is trusted no more: when that is refused, what goes with it, and how others learn of it."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mutua import Home, Identity
from mutua.ca.hierarchy import AuthorityState, Purpose
from mutua.errors import (
    AlreadyRevoked,
    AuthorityInUse,
    InvalidAuthority,
    InvalidInput,
    MutuaError,
    RefusedRenewal,
    UnknownAuthority,
)
from mutua.home.home import CA_FILE
from mutua.pki.certificates import common_name, read_certificates, write_der, write_pem
from mutua.pki.crl import RevocationReason, read_crl
from mutua.pki.requests import write_request
from mutua.store import sightings
from mutua.store.inventory import CertificateState
from mutua.tls.peer import PeerCertificate
from tests.home.tables import tables
from tests.pki.hierarchy import make_root


def use_nothing_of(home: Home, authority: str) -> None:
    """Revoke everything a CA has issued."""
    for record in home.authority.certificates(authority=authority):
        home.revocation.revoke(record.thumbprint)


def renewed(home: Home, identity: Identity) -> str:
    """The thumbprint of a certificate's successor."""
    peer = PeerCertificate.read(tuple(map(write_der, identity.chain)))
    return home.renewal.by_connection(peer, write_request(identity.key, [])).thumbprint


def listed(home: Home, authority: str) -> dict[int, x509.ReasonFlags | None]:
    """What a CA's CRL lists: serial numbers and reasons."""
    der = home.crls.der(authority)
    assert der is not None
    found: dict[int, x509.ReasonFlags | None] = {}
    for entry in read_crl(der):
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        except x509.ExtensionNotFound:
            reason = None
        found[entry.serial_number] = reason
    return found


def states(home: Home) -> dict[str, str]:
    return {each.id: each.state.value for each in home.hierarchy.everyone()}


def test_a_ca_with_nothing_in_use_is_retired(home: Home) -> None:
    home.hierarchy.rotate("issuing-1")
    use_nothing_of(home, "issuing-1")
    assert home.hierarchy.retire("issuing-1").state is AuthorityState.RETIRED
    assert [each.id for each in home.hierarchy.trusted()] == ["root", "issuing-2"]
    bundle = read_certificates((home.path / CA_FILE).read_bytes())
    assert [common_name(each.subject) for each in bundle] == ["Root CA", "Issuing CA 2"]
    home.audit.verify()


def test_while_certificates_are_in_use_it_is_refused_and_the_hint_lists_them(home: Home) -> None:
    home.hierarchy.rotate("issuing-1")
    before = tables(home)
    with pytest.raises(AuthorityInUse, match="2 certificates below the CA 'issuing-1' are still good") as refused:
        home.hierarchy.retire("issuing-1")
    assert refused.value.hint.startswith("mutua cert list --ca issuing-1;")
    assert tables(home) == before
    assert {each.profile for each in home.authority.certificates(authority="issuing-1")} == {"server", "client"}


def test_what_was_renewed_is_in_use_until_its_successor_has_been_seen(home: Home) -> None:
    woovi = home.identities.load("woovi")
    home.hierarchy.rotate("issuing-1")
    home.revocation.revoke(home.identities.load("api").thumbprint)
    successor = renewed(home, woovi)
    with pytest.raises(AuthorityInUse, match="1 certificates"):
        home.hierarchy.retire("issuing-1")
    with home.store.write() as connection:
        sightings.put(connection, {successor: home.now()})
    assert home.hierarchy.retire("issuing-1").state is AuthorityState.RETIRED


def test_what_has_expired_is_not_in_use(home: Home) -> None:
    home.hierarchy.add("brief")
    home.authority.issue_client("woovi", authority="brief", lifetime=timedelta(seconds=1))
    home.hierarchy.rotate("brief")
    with home.store.write() as connection:
        connection.exec_driver_sql("UPDATE certificates SET not_after = 0 WHERE authority = 'brief'")
    assert home.hierarchy.retire("brief").state is AuthorityState.RETIRED


def test_forced_it_is_retired_and_the_trail_says_how_much_was_in_use_and_why(home: Home) -> None:
    home.hierarchy.rotate("issuing-1")
    home.hierarchy.retire("issuing-1", force=True, reason="ca_compromise")
    told = [each for each in home.audit.after(0) if each.kind == "authority.retired"]
    assert [(each.subject, each.body) for each in told] == [("issuing-1", '{"in_use":2,"reason":"ca_compromise"}')]
    home.audit.verify()


@pytest.mark.parametrize(
    ("act", "error", "told"),
    [
        (lambda home: home.hierarchy.retire("root", force=True), InvalidAuthority, "'root' is the root"),
        (lambda home: home.hierarchy.retire("issuing-1", force=True), InvalidAuthority, "only one that issues server"),
        (lambda home: home.hierarchy.retire("nobody", force=True), UnknownAuthority, "no CA 'nobody'"),
        (
            lambda home: home.hierarchy.retire("issuing-1", reason="certificate_hold"),
            InvalidInput,
            "not retired for",
        ),
        (lambda home: home.hierarchy.retire("issuing-1", reason="key_compromise"), InvalidInput, "not retired for"),
        (lambda home: home.hierarchy.retire("issuing-1", reason="boredom"), InvalidInput, "not retired for"),
    ],
)
def test_what_cannot_be_retired_changes_nothing(
    home: Home, act: Callable[[Home], object], error: type[MutuaError], told: str
) -> None:
    before = tables(home)
    with pytest.raises(error, match=told) as refused:
        act(home)
    assert refused.value.hint
    assert tables(home) == before


def test_the_only_ca_for_clients_is_not_retired_even_if_there_is_one_for_servers(home: Home) -> None:
    home.hierarchy.add("servers", purpose=Purpose.SERVER)
    with pytest.raises(InvalidAuthority, match="only one that issues client certificates") as refused:
        home.hierarchy.retire("issuing-1", force=True)
    assert refused.value.hint == "mutua ca rotate issuing-1"


def test_a_ca_that_others_can_stand_in_for_needs_no_successor(home: Home) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    assert home.hierarchy.retire("partners").state is AuthorityState.RETIRED
    assert home.authority.issue_client("woovi")


def test_a_ca_is_retired_once(home: Home) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    home.hierarchy.retire("partners")
    with pytest.raises(InvalidAuthority, match="retired already"):
        home.hierarchy.retire("partners")
    with pytest.raises(InvalidAuthority, match="cannot be rotated"):
        home.hierarchy.rotate("partners")
    with pytest.raises(UnknownAuthority):
        home.authority.issue_client("woovi", authority="partners")


def test_those_below_a_ca_go_with_it(home: Home) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT, path_length=1)
    home.hierarchy.add("acme", purpose=Purpose.CLIENT, parent="partners")
    issued = home.authority.issue_client("woovi", authority="acme").thumbprint
    with pytest.raises(AuthorityInUse, match="has others below it: acme") as refused:
        home.hierarchy.retire("partners")
    assert "--force" in refused.value.hint
    home.hierarchy.retire("partners", force=True)
    assert states(home) == {"root": "active", "issuing-1": "active", "partners": "retired", "acme": "retired"}
    assert issued in home.snapshot().revoked
    with pytest.raises(UnknownAuthority):
        home.authority.issue_client("woovi", authority="acme")
    home.audit.verify()


def test_its_certificate_goes_onto_the_list_of_the_one_above(home: Home) -> None:
    old, _ = home.hierarchy.rotate("issuing-1")
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    home.hierarchy.retire("issuing-1", force=True, reason="ca_compromise")
    home.hierarchy.retire("partners")
    assert listed(home, "root") == {
        old.certificate.serial_number: x509.ReasonFlags.ca_compromise,
        home.hierarchy.get("partners").certificate.serial_number: x509.ReasonFlags.superseded,
    }
    assert (home.path / "crl" / "root.crl").read_bytes() == home.crls.der("root")


def test_a_ca_whose_certificate_was_revoked_before_is_retired_all_the_same(home: Home) -> None:
    old, _ = home.hierarchy.rotate("issuing-1")
    serial = f"{old.certificate.serial_number:032x}"
    home.revocation.revoke(serial, reason="ca_compromise")
    home.hierarchy.retire("issuing-1", force=True)
    assert listed(home, "root") == {old.certificate.serial_number: x509.ReasonFlags.ca_compromise}
    with pytest.raises(AlreadyRevoked):
        home.revocation.revoke(serial, reason="superseded")


def test_a_ca_of_somebody_elses_is_on_no_list_of_ours(home: Home) -> None:
    made = make_root(organization="Legacy")
    home.hierarchy.take_in("legacy", Identity(made.key, (made.certificate,)))
    issued = home.authority.issue_client("woovi", authority="legacy").thumbprint
    home.hierarchy.retire("legacy", force=True)
    assert listed(home, "root") == {}
    assert issued in home.snapshot().revoked
    home.audit.verify()


def test_a_ca_cannot_be_put_on_hold(home: Home) -> None:
    serial = f"{home.hierarchy.issuing.certificate.serial_number:032x}"
    with pytest.raises(InvalidInput, match="not revoked for certificate_hold"):
        home.revocation.revoke(serial, reason=RevocationReason.CERTIFICATE_HOLD.value)


def test_what_it_issued_counts_as_revoked_is_not_renewed_and_takes_nobodys_place(home: Home) -> None:
    woovi = home.identities.load("woovi")
    home.hierarchy.rotate("issuing-1")
    home.hierarchy.retire("issuing-1", force=True)
    record = home.authority.certificate(woovi.thumbprint)
    assert record.state(home.now()) is CertificateState.REVOKED
    listed_as = {
        state: [each.thumbprint for each in home.authority.certificates(client="woovi", state=state)]
        for state in CertificateState
    }
    assert listed_as == {state: [] for state in CertificateState} | {CertificateState.REVOKED: [woovi.thumbprint]}
    with pytest.raises(RefusedRenewal, match="its CA is retired"):
        renewed(home, woovi)


@pytest.mark.parametrize("whom", ["the client", "its successor"])
def test_openssl_and_gnutls_refuse_it_once_they_have_the_list_of_the_root(
    home: Home, tmp_path: Path, peer: Callable[[str], str], whom: str
) -> None:
    woovi = home.identities.load("woovi")
    home.hierarchy.rotate("issuing-1")
    lists_of_old = home.crls.bundle()
    home.hierarchy.retire("issuing-1", force=True, reason="ca_compromise")
    if whom == "its successor":
        woovi = home.authority.issue_client("woovi")
    root, leaf, between, lists = (tmp_path / name for name in ("root.pem", "leaf.pem", "between.pem", "crls.pem"))
    root.write_bytes(write_pem([home.hierarchy.root.certificate]))
    leaf.write_bytes(write_pem(woovi.chain))
    between.write_bytes(write_pem(woovi.chain[1:]))
    # Whoever collects lists may have one of the old CA still; it is the root's that counts.
    lists.write_bytes(home.crls.bundle() + lists_of_old)
    commands: list[list[str | Path]] = [
        [peer("openssl"), "verify", "-x509_strict", "-crl_check_all", "-CAfile", root, "-untrusted", between,
         "-CRLfile", lists, leaf],
        [peer("certtool"), "--verify", "--load-ca-certificate", root, "--load-crl", lists, "--infile", leaf],
    ]  # fmt: skip
    for command in commands:
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (said.returncode == 0) == (whom == "its successor"), said.stdout + said.stderr
        assert ("revoked" in said.stdout + said.stderr) == (whom == "the client")
