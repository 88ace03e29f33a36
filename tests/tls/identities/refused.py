"""Files that cannot be an identity: how each is made, and which error must say why."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mutua.errors import (
    EncryptedKey,
    KeyMismatch,
    MutuaError,
    UnreadableCertificate,
    UnreadableContents,
    UnreadableKey,
    WrongPassword,
)
from mutua.pki.keys import read_private_key
from tests.pki.test_contents import a_crl
from tests.tls.identities.bench import CLIENT_AUTH, PASSWORD, Bench
from tests.tls.identities.loading import Files, chain, pkcs12, sealed, traditional, two_identities, whole


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A file that is refused: with which error, and a word of its message and of its hint."""

    make: Callable[[Bench], Files]
    error: type[MutuaError]
    message: str
    hint: str
    password: str | None = None


def keystore(kind: str) -> Callable[[Bench], Files]:
    def make(bench: Bench) -> Files:
        bench.pkcs12(f"for-{kind}.p12", "-passout pass:changeit")
        command = f"-importkeystore -srckeystore for-{kind}.p12 -srcstorepass PASS -storepass PASS"
        bench.keytool(f"{command} -destkeystore {kind}.store -deststoretype {kind}")
        return bench.path(f"{kind}.store"), None

    return make


def truststore(bench: Bench) -> Files:
    bench.keytool("-importcert -file root.pem -alias root -keystore trust.p12 -storetype PKCS12 -storepass PASS")
    return bench.path("trust.p12"), None


def another_key(*certificates: str) -> Callable[[Bench], Files]:
    def make(bench: Bench) -> Files:
        bench.key("another")
        return bench.read(*(f"{each}.pem" for each in certificates)), bench.path("another.key")

    return make


def of_openssh(bench: Bench) -> Files:
    key = read_private_key(bench.read("leaf.key"))
    return chain(bench), key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def weak(bench: Bench) -> Files:
    bench.certify("weak", "issuing", CLIENT_AUTH, algorithm="RSA -pkeyopt rsa_keygen_bits:1024")
    return bench.read("weak.key", "weak.pem"), None


def archive(bench: Bench) -> Files:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as zipped:
        zipped.writestr("bank.pem", whole(bench))
    return made.getvalue(), None


