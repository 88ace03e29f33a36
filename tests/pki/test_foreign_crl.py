"""CRLs of others: read when their own CA signed them and they say something that is understood, else refused."""

import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import MutuaError, UnreadableCrl
from mutua.pki import foreign_crl
from mutua.pki.certificates import write_pem
from mutua.pki.foreign_crl import read_foreign_crl
from mutua.pki.keys import KeyType
from mutua.pki.revoked_serials import RevokedSerials, revoked_serials
from mutua.pki.thumbprints import spki_s256
from tests.pki.hierarchy import NOW, Authority, issue, issuing_ca, make_root, root
from tests.pki.mutations import foreign
from tests.pki.revocation_lists import Extension, crl, scope, with_points

CA = issuing_ca()
SAME_NAME = make_root()
SERIALS = (1, 127, 128, 255, 256, 2**63, 2**127 + 5, 2**159 - 1)
PLACE = "http://crl.bank.example/1.crl"

REMOVED = x509.CRLReason(x509.ReasonFlags.remove_from_crl), False
LOST = x509.CRLReason(x509.ReasonFlags.key_compromise), False
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.1.1"), b"\x05\x00")
OTHERS = x509.CertificateIssuer([x509.DirectoryName(SAME_NAME.certificate.subject)]), True


def read(data: bytes, *issuers: Authority) -> foreign_crl.ForeignCrl:
    return read_foreign_crl(data, [each.certificate for each in issuers or (CA,)], now=NOW)


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_it_says_whose_it_is_and_what_it_revokes(encoding: Encoding) -> None:
    found = read(crl(CA, SERIALS, number=2**150, encoding=encoding), root(), CA)
    assert found.authority == spki_s256(CA.key.public_key())
    assert found.number == 2**150
    assert found.next_update > NOW
    assert len(found.serials) == len(SERIALS)
    assert all(found.serials.lists(serial) for serial in SERIALS)
    assert not any(found.serials.lists(serial) for serial in (0, 2, 126, 2**127 + 4, 2**159, 2**200, -1))


@pytest.mark.parametrize("kind", [KeyType.RSA2048, KeyType.P384, KeyType.P256])
def test_whatever_key_signs_it(kind: KeyType) -> None:
    assert read(crl(root(kind), [7]), root(kind)).serials.lists(7)


def test_a_ca_that_does_not_count_goes_by_time() -> None:
    old, new = read(crl(CA, number=None)), read(crl(CA, number=None, this_update=NOW))
    assert old.is_older_than(new)
    assert not new.is_older_than(old)
    assert read(crl(CA, number=1, this_update=NOW)).is_older_than(read(crl(CA, number=2)))


def test_one_that_has_ended_is_read_all_the_same() -> None:
    assert read(crl(CA, [7], this_update=NOW - timedelta(days=9))).serials.lists(7)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (crl(SAME_NAME, name=CA.certificate.subject), "not signed by the CA"),
        (crl(root()), "not signed by the CA"),
        (crl(CA, name=root().certificate.subject), "not signed by the CA"),
        (crl(CA, this_update=NOW + timedelta(hours=1)), "begins at"),
        (crl(CA, extensions=[scope(indirect=True)]), "indirect"),
        (crl(CA, extensions=[scope(some_reasons=True)]), "some reasons only"),
        (crl(CA, extensions=[(x509.DeltaCRLIndicator(1), True)]), "2.5.29.27"),
        (crl(CA, extensions=[(UNKNOWN, True)]), "1.3.6.1.4.1.1.1"),
        (crl(CA, [7], entry_extensions=[OTHERS]), "other CAs' certificates"),
        (crl(CA, [7], entry_extensions=[(UNKNOWN, True)]), "critical extension"),
        (b"", "not a readable CRL"),
        (b"<html>not found</html>", "not a readable CRL"),
        (write_pem([CA.certificate]), "not a readable CRL"),
        (crl(CA)[:-1], "not a readable CRL"),
        (crl(CA) + b"\x00", "not a readable CRL"),
    ],
)
def test_what_is_not_taken(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableCrl, match=re.escape(why)) as refused:
        read(data)
    assert "\n" not in refused.value.message


