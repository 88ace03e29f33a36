"""Paths are found whatever the order, and every search ends within its bounds."""

from collections.abc import Iterable
from datetime import datetime
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mutua.pki import chains
from mutua.pki.chains import Ending, Link, Path, Search
from mutua.pki.keys import KeyType
from mutua.pki.randomness import generate_key
from tests.pki.crafted import (
    ISSUING,
    LEAF,
    NOW,
    ROOT,
    SHA1_RSA,
    SHA256_RSA,
    Extensions,
    Made,
    altered,
    by,
    costly,
    key_called,
    make,
    rsa_key,
)


def search(
    leaf: Made, given: Iterable[Made] = (), trusted: Iterable[Made] = (), now: datetime = NOW
) -> tuple[Search, list[Path]]:
    found = Search(
        leaf.certificate, [each.certificate for each in given], [each.certificate for each in trusted], now=now
    )
    return found, list(found.paths())


def only(leaf: Made, given: Iterable[Made] = (), trusted: Iterable[Made] = ()) -> Path:
    """The one path there is."""
    (path,) = search(leaf, given, trusted)[1]
    return path


def on(path: Path) -> list[str]:
    return [str(each.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value) for each in path.certificates]


def test_a_path_is_found_in_whatever_order_the_certificates_come() -> None:
    deep = make("Below", ISSUING)
    leaf = make("leaf", deep, ca=False)
    for given in permutations([ISSUING, deep, ROOT, LEAF]):
        path = only(leaf, given, [ROOT])
        assert (on(path), path.ending) == (["leaf", "Below", "Issuing", "Root"], Ending.ROOT)
        assert path.links == (Link.VERIFIED,) * 3


def test_what_is_trusted_without_being_a_root_may_stand_in_a_path_but_not_end_it() -> None:
    assert only(LEAF, [], [ISSUING, ROOT]).ending is Ending.ROOT
    assert only(LEAF, [], [ISSUING]).ending is Ending.ISSUER_MISSING
    assert on(only(LEAF, [], [ISSUING])) == ["leaf", "Issuing"]


def test_a_self_signed_leaf_is_its_own_root_if_it_is_trusted() -> None:
    own = make("own", ca=False)
    assert only(own, [], [own]).ending is Ending.ROOT
    assert only(own, [], [ROOT]).ending is Ending.UNTRUSTED_ROOT
    assert only(own, [], [ROOT]).links == (Link.VERIFIED,)


def test_where_the_path_breaks_off_is_said() -> None:
    assert only(LEAF, [], [ROOT]).ending is Ending.ISSUER_MISSING
    assert only(LEAF, [ISSUING, ROOT], []).ending is Ending.UNTRUSTED_ROOT


def test_beyond_a_broken_signature_the_path_goes_on_and_the_break_is_said() -> None:
    forged = make("leaf", Made(key_called("forger"), ISSUING.certificate), ca=False, change=by(ISSUING))
    path = only(forged, [ISSUING], [ROOT])
    assert (on(path), path.links, path.ending) == (
        ["leaf", "Issuing", "Root"],
        (Link.BROKEN, Link.VERIFIED),
        Ending.ROOT,
    )


def test_a_root_that_did_not_sign_itself_is_broken() -> None:
    forged = make("Other", Made(key_called("forger"), make("Other").certificate), change=by(make("Other")))
    path = only(forged, [], [ROOT])
    assert (path.links, path.ending) == ((Link.BROKEN,), Ending.UNTRUSTED_ROOT)


def test_a_ca_of_the_same_name_and_another_key_is_not_on_the_path() -> None:
    namesakes = [make("Issuing", ROOT, key=generate_key()) for _ in range(5)]
    given = [each.certificate for each in [*namesakes, ISSUING, *namesakes]]
    search_ = Search(LEAF.certificate, given, [ROOT.certificate], now=NOW)
    assert next(search_.paths()).certificates[1] == ISSUING.certificate
    assert checks(search_) == 2, "the key identifier leads to the right one at once"


def test_a_root_is_reached_through_the_certificate_that_the_old_key_made_for_the_new_one() -> None:
    new = make("Root", key=key_called("new"))
    rolled = make("Root", ROOT, key=key_called("new"))
    leaf = make("leaf", new, ca=False)
    assert on(only(leaf, [rolled], [ROOT])) == ["leaf", "Root", "Root"]
    assert only(leaf, [], [rolled]).ending is Ending.ISSUER_MISSING, "self-issued, and no root"
    assert search(leaf, [rolled, new], [ROOT, new])[1][0].certificates[-1] == new.certificate


def test_both_ways_of_a_cross_signed_ca_are_found_the_shorter_first() -> None:
    old = make("Old root")
    crossed = make("Root", old)
    _, paths = search(LEAF, [crossed, ISSUING, old], [ROOT, old])
    assert [on(path) for path in paths] == [["leaf", "Issuing", "Root"], ["leaf", "Issuing", "Root", "Old root"]]
    assert {path.ending for path in paths} == {Ending.ROOT}


@pytest.mark.parametrize("size", [chains.MAX_DEPTH, chains.MAX_DEPTH + 1])
def test_a_path_has_no_more_certificates_than_the_bound(size: int) -> None:
    line = [ROOT]
    for number in range(size - 1):
        line.append(make(f"CA {number}", line[-1]))
    path = only(line[-1], line[1:-1], [ROOT])
    assert path.ending is (Ending.ROOT if size == chains.MAX_DEPTH else Ending.TOO_LONG)
    assert len(path.certificates) == chains.MAX_DEPTH


