"""Files that load, however they look: how each is made, and the chain that must come of it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.tls.identities.bench import CA, CLIENT_AUTH, LINE, PASSWORD, Bench

Given = str | Path | bytes
Files = tuple[Given, Given | None]
WHOLE, UP_TO_ISSUING, ALONE = LINE[:3], LINE[:2], LINE[:1]


@dataclass(frozen=True, kw_only=True)
class Loads:
    """A file that loads.

    Attributes:
        make: gives the source, and the key where it is apart.
        password: what is given with it.
        chain: the certificates that come of it, by their names on the bench.
        root: whether the root came along.
        missing: the common name of whoever is missing above the chain.
    """

    make: Callable[[Bench], Files]
    password: str | None = None
    chain: tuple[str, ...] = WHOLE
    root: bool = False
    missing: str = "root"


def whole(bench: Bench) -> bytes:
    """Key and chain in PEM, as everybody would send them."""
    return bench.read("leaf.key", "leaf.pem", "issuing.pem", "policy.pem")


def chain(bench: Bench) -> bytes:
    return bench.read("leaf.pem", "issuing.pem", "policy.pem")


def der(bench: Bench, name: str) -> bytes:
    return bench.openssl(f"x509 -in {name}.pem -outform DER")


# The key


def sec1(bench: Bench) -> Files:
    return der(bench, "leaf"), bench.openssl("ec -in leaf.key -outform DER")


def pkcs1(bench: Bench) -> Files:
    bench.certify("rsa", "issuing", CLIENT_AUTH, algorithm="RSA")
    return der(bench, "rsa"), bench.openssl("rsa -in rsa.key -traditional -outform DER")


def ed25519(bench: Bench) -> Files:
    bench.certify("ed25519", "issuing", CLIENT_AUTH, algorithm="ED25519")
    return bench.path("ed25519.pem"), bench.path("ed25519.key")


def behind_parameters(bench: Bench) -> Files:
    bench.openssl("ecparam -name prime256v1 -genkey -out ecparam.key")
    bench.certify("ecparam", "issuing", CLIENT_AUTH, key="ecparam")
    return bench.read("ecparam.key", "ecparam.pem"), None


def sealed(options: str) -> Callable[[Bench], Files]:
    """The key encrypted in PKCS#8."""
    command = f"pkcs8 -topk8 -in leaf.key -passout PASS {options}"
    return lambda bench: (bench.openssl(command) + chain(bench), None)


def traditional(cipher: str, ends: bytes = b"\n") -> Callable[[Bench], Files]:
    """The key encrypted as before PKCS#8, with its ``DEK-Info``."""
    command = f"ec -in leaf.key {cipher} -passout PASS"
    return lambda bench: ((bench.openssl(command) + chain(bench)).replace(b"\n", ends), None)


def sealed_key_besides(bench: Bench) -> Files:
    return bench.openssl("pkcs8 -topk8 -in policy.key -passout pass:another") + chain(bench), bench.path("leaf.key")


def unused_key_besides(bench: Bench) -> Files:
    bench.key("unused")
    return bench.read("unused.key") + whole(bench), None


# PKCS#12


def pkcs12(name: str, options: str = "-passout PASS", certificates: tuple[str, ...] = LINE[:3]) -> Callable[..., Files]:
    return lambda bench: (bench.pkcs12(name, options, certificates), None)


def of_keytool(bench: Bench) -> Files:
    bench.pkcs12("for-java.p12", "-passout pass:changeit")
    bench.keytool("-importkeystore -srckeystore for-java.p12 -destkeystore java.p12 -srcstorepass PASS -storepass PASS")
    return bench.path("java.p12"), None


def two_identities(bench: Bench) -> Path:
    """A keystore of a service that has two of them, as keytool adds the second to the first."""
    bench.certify("second", "issuing", CLIENT_AUTH)
    bench.pkcs12("two-1.p12", "-passout pass:changeit")
    bench.openssl("pkcs12 -export -in second.pem -inkey second.key -name 2nd -out two-2.p12 -passout pass:changeit")
    for each in ("two-1.p12", "two-2.p12"):
        bench.keytool(f"-importkeystore -srckeystore {each} -destkeystore two.p12 -srcstorepass PASS -storepass PASS")
    return bench.path("two.p12")


# PKCS#7


def pkcs7(*options: str, certificates: tuple[str, ...] = LINE) -> Callable[[Bench], Files]:
    files = " ".join(f"-certfile {each}.pem" for each in certificates)
    command = f"crl2pkcs7 -nocrl {files} {' '.join(options)}"
    return lambda bench: (bench.openssl(command), bench.path("leaf.key"))