REFUSED: dict[str, Refused] = {
    "jks": Refused(make=keystore("jks"), error=UnreadableContents, message="Java keystore (JKS)", hint="keytool"),
    "jceks": Refused(make=keystore("jceks"), error=UnreadableContents, message="keystore (JCEKS)", hint="keytool"),
    "truststore": Refused(
        make=truststore, password="changeit", error=UnreadableKey, message="a truststore", hint="--key"
    ),
    "pkcs12-of-two": Refused(
        make=lambda bench: (two_identities(bench), None),
        password="changeit",
        error=UnreadableKey,
        message="2 private keys",
        hint="key=",
    ),
    "pkcs12-of-a-key-alone": Refused(
        make=lambda bench: (bench.openssl("pkcs12 -export -nocerts -inkey leaf.key -passout PASS"), None),
        password=PASSWORD,
        error=UnreadableCertificate,
        message="a private key and no certificate",
        hint="certificate first",
    ),
    "pkcs7-alone": Refused(
        make=lambda bench: (bench.openssl("crl2pkcs7 -nocrl -certfile leaf.pem"), None),
        error=UnreadableKey,
        message="PKCS#7",
        hint="--key",
    ),
    "certificates-alone": Refused(
        make=lambda bench: (chain(bench), None), error=UnreadableKey, message="no private key", hint="--key"
    ),
    "key-alone": Refused(
        make=lambda bench: (bench.path("leaf.key"), None),
        error=UnreadableCertificate,
        message="it holds a private key",
        hint="certificate first",
    ),
    "swapped": Refused(
        make=lambda bench: (bench.path("leaf.key"), bench.path("leaf.pem")),
        error=UnreadableCertificate,
        message="it holds a private key",
        hint="certificate first",
    ),
    "certificate-as-key": Refused(
        make=lambda bench: (bench.path("leaf.pem"), bench.path("issuing.pem")),
        error=UnreadableKey,
        message="it holds a certificate",
        hint="key's file",
    ),
    "request": Refused(
        make=lambda bench: (bench.path("leaf.csr"), bench.path("leaf.key")),
        error=UnreadableCertificate,
        message="request (CSR)",
        hint="certificate first",
    ),
    "public-key": Refused(
        make=lambda bench: (bench.openssl("pkey -in leaf.key -pubout"), bench.path("leaf.key")),
        error=UnreadableCertificate,
        message="a public key",
        hint="certificate first",
    ),
    "public-key-as-key": Refused(
        make=lambda bench: (chain(bench), bench.openssl("pkey -in leaf.key -pubout")),
        error=UnreadableKey,
        message="a public key",
        hint="key's file",
    ),
    "revocation-list": Refused(
        make=lambda bench: (a_crl(3).public_bytes(Encoding.PEM), bench.path("leaf.key")),
        error=UnreadableCertificate,
        message="revocation list (CRL)",
        hint="certificate first",
    ),
    "another-key": Refused(make=another_key("leaf"), error=KeyMismatch, message="CN=leaf", hint="mutua cert inspect"),
    "another-key-of-many": Refused(
        make=another_key("leaf", "issuing", "policy", "root"),
        error=KeyMismatch,
        message="any of the certificates",
        hint="mutua cert inspect",
    ),
    "password-missing": Refused(make=sealed("-v2 aes256"), error=EncryptedKey, message="encrypted", hint="password"),
    "password-wrong": Refused(
        make=sealed("-v2 aes256"), password="wrong", error=WrongPassword, message="not open", hint="again"
    ),
    "password-missing-dek-info": Refused(
        make=traditional("-aes256"), error=EncryptedKey, message="encrypted", hint="password"
    ),
    "password-wrong-dek-info": Refused(
        make=traditional("-aes256"), password="wrong", error=WrongPassword, message="not open", hint="again"
    ),
    "password-missing-pkcs12": Refused(
        make=pkcs12("locked.p12"), error=EncryptedKey, message="needs a password", hint="--password-file"
    ),
    "password-wrong-pkcs12": Refused(
        make=pkcs12("locked2.p12"), password="wrong", error=WrongPassword, message="not open", hint="again"
    ),
    "password-wrong-pkcs12-without-mac": Refused(
        make=pkcs12("locked3.p12", "-passout PASS -nomac"),
        password="wrong",
        error=WrongPassword,
        message="not open",
        hint="again",
    ),
    "key-of-openssh": Refused(
        make=of_openssh, error=UnreadableContents, message="OPENSSH PRIVATE KEY", hint="ssh-keygen"
    ),
    "rsa-1024": Refused(make=weak, error=UnreadableKey, message="1024 bits", hint="2048"),
    "cut-off": Refused(
        make=lambda bench: (whole(bench)[:-40], None), error=UnreadableContents, message="no end", hint="last -----END"
    ),
    "pkcs12-cut-off": Refused(
        make=lambda bench: (bench.pkcs12("cut.p12").read_bytes()[:-40], None),
        password=PASSWORD,
        error=UnreadableKey,
        message="not a readable PKCS#12",
        hint=".p12",
    ),
    "utf-16-damaged": Refused(
        make=lambda bench: (whole(bench).decode().encode("utf-16") + b"\xff\xfe\x00\xd8", None),
        error=UnreadableContents,
        message="begins as UTF-16",
        hint="UTF-8",
    ),
    "web-page": Refused(
        make=lambda bench: (b"\n<!DOCTYPE html><title>Log in</title>", None),
        error=UnreadableContents,
        message="web page",
        hint="download",
    ),
    "archive": Refused(make=archive, error=UnreadableContents, message="zip", hint="unpack"),
    "empty": Refused(make=lambda bench: (b" \r\n", None), error=UnreadableContents, message="empty", hint="again"),
}
