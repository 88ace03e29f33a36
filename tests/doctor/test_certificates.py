"""Every verdict beside those of OpenSSL and GnuTLS; where they differ it is said why."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from mutua.ca.hierarchy import Purpose
from mutua.doctor.certificates import Question, Verdict, examine
from mutua.doctor.remedies import REMEDIES
from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import write_pem
from mutua.pki.names import parse_name
from mutua.pki.thumbprints import x5t_s256
from tests.doctor.verdicts import BAD, CLIENT, EVERY, GOOD, OPPOSITE, OWN, REVOKED, SERVER, Case
from tests.pki.crafted import (
    DAY,
    DNS,
    IP,
    ISSUING,
    LEAF,
    MAIL,
    NOW,
    ROOT,
    SHA1_RSA,
    SHA256_RSA,
    URI,
    Made,
    crl,
    key_called,
    make,
    rsa_key,
    signed_again,
    tlv,
    usage,
)

ROOT_FOLDER = Path(__file__).parent.parent.parent

Verifier = Callable[[str, Case, Path], tuple[bool, str]]


def by_openssl(openssl: str, case: Case, folder: Path) -> tuple[bool, str]:
    first, *others = [write_pem([each.certificate]) for each in case.given]
    lists = b"".join(each.public_bytes(Encoding.PEM) for each in case.crls)
    roots = b"".join(write_pem([each.certificate]) for each in case.trusted)
    files = {"leaf": first, "others": b"".join(others), "roots": roots, "crls": lists}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    # Level 2 is that of mutua's own contexts, and of OpenSSL's from 3.2 on.
    command = [openssl, "verify", "-x509_strict", "-auth_level", "2", "-no-CApath", "-no-CAstore", "-CAfile", "roots"]
    command += ["-untrusted", "others"] if others else []
    command += {Purpose.CLIENT: ["-purpose", "sslclient"], Purpose.SERVER: ["-purpose", "sslserver"]}.get(
        case.purpose, []
    )
    command += ["-crl_check_all", "-CRLfile", "crls"] if case.crls else []
    if case.host:
        command += ["-verify_ip" if case.host[0].isdigit() else "-verify_hostname", case.host]
    done = subprocess.run([*command, "leaf"], cwd=folder, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode == 0, done.stdout + done.stderr


def by_gnutls(certtool: str, case: Case, folder: Path) -> tuple[bool, str]:
    lists = b"".join(each.public_bytes(Encoding.PEM) for each in case.crls)
    (folder / "chain").write_bytes(b"".join(write_pem([each.certificate]) for each in case.given))
    (folder / "roots").write_bytes(b"".join(write_pem([each.certificate]) for each in case.trusted))
    (folder / "crls").write_bytes(lists)
    command = [certtool, "--verify", "--load-ca-certificate", "roots", "--infile", "chain"]
    command += ["--load-crl", "crls"] if lists else []
    command += {
        Purpose.CLIENT: ["--verify-purpose", CLIENT.dotted_string],
        Purpose.SERVER: ["--verify-purpose", SERVER.dotted_string],
    }.get(case.purpose, [])
    command += ["--verify-hostname", case.host] if case.host else []
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_every_case_has_exactly_its_findings(case: Case) -> None:
    verdict = case.examine()
    assert [finding.code for finding in verdict.findings if not finding.is_warning] == [*case.codes]
    assert verdict.valid == (not case.codes)


@pytest.mark.parametrize("verifier", [by_openssl, by_gnutls], ids=["openssl", "gnutls"])
@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_the_verdict_is_that_of_another_verifier_or_it_is_said_why_not(
    peer: Callable[[str], str], tmp_path: Path, case: Case, verifier: Verifier
) -> None:
    accepted, said = verifier(peer("openssl" if verifier is by_openssl else "certtool"), case, tmp_path)
    name = "openssl" if verifier is by_openssl else "gnutls"
    differs = name in OPPOSITE.get(case.name, ((), ""))[0]
    assert (accepted == (not case.codes)) is not differs, said


def test_mutua_is_never_laxer_than_openssl() -> None:
    lax = {case.name for case in GOOD} & {name for name, (who, _) in OPPOSITE.items() if "openssl" in who}
    assert not lax


def test_every_case_has_a_name_of_its_own_and_no_difference_is_without_a_case() -> None:
    names = [case.name for case in EVERY]
    assert len(names) == len(set(names))
    assert not OPPOSITE.keys() - set(names)


def test_each_finding_says_which_certificate_what_why_and_what_next() -> None:
    for case in (*BAD, *REVOKED):
        given = {each.certificate for each in (*case.given, *case.trusted)}
        for finding in case.examine().findings:
            assert finding.certificate in given
            assert all(
                text and text == text.strip() and "\n" not in text
                for text in (finding.summary, finding.cause, finding.remedy)
            )


def test_every_code_has_a_remedy_a_row_in_the_docs_and_a_case() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT_FOLDER / "docs" / "verifying.md").read_text(), re.MULTILINE)
    met = {finding.code for case in EVERY for finding in case.examine().findings}
    elsewhere = {"too_complex", "duplicate_serial", "unsupported_signature", "not_in_inventory"}
    elsewhere |= {"duplicate_certificate", "leaf_is_ca"}
    assert sorted(rows) == sorted(REMEDIES)
    assert met | elsewhere == REMEDIES.keys()


def test_a_missing_issuer_is_told_by_name_key_identifier_and_address() -> None:
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, URI("http://ca.acme.example/issuing.crt"))
    leaf = make(
        "leaf",
        ISSUING,
        ca=False,
        change={x509.AuthorityInformationAccess: (x509.AuthorityInformationAccess([access]), False)},
    )
    (finding,) = verdict([leaf]).findings
    key = x509.SubjectKeyIdentifier.from_public_key(ISSUING.key.public_key()).digest.hex()
    assert finding.summary == (
        f"its issuer is missing: CN=Issuing, with the key {key}, to be had at http://ca.acme.example/issuing.crt"
    )


def test_of_several_paths_the_one_with_least_wrong_is_judged() -> None:
    old_root = make("Old root", end=NOW - DAY, start=NOW - 9 * DAY)
    by_old = make("Issuing", old_root, purposes=[SERVER])
    seen = verdict([LEAF, by_old, ISSUING], [old_root, ROOT])
    assert seen.valid
    assert seen.path[-1] == ROOT.certificate
    late = verdict([LEAF, by_old, ISSUING], [old_root, ROOT], now=NOW + 300 * DAY)
    assert [finding.code for finding in late.findings] == ["expired"] * 3
    assert late.path[-1] == ROOT.certificate


def test_a_path_to_a_root_is_judged_before_one_with_less_wrong_that_leads_nowhere() -> None:
    old = make("Root", end=NOW - DAY, start=NOW - 9 * DAY)
    stranger = make("Root", OWN, key=ROOT.key)
    seen = verdict([LEAF, ISSUING, stranger], [old])
    assert [finding.code for finding in seen.findings] == ["expired"]


def test_what_does_no_harm_is_a_warning() -> None:
    seen = verdict([LEAF, ISSUING, ISSUING])
    assert seen.valid
    assert [(finding.code, finding.is_warning) for finding in seen.findings] == [("duplicate_certificate", True)]
    ca = verdict([make("as leaf", ISSUING, change={x509.KeyUsage: (usage("digital_signature", "key_cert_sign"), True)}),
                  ISSUING])  # fmt: skip
    assert ca.valid
    assert [finding.code for finding in ca.findings] == ["leaf_is_ca"]


def test_two_certificates_of_one_serial_number_are_told() -> None:
    twins = [make(name, ISSUING, ca=False, serial=77) for name in ("one", "two")]
    assert [finding.code for finding in verdict([*twins, ISSUING]).findings] == ["duplicate_serial"]
    assert verdict([LEAF, *twins, ISSUING]).valid, "it is no matter of this path"


def test_a_ca_is_judged_as_a_leaf_where_nobody_asks_for_tls() -> None:
    for purpose in Purpose:
        codes = [finding.code for finding in verdict([ISSUING], purpose=purpose).findings if not finding.is_warning]
        assert codes == (
            [] if purpose is Purpose.ANY else ["wrong_key_usage"] + ["no_names"] * (purpose is Purpose.SERVER)
        )


@pytest.mark.parametrize(
    ("wanted", "presented", "found"),
    [
        ("ops@acme.example", MAIL("ops@ACME.example"), True),
        ("ops@acme.example", MAIL("Ops@acme.example"), False),
        ("spiffe://acme.example/pay", URI("spiffe://acme.example/pay"), True),
        ("spiffe://acme.example/pay", URI("spiffe://acme.example/pay/"), False),
        ("acme.example", URI("https://acme.example"), False),
        ("::1", IP("::1"), True),
        ("127.0.0.1", IP("::ffff:127.0.0.1"), False),
        ("xn--bcher-kva.example", DNS("xn--bcher-kva.example"), True),
        ("bücher.acme.example", DNS("*.acme.example"), True),
        ("acme.example", DNS("acme.example."), False),
        ("acme.example", DNS("*"), False),
        ("acme.example", DNS("*."), False),
        ("a.b.example", DNS("*.*.example"), False),
    ],
)
def test_names_are_compared_by_their_kind(wanted: str, presented: x509.GeneralName, found: bool) -> None:
    leaf = make("leaf", ISSUING, ca=False, names=[presented])
    codes = [finding.code for finding in verdict([leaf, ISSUING], names=(parse_name(wanted),)).findings]
    assert codes == ([] if found else ["wrong_name"])


def test_every_name_that_is_asked_for_must_be_there_and_each_missing_one_is_told() -> None:
    leaf = make("leaf", ISSUING, ca=False, names=[DNS("a.example"), *(DNS(f"n{n}.example") for n in range(20))])
    wanted = tuple(map(parse_name, ("a.example", "b.example", "c.example")))
    missing = verdict([leaf, ISSUING], names=wanted).findings
    assert [finding.summary.split()[0] for finding in missing] == ["b.example", "c.example"]
    assert missing[0].summary.endswith(" and 13 more")


def test_a_crl_of_another_key_is_no_fault_where_a_good_one_covers() -> None:
    both = (crl(ISSUING, key=key_called("rolled")), crl(ISSUING), crl(ISSUING, end=-DAY / 2), crl(ROOT))
    seen = verdict([LEAF, ISSUING], crls=both)
    assert seen.valid
    assert [len(asked) for asked in seen.revocation] == [1, 1, 0]
    assert seen.revocation[0][0].startswith("the CRL 7 of Issuing, good until ")


def test_a_crl_that_is_signed_with_a_broken_hash_proves_nothing() -> None:
    root = make("RSA root", key=rsa_key())
    made = crl(root)
    der = signed_again(
        made.public_bytes(Encoding.DER), made.tbs_certlist_bytes, SHA256_RSA, SHA1_RSA, root.key, hashes.SHA1()
    )
    (finding,) = verdict([make("leaf", root, ca=False)], [root], crls=(x509.load_der_x509_crl(der),)).findings
    assert (finding.code, "sha1" in finding.summary) == ("crl_bad_signature", True)


def test_what_was_not_asked_about_revocation_is_not_claimed() -> None:
    assert verdict([LEAF, ISSUING]).revocation == ((), (), ())


def test_the_inventory_of_a_home_speaks_for_its_own_cas_and_no_others() -> None:
    home = of_home(LEAF)
    assert verdict([LEAF, ISSUING], **home).revocation == (("the home's inventory",), (), ())
    assert verdict([LEAF, ISSUING], crls=(crl(ROOT),), **home).valid
    (missing,) = verdict([LEAF, ISSUING], crls=(crl(ISSUING),), **home).findings
    assert (missing.code, missing.certificate) == ("crl_missing", ISSUING.certificate)


@pytest.mark.parametrize("code", ["revoked", "on_hold"])
@pytest.mark.parametrize("revoked", [LEAF, ISSUING], ids=["leaf", "CA"])
def test_what_the_inventory_calls_revoked_is_revoked(revoked: Made, code: str) -> None:
    home = of_home(LEAF)
    home["inventory"][x5t_s256(revoked.certificate)] = code
    (finding,) = verdict([LEAF, ISSUING], **home).findings
    assert (finding.code, finding.certificate) == (code, revoked.certificate)


def test_a_signature_that_is_rewritten_and_still_verifies_does_not_escape_the_inventory() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
    r, s = utils.decode_dss_signature(LEAF.certificate.signature)
    other = utils.encode_dss_signature(r, order - s)
    der, inner = LEAF.certificate.public_bytes(Encoding.DER), LEAF.certificate.tbs_certificate_bytes
    algorithm = der[der.index(inner) + len(inner) :][:12]
    rewritten = Made(LEAF.key, x509.load_der_x509_certificate(tlv(0x30, inner + algorithm + tlv(3, b"\0" + other))))
    rewritten.certificate.verify_directly_issued_by(ISSUING.certificate)
    home = of_home(LEAF)
    home["inventory"][x5t_s256(LEAF.certificate)] = "revoked"
    (finding,) = verdict([rewritten, ISSUING], **home).findings
    assert finding.code == "not_in_inventory"


def test_what_a_home_did_not_record_can_be_covered_by_a_crl() -> None:
    assert [finding.code for finding in verdict([LEAF, ISSUING], **of_home()).findings] == ["not_in_inventory"]
    assert verdict([LEAF, ISSUING], crls=(crl(ISSUING), crl(ROOT)), **of_home()).valid


def of_home(*recorded: Made) -> dict[str, Any]:
    """Part of a question: the home has the issuing CA, and of its certificates these."""
    inventory = {x5t_s256(each.certificate): "" for each in recorded}
    return {"authorities": frozenset({ISSUING.certificate}), "inventory": inventory}


def test_nothing_to_verify_is_an_error() -> None:
    with pytest.raises(UnreadableCertificate, match="no certificate"):
        verdict([])


def verdict(given: Sequence[Made], trusted: Sequence[Made] = (ROOT,), **question: Any) -> Verdict:
    asked = Question(**{"now": NOW, "purpose": Purpose.CLIENT, **question})
    return examine([each.certificate for each in given], [each.certificate for each in trusted], asked)