# What happens on the way


def wrapped(wrap: Callable[[bytes], Given]) -> Callable[[Bench], Files]:
    return lambda bench: (wrap(whole(bench)), None)


def in_base64(bench: Bench) -> Files:
    return base64.encodebytes(bench.pkcs12("to-wrap.p12").read_bytes()), None


def with_bag_attributes(bench: Bench) -> Files:
    bench.pkcs12("to-open.p12")
    return bench.openssl("pkcs12 -in to-open.p12 -passin PASS -nodes"), None


def with_text(bench: Bench) -> Files:
    told = [bench.openssl(f"x509 -in {each}.pem -text") for each in WHOLE]
    return b"Dear customer,\r\n\r\n" + b"\n".join(told) + bench.read("leaf.key"), None


def trusted(bench: Bench) -> Files:
    return bench.openssl("x509 -in leaf.pem -trustout -addtrust clientAuth"), bench.path("leaf.key")


# The chain


def chain_of(*names: str) -> Callable[[Bench], Files]:
    return lambda bench: (bench.read(*(f"{each}.pem" for each in names)), bench.path("leaf.key"))


def among_strangers(bench: Bench) -> Files:
    bench.certify("stranger", "", CA)
    bench.certify("friend", "stranger", CLIENT_AUTH)
    return bench.read("stranger.pem", "friend.pem", "policy.pem", "issuing.pem", "leaf.pem", "leaf.key"), None


def cross_signed(bench: Bench) -> Files:
    """The policy CA has a second certificate: signed by itself."""
    bench.openssl("req -new -key policy.key -subj /O=Bank/CN=policy -out twin.csr")
    bench.openssl("x509 -req -in twin.csr -signkey policy.key -days 30 -extfile policy.ext -out twin.pem")
    return bench.read("leaf.key", "twin.pem", "issuing.pem", "policy.pem", "leaf.pem"), None


def expired(bench: Bench) -> Files:
    bench.certify_then("expired", 60)
    return bench.read("expired.pem", "issuing.pem", "policy.pem", "leaf.key"), None


def renewed(bench: Bench) -> Files:
    bench.certify_then("older", 20)
    bench.certify_then("newer", 10)
    return bench.read("older.pem", "newer.pem", "issuing.pem", "policy.pem", "leaf.key"), None


def placeholder(bench: Bench) -> Files:
    """Java makes a key with a certificate that it signs itself, until the CA's arrives."""
    bench.openssl("x509 -req -in leaf.csr -signkey leaf.key -days 30 -out placeholder.pem")
    return bench.read("placeholder.pem", "leaf.pem", "issuing.pem", "policy.pem", "leaf.key"), None


def for_servers(bench: Bench) -> Files:
    bench.certify("server", "issuing", "extendedKeyUsage=serverAuth")
    return bench.read("server.key", "server.pem", "issuing.pem", "policy.pem"), None


def self_signed(bench: Bench) -> Files:
    bench.certify("alone", "", CLIENT_AUTH)
    return bench.read("alone.pem", "alone.key"), None