def test_a_ca_that_may_not_sign_crls_has_none() -> None:
    leaf = issue(CA)
    with pytest.raises(UnreadableCrl, match="not signed by the CA"):
        read(crl(Authority(leaf.key, leaf.certificate)), Authority(leaf.key, leaf.certificate))


def test_one_changed_bit_is_not_believed() -> None:
    data = bytearray(crl(CA, [0x1234567890]))
    data[bytes(data).index(b"\x12\x34\x56\x78\x90") + 4] ^= 1
    with pytest.raises(UnreadableCrl, match="not signed"):
        read(bytes(data))


def test_the_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_crl, "MAX_FOREIGN_CRL_BYTES", 10)
    with pytest.raises(UnreadableCrl, match="more than"):
        read(crl(CA))


@pytest.mark.parametrize(
    ("extensions", "lists"), [([REMOVED], False), ([LOST], True), ([(UNKNOWN, False)], True), ([], True)]
)
def test_an_entry_that_was_removed_revokes_nothing(extensions: list[Extension], lists: bool) -> None:
    assert read(crl(CA, [7], entry_extensions=extensions)).serials.lists(7) is lists


def test_a_part_covers_the_certificates_that_name_it() -> None:
    leaf = issue(CA).certificate
    named, other = with_points(leaf, CA, PLACE), with_points(leaf, CA, "http://crl.bank.example/2.crl")
    part = read(crl(CA, extensions=[scope(PLACE)]))
    assert [part.covers(each) for each in (leaf, named, other)] == [False, True, False]
    assert read(crl(CA)).covers(leaf)


def test_one_for_cas_covers_no_other() -> None:
    leaf = issue(CA).certificate
    assert not read(crl(CA, extensions=[scope(cas=True)])).covers(leaf)
    assert read(crl(CA, extensions=[scope(cas=True)])).covers(CA.certificate)
    assert not read(crl(CA, extensions=[scope(users=True)])).covers(CA.certificate)


def test_openssl_agrees(tmp_path: Path, peer: Callable[[str], str]) -> None:
    openssl, leaf = peer("openssl"), issue(CA).certificate
    (tmp_path / "ca.pem").write_bytes(write_pem([CA.certificate]))
    (tmp_path / "ca.key").write_bytes(CA.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "leaf.pem").write_bytes(write_pem([leaf]))
    (tmp_path / "index.txt").touch()
    (tmp_path / "number").write_text("2A\n")
    (tmp_path / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=3\n"
        "crl_extensions=e\nunique_subject=no\n[e]\nauthorityKeyIdentifier=keyid\n"
    )
    command = [openssl, "ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"]
    subprocess.run(
        [*command, "-revoke", "leaf.pem", "-crl_reason", "keyCompromise"], cwd=tmp_path, check=True, capture_output=True
    )
    subprocess.run([*command, "-gencrl", "-out", "ca.crl"], cwd=tmp_path, check=True, capture_output=True)
    found = read_foreign_crl((tmp_path / "ca.crl").read_bytes(), [CA.certificate], now=NOW + timedelta(minutes=5))
    assert (found.number, len(found.serials), found.serials.lists(leaf.serial_number)) == (42, 1, True)


@given(st.sets(st.integers(0, 2**160 - 1)))
def test_serials_are_what_was_put_in(serials: set[int]) -> None:
    packed = RevokedSerials(serial.to_bytes((serial.bit_length() + 7) // 8) for serial in serials)
    assert len(packed) == len(serials)
    assert all(packed.lists(serial) for serial in serials)
    assert all(packed.lists(serial + 1) is (serial + 1 in serials) for serial in serials)


ORIGINALS = [
    crl(CA, SERIALS, entry_extensions=[LOST]),
    crl(CA, [7], entry_extensions=[OTHERS]),
    crl(CA, [7, 8], entry_extensions=[REMOVED], extensions=[scope(PLACE)]),
    crl(CA, encoding=Encoding.PEM),
]


@given(foreign(ORIGINALS))
def test_any_bytes_give_a_crl_or_an_error_of_ours(data: bytes) -> None:
    with suppress(MutuaError):
        read(data)
    with suppress(MutuaError):
        revoked_serials(data)