def test_cas_that_certify_each_other_in_a_ring_end() -> None:
    keys = {name: Made(key_called(name), make(name).certificate) for name in ("One", "Two", "Three")}
    ring = [make("Two", keys["One"]), make("Three", keys["Two"]), make("One", keys["Three"])]
    search_, paths = search(make("leaf", keys["One"], ca=False), ring, [ROOT])
    assert [on(path) for path in paths] == [["leaf", "One", "Three", "Two"]]
    assert paths[0].ending is Ending.ISSUER_MISSING
    assert not search_.exhausted


@pytest.mark.parametrize("trusted", [[], [ROOT]], ids=["no root", "another root"])
def test_hundreds_of_one_name_and_one_key_end_within_the_bounds(trusted: list[Made]) -> None:
    same = make("Same")
    many = [*(make("Same") for _ in range(150)), *(make("Same", ISSUING) for _ in range(150))]
    search_, paths = search(make("leaf", same, ca=False), many, trusted)
    assert search_.exhausted
    assert len(paths) == chains.MAX_PATHS
    assert checks(search_) <= chains.MAX_SIGNATURE_CHECKS
    assert not [path for path in paths if path.ending is Ending.ROOT]


def test_no_more_signatures_are_checked_than_the_bound() -> None:
    hidden: Extensions = {x509.SubjectKeyIdentifier: None}
    keys = [generate_key(KeyType.ED25519) for _ in range(chains.MAX_SIGNATURE_CHECKS + 1)]
    *many, last = [make("Issuing", ROOT, key=key, change=hidden) for key in keys]
    search_, paths = search(LEAF, many, [ROOT, last])
    assert (search_.exhausted, [path.ending for path in paths]) == (True, [Ending.GAVE_UP])
    assert checks(search_) == chains.MAX_SIGNATURE_CHECKS
    spared, paths = search(LEAF, many[2:], [ROOT, last])
    assert (spared.exhausted, paths[0].links[0]) == (False, Link.BROKEN)


def test_a_mesh_of_cas_that_all_certify_each_other_ends_and_the_way_out_is_found_first() -> None:
    cas = [Made(key_called(f"Mesh {n}"), make(f"Mesh {n}").certificate) for n in range(10)]
    mesh = [make(f"Mesh {n}", other) for n in range(10) for other in cas if other is not cas[n]]
    leaf, out = make("leaf", cas[0], ca=False), make("Mesh 7", ROOT)
    search_, paths = search(leaf, [*mesh, out], [ROOT])
    assert on(paths[0]) == ["leaf", "Mesh 0", "Mesh 7", "Root"]
    assert paths[0].ending is Ending.ROOT
    assert checks(search_) <= chains.MAX_SIGNATURE_CHECKS
    lost, paths = search(leaf, mesh, [ROOT])
    assert lost.exhausted
    assert len(paths) <= chains.MAX_PATHS
    assert Ending.ROOT not in {path.ending for path in paths}


def test_no_more_certificates_are_looked_at_than_the_bound() -> None:
    many = [make(f"CA {n}", key=key_called("any")) for n in range(chains.MAX_GIVEN)]
    assert only(LEAF, [*many[1:], ISSUING], [ROOT]).ending is Ending.ROOT
    search_, (path,) = search(LEAF, [*many, ISSUING], [ROOT])
    assert (search_.exhausted, path.ending) == (True, Ending.GAVE_UP)


def test_no_signature_is_checked_with_a_key_that_makes_it_costly() -> None:
    ca = costly()
    leaf = make("leaf", ca, ca=False, change={x509.AuthorityKeyIdentifier: None})
    path = only(leaf, [ca], [ROOT])
    assert path.links == (Link.UNVERIFIABLE, Link.VERIFIED)


def test_a_signature_with_a_broken_hash_is_not_believed() -> None:
    root = make("RSA root", key=rsa_key())
    made = altered(make("leaf", root, ca=False), SHA256_RSA, SHA1_RSA, rsa_key(), SHA1())
    assert only(made, [], [root]).links == (Link.UNVERIFIABLE,)
    assert chains.weakness(made.certificate) == "sha1"


def test_a_signature_whose_last_bits_are_called_unused_is_broken() -> None:
    even = next(
        made for made in iter(lambda: make("leaf", ISSUING, ca=False), None) if not made.certificate.signature[-1] & 1
    )
    der = bytearray(even.certificate.public_bytes(Encoding.DER))
    der[-len(even.certificate.signature) - 1] = 1
    loose = x509.load_der_x509_certificate(bytes(der))
    loose.verify_directly_issued_by(ISSUING.certificate)  # cryptography takes it
    assert only(even, [ISSUING], [ROOT]).links == (Link.VERIFIED, Link.VERIFIED)
    assert only(Made(even.key, loose), [ISSUING], [ROOT]).links == (Link.BROKEN, Link.VERIFIED)


def test_the_leaf_is_what_issued_none_of_the_others() -> None:
    for order in permutations([LEAF, ISSUING, ROOT]):
        assert chains.leaf_of([each.certificate for each in order]) == LEAF.certificate
    assert chains.leaf_of([ROOT.certificate]) == ROOT.certificate
    ring = [make("One", make("Two")).certificate, make("Two", make("One")).certificate]
    assert chains.leaf_of(ring) == ring[0]


def checks(search_: Search) -> int:
    """How many signatures were checked."""
    return len(search_._checked)