LOADING: dict[str, Loads] = {
    "key-then-chain": Loads(make=lambda bench: (bench.write("whole.pem", whole(bench)), None)),
    "root-first-key-last": Loads(
        make=lambda bench: (bench.read("root.pem", "policy.pem", "issuing.pem", "leaf.pem", "leaf.key"), None),
        root=True,
    ),
    "two-files": Loads(make=lambda bench: (bench.write("chain.pem", chain(bench)), bench.path("leaf.key"))),
    "two-files-by-str": Loads(
        make=lambda bench: (str(bench.write("chain.pem", chain(bench))), str(bench.path("leaf.key")))
    ),
    "one-string": Loads(make=lambda bench: (whole(bench).decode(), None)),
    "two-strings": Loads(make=lambda bench: (chain(bench).decode(), bench.read("leaf.key").decode())),
    "the-same-file-twice": Loads(make=lambda bench: (whole(bench), whole(bench))),
    "der-and-pkcs8": Loads(
        make=lambda bench: (der(bench, "leaf"), bench.openssl("pkcs8 -topk8 -nocrypt -in leaf.key -outform DER")),
        chain=ALONE,
        missing="issuing",
    ),
    "der-and-sec1": Loads(make=sec1, chain=ALONE, missing="issuing"),
    "der-and-pkcs1": Loads(make=pkcs1, chain=("rsa",), missing="issuing"),
    "ed25519": Loads(make=ed25519, chain=("ed25519",), missing="issuing"),
    "key-behind-its-parameters": Loads(make=behind_parameters, chain=("ecparam",), missing="issuing"),
    "pkcs8-aes256": Loads(make=sealed("-v2 aes256"), password=PASSWORD),
    "pkcs8-scrypt": Loads(make=sealed("-scrypt"), password=PASSWORD),
    "pkcs8-3des": Loads(make=sealed("-v1 PBE-SHA1-3DES"), password=PASSWORD),
    "dek-info-aes128": Loads(make=traditional("-aes128"), password=PASSWORD),
    "dek-info-3des-crlf": Loads(make=traditional("-des3", b"\r\n"), password=PASSWORD),
    "another-sealed-key-besides": Loads(make=sealed_key_besides),
    "an-unused-key-besides": Loads(make=unused_key_besides),
    "pkcs12": Loads(make=pkcs12("modern.p12"), password=PASSWORD),
    "pkcs12-with-the-root": Loads(make=pkcs12("root.p12", certificates=LINE), password=PASSWORD, root=True),
    "pkcs12-of-the-leaf-alone": Loads(
        make=pkcs12("alone.p12", certificates=ALONE), password=PASSWORD, chain=ALONE, missing="issuing"
    ),
    "pkcs12-rc2": Loads(make=pkcs12("rc2.p12", "-passout PASS -legacy"), password=PASSWORD),
    "pkcs12-3des": Loads(
        make=pkcs12("3des.p12", "-passout PASS -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1"),
        password=PASSWORD,
    ),
    "pkcs12-in-clear": Loads(make=pkcs12("clear.p12", "-passout pass: -certpbe NONE -keypbe NONE -nomac")),
    "pkcs12-without-mac": Loads(make=pkcs12("nomac.p12", "-passout PASS -nomac"), password=PASSWORD),
    "pkcs12-empty-password-not-given": Loads(make=pkcs12("empty.p12", "-passout pass:")),
    "pkcs12-empty-password-given": Loads(make=pkcs12("empty2.p12", "-passout pass:"), password=""),
    "pkcs12-password-not-needed": Loads(
        make=pkcs12("clear2.p12", "-passout pass: -certpbe NONE -keypbe NONE -nomac"), password=PASSWORD
    ),
    "pkcs12-of-keytool": Loads(make=of_keytool, password="changeit"),
    "pkcs12-of-two-with-one-key-named": Loads(
        make=lambda bench: (two_identities(bench), bench.path("second.key")),
        password="changeit",
        chain=("second", "issuing", "policy"),
    ),
    "pkcs7": Loads(make=pkcs7(), root=True),
    "pkcs7-der": Loads(make=pkcs7("-outform", "DER", certificates=LINE[:3])),
    "crlf": Loads(make=wrapped(lambda data: data.replace(b"\n", b"\r\n"))),
    "byte-order-mark": Loads(make=wrapped(lambda data: data.decode().encode("utf-8-sig"))),
    "utf-16-of-windows": Loads(make=wrapped(lambda data: data.replace(b"\n", b"\r\n").decode().encode("utf-16"))),
    "one-line-with-backslashes": Loads(make=wrapped(lambda data: data.decode().replace("\n", "\\n"))),
    "one-line-with-spaces": Loads(make=wrapped(lambda data: data.decode().replace("\n", " "))),
    "base64-of-pkcs12": Loads(make=in_base64, password=PASSWORD),
    "base64-of-pem-in-a-string": Loads(make=wrapped(lambda data: base64.b64encode(data).decode())),
    "bag-attributes": Loads(make=with_bag_attributes),
    "letter-and-text-around": Loads(make=with_text),
    "trusted-certificate": Loads(make=trusted, chain=ALONE, missing="issuing"),
    "misordered": Loads(make=chain_of("policy", "leaf", "issuing")),
    "duplicates": Loads(make=chain_of("leaf", "leaf", "issuing", "policy", "issuing", "leaf")),
    "upper-intermediate-missing": Loads(make=chain_of("leaf", "issuing"), chain=UP_TO_ISSUING, missing="policy"),
    "middle-intermediate-missing": Loads(make=chain_of("leaf", "policy", "root"), chain=ALONE, missing="issuing"),
    "among-strangers": Loads(make=among_strangers),
    "cross-signed": Loads(make=cross_signed, root=True),
    "expired": Loads(make=expired, chain=("expired", "issuing", "policy")),
    "renewed-with-the-same-key": Loads(make=renewed, chain=("newer", "issuing", "policy")),
    "placeholder-of-java": Loads(make=placeholder),
    "for-servers-only": Loads(make=for_servers, chain=("server", "issuing", "policy")),
    "self-signed": Loads(make=self_signed, chain=("alone",), root=True),
}
