"""nginx, AWS, Traefik, HAProxy and Apache: what is particular to each."""

from urllib.parse import quote

import pytest

from mutua.errors import InvalidSettings, MalformedForward
from mutua.inbound.forwarded.alb import Alb, Mode
from mutua.inbound.forwarded.apache import Apache
from mutua.inbound.forwarded.certificate import ForwardedCertificate
from mutua.inbound.forwarded.dialects import Dialect
from mutua.inbound.forwarded.haproxy import HaProxy
from mutua.inbound.forwarded.nginx import Nginx
from mutua.inbound.forwarded.traefik import Traefik
from tests.inbound.forwarded.writing import (
    CASES,
    ISSUER,
    LEAF,
    OTHER_LEAF,
    ROOT,
    alb,
    alb_passthrough,
    apache,
    b64,
    escaped,
    haproxy,
    nginx,
    pem,
    traefik,
)

CERT = escaped(LEAF)
ONLY_LEAF = ForwardedCertificate(LEAF)
PERCENT_ENCODED = ["nginx", "alb", "alb-passthrough"]


def refused(dialect: Dialect, lines: dict[str, list[bytes]]) -> None:
    with pytest.raises(MalformedForward):
        dialect.read(lines)


@pytest.mark.parametrize("name", PERCENT_ENCODED)
@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b"%0A", b"%0a"),
        (b"%0A", b"%0D%0A"),
        (b"%0A", b"%0A%0A"),
        (b"%0A", b""),
        (b"%0A", b"%"),
        (b"%0A", b"%0"),
        (b"%0A", b"%zz"),
        (b"%0A", b"%00"),
        (b"%0A", b"%250A"),
        (b"%0A", b"%%0A0A"),
        (b"%0A", b"%C2%85"),
        (b"%0A", b"%20"),
        (b"%20", b"+"),
        (b"%20", b" "),
        (b"%20", b"%09"),
        (b"MII", b"%4DII"),
        (b"-----BEGIN", b"%2D----BEGIN"),
        (b"-----BEGIN", b"----BEGIN"),
        (b"-----BEGIN", b"x-----BEGIN"),
        (b"-----BEGIN", b"%0A-----BEGIN"),
        (b"BEGIN%20CERTIFICATE", b"BEGIN%20X509%20CERTIFICATE"),
        (b"BEGIN%20CERTIFICATE", b"BEGIN%20TRUSTED%20CERTIFICATE"),
        (b"BEGIN%20CERTIFICATE", b"BEGIN%20PKCS7"),
        (b"CERTIFICATE-----%0A", b"CERTIFICATE-----%0Aa%20header%20%0A%0A"),
        (b"END%20CERTIFICATE", b"END%20PKCS7"),
    ],
)
def test_pem_that_is_encoded_otherwise_is_refused(name: str, written: bytes, instead: bytes) -> None:
    case = CASES[name]
    (value,) = case.write(LEAF)[case.main]
    assert written in value
    refused(case.dialect, {case.main: [value.replace(written, instead, 1)]})


@pytest.mark.parametrize("name", PERCENT_ENCODED)
def test_pem_with_something_behind_it_is_refused(name: str) -> None:
    case = CASES[name]
    (value,) = case.write(LEAF)[case.main]
    for more in (b"%0A", b"-", b"A", b"%20", value[:-3], value[:60]):
        refused(case.dialect, {case.main: [value + more]})
    refused(case.dialect, {case.main: [value[:-3]]})


