"""What partners' CRLs say counts in the decision: revoked, good until it ends, and what nobody knows any more."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mutua.gate.decision import Identified, Refusal, identify
from mutua.gate.foreign import WARN_AGAIN, ForeignRevocations, Loaded
from mutua.gate.snapshot import Snapshot
from mutua.pki.certificates import write_der
from mutua.pki.foreign_crl import read_foreign_crl
from mutua.pki.thumbprints import spki_s256
from mutua.reasons import Reason
from mutua.registry.clients import Client, ClientState
from mutua.registry.credentials import Credential, CrlSource, Form, StalePolicy
from mutua.registry.partners import by_certificate, by_key, by_subject
from mutua.tls.peer import PeerCertificate
from tests.pki.hierarchy import NOW, Authority, issue, make_issuing_ca, make_root
from tests.pki.revocation_lists import crl, scope

ROOT = make_root(organization="Partner")
CA = make_issuing_ca(ROOT)
OTHER = make_issuing_ca(make_root(organization="Partner"))
"""A CA of the same name with another key."""

LEAF = issue(CA, names=["api.bank.example"])
SERIAL = LEAF.certificate.serial_number
PEER = PeerCertificate.read(tuple(map(write_der, (LEAF.certificate, CA.certificate, ROOT.certificate))))
ALONE = PeerCertificate.read((write_der(LEAF.certificate),))
"""As a pinned certificate arrives: the path ends with it."""

URL = "http://crl.bank.example/ca.crl"
LATER = NOW + timedelta(days=2)
SUBJECT = by_subject([CA.certificate], Form.DNS, "api.bank.example", now=NOW).credential
PIN = by_certificate([LEAF.certificate], now=NOW).credential
KEY = by_key([LEAF.certificate]).credential


def key(authority: Authority) -> str:
    return spki_s256(authority.key.public_key())


def source(authority: Authority = CA, *, url: str = URL, stale: StalePolicy = StalePolicy.REFUSE) -> CrlSource:
    return CrlSource(url, (key(authority),), stale)


def foreign(*crls: bytes, stale: StalePolicy = StalePolicy.REFUSE) -> ForeignRevocations:
    """One or no CRL at each address."""
    issuers = (CA.certificate, ROOT.certificate, OTHER.certificate)
    urls = [f"{URL}?{place}" for place in range(max(1, len(crls)))]
    loaded = {url: Loaded("", read_foreign_crl(each, issuers, now=NOW)) for url, each in zip(urls, crls, strict=False)}
    return ForeignRevocations(tuple(source(url=url, stale=stale) for url in urls), issuers, loaded)


def known(
    says: ForeignRevocations, credential: Credential = SUBJECT, state: ClientState = ClientState.ACTIVE
) -> Snapshot:
    return replace(Snapshot.of(1, [Client(name="bank", credentials=(credential,), state=state)], ()), foreign=says)


def refusal(snapshot: Snapshot, peer: PeerCertificate = PEER, now: object = NOW) -> Refusal:
    found = identify(snapshot, peer, now)  # type: ignore[arg-type]
    assert isinstance(found, Refusal)
    assert (found.client, found.thumbprint) == ("bank", peer.thumbprint)
    return found


WAYS = [(SUBJECT, PEER), (PIN, PEER), (PIN, ALONE), (KEY, ALONE)]


@pytest.mark.parametrize(("credential", "peer"), WAYS)
def test_what_a_crl_lists_is_revoked(credential: Credential, peer: PeerCertificate) -> None:
    found = refusal(known(foreign(crl(CA, [5, SERIAL, 2**100])), credential), peer)
    assert found.reason is Reason.REVOKED
    assert f"{SERIAL:x}" in found.detail


@pytest.mark.parametrize(("credential", "peer"), WAYS)
def test_what_it_does_not_list_is_good_until_it_ends(credential: Credential, peer: PeerCertificate) -> None:
    says = foreign(crl(CA, [SERIAL + 1]))
    found = identify(known(says, credential), peer, NOW)
    assert isinstance(found, Identified)
    assert found.warnings == ()
    (loaded,) = says.loaded.values()
    assert loaded.crl is not None
    assert found.expires == loaded.crl.next_update.timestamp()


@pytest.mark.parametrize(("credential", "peer"), WAYS)
@pytest.mark.parametrize(("crls", "detail"), [((), "no CRL of"), ((crl(CA),), "ended at")])
def test_nobody_knowing_is_a_refusal(
    credential: Credential, peer: PeerCertificate, crls: tuple[bytes, ...], detail: str
) -> None:
    found = refusal(known(foreign(*crls), credential), peer, LATER)
    assert found.reason is Reason.STALE_REGISTRY
    assert detail in found.detail


@pytest.mark.parametrize(("credential", "peer"), WAYS)
@pytest.mark.parametrize("crls", [(), (crl(CA),)])
def test_or_a_warning_that_comes_again(credential: Credential, peer: PeerCertificate, crls: tuple[bytes, ...]) -> None:
    found = identify(known(foreign(*crls, stale=StalePolicy.ADMIT), credential), peer, LATER)
    assert isinstance(found, Identified)
    assert found.warnings
    assert found.expires == (LATER + WARN_AGAIN).timestamp()


def test_the_strictest_says_what_becomes_of_a_ca() -> None:
    tolerant = source(stale=StalePolicy.ADMIT)
    says = ForeignRevocations((tolerant, source(url=f"{URL}?"), tolerant), (CA.certificate,))
    assert refusal(known(says)).reason is Reason.STALE_REGISTRY


@pytest.mark.parametrize("stale", StalePolicy)
def test_what_an_ended_one_lists_is_revoked_all_the_same(stale: StalePolicy) -> None:
    assert refusal(known(foreign(crl(CA, [SERIAL]), stale=stale)), now=LATER).reason is Reason.REVOKED


def test_the_newer_of_two_counts() -> None:
    old, new = crl(CA, [SERIAL], number=1), crl(CA, number=2)
    assert isinstance(identify(known(foreign(old, new)), PEER, NOW), Identified)
    assert isinstance(identify(known(foreign(new, old)), PEER, NOW), Identified)


def test_a_part_for_others_says_nothing_of_it() -> None:
    assert refusal(known(foreign(crl(CA, extensions=[scope(URL)])))).reason is Reason.STALE_REGISTRY
    assert refusal(known(foreign(crl(CA, extensions=[scope(cas=True)])))).reason is Reason.STALE_REGISTRY
    assert isinstance(identify(known(foreign(crl(CA, extensions=[scope(users=True)]))), PEER, NOW), Identified)


def test_a_ca_on_the_path_may_be_revoked_too() -> None:
    says = foreign(crl(CA))
    lost = crl(ROOT, [CA.certificate.serial_number])
    above = Loaded("", read_foreign_crl(lost, [ROOT.certificate], now=NOW))
    both = ForeignRevocations(
        (*says.sources, source(ROOT, url="http://root.example/")),
        says.issuers,
        {**says.loaded, "http://root.example/": above},
    )
    pinned_to_root = by_subject([ROOT.certificate], Form.DNS, "api.bank.example", now=NOW).credential
    assert refusal(known(both, pinned_to_root)).reason is Reason.REVOKED


@pytest.mark.parametrize("stale", StalePolicy)
def test_a_ca_in_between_that_nobody_has_told_of_is_not_passed_over(stale: StalePolicy) -> None:
    """The partner's root has a new CA below it: what that one revokes is nowhere to be read."""
    above = Loaded("", read_foreign_crl(crl(ROOT), [ROOT.certificate], now=NOW))
    says = ForeignRevocations((source(ROOT, stale=stale),), (ROOT.certificate,), {URL: above})
    pinned_to_root = by_subject([ROOT.certificate], Form.DNS, "api.bank.example", now=NOW).credential
    found = identify(known(says, pinned_to_root), PEER, NOW)
    told = found.detail if isinstance(found, Refusal) else found.warnings[0]
    assert told.startswith("no CRL of")
    assert told.endswith("is registered")
    assert isinstance(found, Refusal) is (stale is StalePolicy.REFUSE)