@pytest.mark.parametrize("width", [1, 60, 63, 65, 76, 10_000])
def test_pem_with_lines_of_another_width_is_refused(width: int) -> None:
    text = b64(LEAF).decode()
    lines = "\n".join(text[start : start + width] for start in range(0, len(text), width))
    value = quote(f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n", safe="").encode()
    refused(Nginx(), {"ssl-client-cert": [value]})


def test_nginx_forwards_one_certificate() -> None:
    refused(Nginx(), {"ssl-client-cert": [escaped(LEAF, ISSUER)]})
    refused(Nginx(), {"ssl-client-cert": [CERT.replace(b"%2B", b"+").replace(b"%2F", b"/")]})


@pytest.mark.parametrize("verify", [[], [b""], [b"SUCCESS"], [b"FAILED:self-signed certificate"], [b"FAILED:"]])
def test_a_certificate_that_nginx_could_not_verify_is_given_too(verify: list[bytes]) -> None:
    assert Nginx().read({"ssl-client-cert": [CERT], "ssl-client-verify": verify}) == ONLY_LEAF


@pytest.mark.parametrize("verify", [b"success", b"SUCCESS ", b"FAILED", b"NONE,SUCCESS", b"(null)", b"1", b" "])
def test_a_verdict_that_nginx_does_not_know_is_refused(verify: bytes) -> None:
    refused(Nginx(), {"ssl-client-cert": [CERT], "ssl-client-verify": [verify]})
    refused(Nginx(), {"ssl-client-verify": [verify]})


def test_a_verdict_that_contradicts_the_certificate_is_refused() -> None:
    refused(Nginx(), {"ssl-client-cert": [CERT], "ssl-client-verify": [b"NONE"]})
    refused(Nginx(), {"ssl-client-verify": [b"SUCCESS"]})
    refused(Nginx(), {"ssl-client-cert": [b""], "ssl-client-verify": [b"FAILED:expired"]})
    refused(Nginx(), nginx(LEAF) | {"ssl-client-verify": [b"SUCCESS", b"SUCCESS"]})


def test_headers_are_renamed() -> None:
    renamed = Nginx(certificate="x-cert", verify="x-verify")
    assert renamed.headers == ("x-cert", "x-verify")
    assert renamed.read({"x-cert": [CERT]}) == ONLY_LEAF
    assert renamed.read({"ssl-client-cert": [CERT]}) is None
    assert Alb(Mode.PASSTHROUGH, chain="x-chain").read({"x-chain": [escaped(LEAF, ISSUER)]}) == ForwardedCertificate(
        LEAF, (ISSUER,)
    )
    assert HaProxy("x-leaf", "x-rest").read({"x-leaf": [b64(LEAF)]}) == ONLY_LEAF
    assert Apache("x-leaf", "x-rest-", 2).headers == ("x-leaf", "x-rest-0", "x-rest-1")


def test_the_load_balancer_may_escape_what_it_calls_safe() -> None:
    """As in AWS's own examples: ``do0g%3D%3D%0A-----END%20CERTIFICATE-----%0A``."""
    assert Alb().read({"x-amzn-mtls-clientcert-leaf": [CERT]}) == ONLY_LEAF
    whole = Alb(Mode.PASSTHROUGH).read({"x-amzn-mtls-clientcert": [escaped(LEAF, ISSUER, ROOT)]})
    assert whole == ForwardedCertificate(LEAF, (ISSUER, ROOT))


def test_the_header_of_the_other_mode_is_the_clients_own() -> None:
    for dialect in (Alb(), Alb(Mode.PASSTHROUGH)):
        refused(dialect, alb(LEAF) | alb_passthrough(OTHER_LEAF))
        refused(dialect, alb(LEAF) | {"x-amzn-mtls-clientcert": [b""]} | alb_passthrough(LEAF))
    refused(Alb(), alb_passthrough(LEAF))
    refused(Alb(Mode.PASSTHROUGH), alb(LEAF))


def test_in_verify_mode_there_is_one_certificate() -> None:
    refused(Alb(), {"x-amzn-mtls-clientcert-leaf": alb_passthrough(LEAF, ISSUER)["x-amzn-mtls-clientcert"]})


@pytest.mark.parametrize(
    "value",
    [
        b64(LEAF).replace(b"+", b"%2B", 1) + b"," + b64(ISSUER),
        b64(LEAF) + b"," + quote(b64(ISSUER), safe="").encode(),
        b64(LEAF) + b", " + b64(ISSUER),
        b64(LEAF) + b"%2C" + b64(ISSUER),
        b64(LEAF) + b",",
        b"," + b64(LEAF),
        b64(LEAF) + b",," + b64(ISSUER),
        b",",
        quote(pem(LEAF), safe="").encode(),
        pem(LEAF).replace("\n", "").encode(),
        b64(LEAF).rstrip(b"=") + b"%3d",
        quote(quote(b64(LEAF), safe=""), safe="").encode(),
    ],
    ids=range(12),
)
def test_traefik_escapes_throughout_or_not_at_all(value: bytes) -> None:
    assert set(b64(LEAF)) & set(b"+/")
    refused(Traefik(), {"x-forwarded-tls-client-cert": [value]})


def test_an_unescaped_plus_is_no_space() -> None:
    """What made servers behind newer Traefiks refuse at random."""
    (value,) = traefik(LEAF)["x-forwarded-tls-client-cert"]
    refused(Traefik(), {"x-forwarded-tls-client-cert": [value.replace(b"+", b" ").replace(b"/", b" ")]})


def test_haproxy_concatenates_the_chain() -> None:
    assert HaProxy().read(haproxy(LEAF, ISSUER, ROOT)) == ForwardedCertificate(LEAF, (ISSUER, ROOT))
    for chain in (ISSUER + ROOT[:-1], ISSUER + b"\0", b"\0" + ISSUER, ISSUER + b"\x30", b"\x1f\x1f" + ISSUER):
        refused(HaProxy(), {"x-ssl-client-cert": [b64(LEAF)], "x-ssl-client-chain": [b64(chain)]})
    joined = b64(ISSUER) + b"," + b64(ROOT)
    refused(HaProxy(), {"x-ssl-client-cert": [b64(LEAF)], "x-ssl-client-chain": [joined]})
    refused(HaProxy(), {"x-ssl-client-cert": [b64(LEAF)], "x-ssl-client-chain": [b64(ISSUER), b64(ROOT)]})


def test_haproxys_chain_is_never_alone() -> None:
    refused(HaProxy(), {"x-ssl-client-chain": [b64(ISSUER)]})
    refused(HaProxy(), {"x-ssl-client-cert": [b""], "x-ssl-client-chain": [b64(ISSUER)]})
    refused(HaProxy(), {"x-ssl-client-cert": [b64(LEAF + ISSUER)]})


def test_apaches_last_space_may_be_stripped() -> None:
    stripped = {name: [line.rstrip() for line in lines] for name, lines in apache(LEAF, ISSUER).items()}
    assert Apache().read(stripped) == ForwardedCertificate(LEAF, (ISSUER,))


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b" ", b"  "),
        (b"BEGIN CERTIFICATE", b"BEGIN  CERTIFICATE"),
        (b"BEGIN CERTIFICATE", b"BEGIN-CERTIFICATE"),
        (b"----- ", b"-----"),
        (b"----- ", b"-----%0A"),
        (b"-----BEGIN", b" -----BEGIN"),
        (b"-----BEGIN", b"(null) -----BEGIN"),
        (b"MII", b"M II"),
    ],
)
def test_what_apache_does_not_write_is_refused(written: bytes, instead: bytes) -> None:
    (value,) = apache(LEAF)["x-ssl-client-cert"]
    assert written in value
    for changed in (value.replace(written, instead, 1), value.replace(written, instead)):
        refused(Apache(), {"x-ssl-client-cert": [changed]})
    refused(Apache(), {"x-ssl-client-cert": [value + b"(null)"]})
    refused(Apache(), {"x-ssl-client-cert": [value + value]})


def test_apaches_chain_has_no_gap_and_is_never_alone() -> None:
    whole = apache(LEAF, ISSUER, ROOT)
    for gap in ("x-ssl-client-cert", "x-ssl-client-cert-chain-0"):
        refused(Apache(), {name: lines for name, lines in whole.items() if name != gap})
        refused(Apache(), whole | {gap: [b"(null)"]})
        refused(Apache(), whole | {gap: [b""]})
    refused(Apache(), whole | {"x-ssl-client-cert-chain-3": whole["x-ssl-client-cert"]})


def test_apache_reads_as_many_headers_as_it_is_told() -> None:
    assert Apache(depth=0).read(apache(LEAF, ISSUER)) == ONLY_LEAF
    assert Apache(depth=1).read(apache(LEAF, ISSUER, ROOT)) == ForwardedCertificate(LEAF, (ISSUER,))
    for depth in (-1, 9):
        with pytest.raises(InvalidSettings):
            Apache(depth=depth)