def test_a_path_that_cannot_be_read_is_refused() -> None:
    broken = replace(PEER, chain=(PEER.chain[0], PEER.chain[1], b"junk"))
    says = foreign(crl(CA))
    more = says.with_sources((*says.sources, source(ROOT, url="http://root.example/")), says.issuers)
    assert isinstance(identify(known(more), broken, NOW), Identified), "nothing that is asked of it is broken"
    odd = replace(PEER, chain=(PEER.chain[0], _with_odd_extension(), PEER.chain[2]))
    assert refusal(known(more), odd).detail.startswith("a certificate of its path cannot be read")


def _with_odd_extension() -> bytes:
    """The CA's certificate with BasicConstraints that are none; its key is read as before."""
    der = bytearray(PEER.chain[1])
    place = der.index(b"\x55\x1d\x13\x01\x01\xff\x04") + 8
    der[place] = 0x31
    return bytes(der)


def test_the_crl_of_a_ca_with_the_same_name_says_nothing() -> None:
    says = foreign(crl(OTHER, [SERIAL]))
    assert refusal(known(says)).reason is Reason.STALE_REGISTRY, "it is not from a CA that this address is for"
    strange = replace(says, sources=(source(OTHER, url=f"{URL}?0"),))
    assert isinstance(identify(known(strange), PEER, NOW), Identified), "and that CA did not sign it"
    assert isinstance(identify(known(strange, PIN), ALONE, NOW), Identified)


def test_a_suspended_client_whose_crl_is_stale_is_suspended() -> None:
    assert refusal(known(foreign(), state=ClientState.SUSPENDED)).reason is Reason.SUSPENDED


def test_a_certificate_of_ours_is_nobody_elses_to_revoke() -> None:
    issued = Credential.issued(LEAF.thumbprint)
    assert isinstance(identify(known(foreign(crl(CA, [SERIAL])), issued), PEER, NOW), Identified)


def test_a_new_source_is_stale_at_once_and_the_others_stay() -> None:
    says = foreign(crl(CA))
    assert says.with_sources(says.sources, says.issuers) is says
    more = says.with_sources((*says.sources, source(ROOT, url="http://root.example/")), says.issuers)
    assert isinstance(identify(known(says), PEER, NOW), Identified)
    assert refusal(known(more)).detail.startswith("no CRL of")
    assert more.loaded is says.loaded
