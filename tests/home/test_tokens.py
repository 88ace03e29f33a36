"""CA keys in a token: made there, found again, used by threads, children and after the token was away."""

import copy
import os
import pickle
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pkcs11 import Attribute, MechanismFlag, ObjectClass

from mutua.errors import NotAllowed, TokenUnavailable
from mutua.home.tokens import TokenKeys
from mutua.home.tokens.uri import TokenUri
from mutua.pki.certificates import write_der
from mutua.pki.keys import KeyType, PrivateKey, describe_key, public_key_bytes, write_private_key
from tests.pki.hierarchy import root
from tests.softhsm import SoftHsm, end_library

SHA256 = ec.ECDSA(hashes.SHA256())


def signs(key: PrivateKey) -> bool:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    key.public_key().verify(key.sign(b"a certificate", SHA256), b"a certificate", SHA256)
    return True


def session_in(hsm: SoftHsm, *, pin: bool = True) -> pkcs11.Session:
    """What somebody with the PIN can open beside mutua."""
    token = pkcs11.lib(str(hsm.module)).get_token(token_label=hsm.token)
    try:
        return token.open(rw=True, user_pin=hsm.pin if pin else None)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open(rw=True)


def private_key_of(session: pkcs11.Session, label: str) -> pkcs11.PrivateKey:
    (found,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: label})
    assert isinstance(found, pkcs11.PrivateKey)
    return found


def python(code: str, hsm: SoftHsm) -> str:
    """What a Python of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **hsm.environment},
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        (KeyType.P256, "P-256"),
        (KeyType.P384, "P-384"),
        (KeyType.RSA2048, "RSA-2048"),
        (KeyType.RSA3072, "RSA-3072"),
        (KeyType.ED25519, "Ed25519"),
    ],
)
def test_a_key_of_each_kind_is_made_and_found_again(softhsm: SoftHsm, kind: KeyType, called: str) -> None:
    made, stored = softhsm.keys().make("root", kind)
    found = softhsm.keys().load("root", stored)

    assert describe_key(made.public_key()) == describe_key(found.public_key()) == called
    assert public_key_bytes(made.public_key()) == public_key_bytes(found.public_key())


def test_what_is_stored_is_a_uri_without_the_pin(softhsm: SoftHsm) -> None:
    uris = [softhsm.keys().make(name, KeyType.P256)[1] for name in ("root", "issuing-1")]
    read = [TokenUri.parse(uri) for uri in uris]

    assert [(uri.token, uri.label) for uri in read] == [("mutua", "root"), ("mutua", "issuing-1")]
    assert len({uri.identifier for uri in read}) == 2
    assert softhsm.pin not in "".join(uris)


def test_another_process_finds_the_key_and_a_stranger_s_tool_sees_it(
    softhsm: SoftHsm, peer: Callable[[str], str]
) -> None:
    _, stored = softhsm.keys().make("root", KeyType.P256)
    code = f"""
from mutua.home.tokens import TokenKeys, find_pin
from tests.home.test_tokens import signs
print(signs(TokenKeys({str(softhsm.module)!r}, "mutua", find_pin).load("root", {stored!r})))
"""
    assert python(code, softhsm) == "True"
    tool = [peer("pkcs11-tool"), "--module", str(softhsm.module), "--login", "--pin", softhsm.pin, "--list-objects"]
    listed = subprocess.run(tool, check=True, capture_output=True, text=True, timeout=30).stdout
    assert "Private Key Object" in listed
    assert "root" in listed


def test_the_key_shows_what_a_key_shows_and_no_more(softhsm: SoftHsm) -> None:
    elliptic, _ = softhsm.keys().make("root", KeyType.P384)
    modular, _ = softhsm.keys().make("issuing-1", KeyType.RSA2048)

    assert isinstance(elliptic, ec.EllipticCurvePrivateKey)
    assert (elliptic.key_size, elliptic.curve.name) == (384, "secp384r1")
    assert isinstance(modular, rsa.RSAPrivateKey)
    assert modular.key_size == 2048
    edwards, _ = softhsm.keys().make("issuing-2", KeyType.ED25519)
    for key in (elliptic, modular, edwards):
        assert copy.copy(key) is copy.deepcopy(key) is key
    assert "pkcs11:token=mutua;object=root" in repr(elliptic)
    assert softhsm.pin not in repr(elliptic) + repr(softhsm.keys())


def test_a_label_that_is_taken_is_refused_and_nothing_is_made(softhsm: SoftHsm) -> None:
    _, stored = softhsm.keys().make("root", KeyType.P256)

    with pytest.raises(TokenUnavailable, match="has a key 'root' already") as refused:
        softhsm.keys().make("root", KeyType.P256)

    assert "--list-objects" in refused.value.hint
    assert signs(softhsm.keys().load("root", stored))


SECRETS = {
    KeyType.P256: (Attribute.VALUE,),
    KeyType.RSA2048: (Attribute.PRIVATE_EXPONENT, Attribute.PRIME_1),
    KeyType.ED25519: (Attribute.VALUE,),
}


def stolen(session: pkcs11.Session, key: pkcs11.PrivateKey, kind: KeyType) -> list[str]:
    """The ways in which somebody with the PIN gets the private key out of the token."""
    capabilities = MechanismFlag.WRAP | MechanismFlag.UNWRAP
    wrapping = session.generate_key(pkcs11.KeyType.AES, 256, capabilities=capabilities)
    assert isinstance(wrapping, pkcs11.WrapMixin)
    ways: dict[str, Callable[[], object]] = {
        "wrapped": lambda: wrapping.wrap_key(key, mechanism=pkcs11.Mechanism.AES_KEY_WRAP_PAD),
        "made extractable": lambda: key.__setitem__(Attribute.EXTRACTABLE, True),
        "made readable": lambda: key.__setitem__(Attribute.SENSITIVE, False),
        "copied as extractable": lambda: key.copy({Attribute.TOKEN: False, Attribute.EXTRACTABLE: True}),
        "copied as readable": lambda: key.copy({Attribute.TOKEN: False, Attribute.SENSITIVE: False}),
        **{f"read {each.name}": partial(key.__getitem__, each) for each in SECRETS[kind]},
    }
    worked = []
    for name, way in ways.items():
        with suppress(pkcs11.PKCS11Error):
            way()
            worked.append(name)
    return worked


def test_a_key_that_is_made_without_care_is_stolen(softhsm: SoftHsm) -> None:
    session = session_in(softhsm)
    careless = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
    _, key = session.generate_keypair(pkcs11.KeyType.RSA, 2048, private_template=careless)

    assert {"wrapped", "read PRIVATE_EXPONENT", "copied as readable"} <= set(stolen(session, key, KeyType.RSA2048))


@pytest.mark.parametrize("kind", SECRETS)
def test_nobody_with_the_pin_gets_the_private_key_out(softhsm: SoftHsm, kind: KeyType) -> None:
    softhsm.keys().make("root", kind)
    session = session_in(softhsm)
    key = private_key_of(session, "root")

    assert stolen(session, key, kind) == []
    assert (key[Attribute.SENSITIVE], key[Attribute.ALWAYS_SENSITIVE]) == (True, True)
    assert (key[Attribute.EXTRACTABLE], key[Attribute.NEVER_EXTRACTABLE]) == (False, True)
    assert (key[Attribute.PRIVATE], key[Attribute.LOCAL], key[Attribute.TOKEN]) == (True, True, True)
    assert not any(key[attribute] for attribute in (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE))


def test_without_the_pin_the_key_is_not_even_seen(softhsm: SoftHsm) -> None:
    keys = softhsm.keys()
    keys.make("root", KeyType.P256)
    keys.close()

    with pytest.raises(ValueError, match="not enough values"):
        private_key_of(session_in(softhsm, pin=False), "root")


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.RSA2048, KeyType.ED25519])
def test_python_has_no_way_to_the_private_key_either(softhsm: SoftHsm, kind: KeyType) -> None:
    key, _ = softhsm.keys().make("root", kind)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    ways: dict[str, Callable[[], object]] = {
        "write": lambda: write_private_key(key),
        "encrypted": lambda: write_private_key(key, b"a password"),
        "pickle": lambda: pickle.dumps(key),
    }
    match key:
        case rsa.RSAPrivateKey():
            ways |= {"numbers": key.private_numbers, "decrypt": lambda: key.decrypt(b"x" * 256, oaep)}
        case ec.EllipticCurvePrivateKey():
            ways |= {"numbers": key.private_numbers, "exchange": lambda: key.exchange(ec.ECDH(), key.public_key())}
        case _:
            ways["raw"] = key.private_bytes_raw
            with pytest.raises(NotAllowed):
                key.private_bytes(
                    serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
                )
    for way in ways.values():
        with pytest.raises(NotAllowed) as refused:
            way()
        assert refused.value.hint


def test_threads_share_a_key(softhsm: SoftHsm) -> None:
    keys = softhsm.keys()
    made = [keys.make(name, KeyType.P256)[0] for name in ("root", "issuing-1")]
    verified: list[bool] = []

    def sign() -> None:
        verified.extend(signs(made[number % 2]) for number in range(25))

    threads = [threading.Thread(target=sign) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert verified == [True] * 200


def test_a_forked_child_signs_and_so_does_its_parent_afterwards(softhsm: SoftHsm) -> None:
    code = f"""
import os, threading
from mutua.home.tokens import TokenKeys, find_pin
from mutua.pki.keys import KeyType
from tests.home.test_tokens import signs
keys = TokenKeys({str(softhsm.module)!r}, "mutua", find_pin)
key, _ = keys.make("root", KeyType.P256)
busy = threading.Event()
stop = threading.Event()
def sign():
    while not stop.is_set():
        signs(key)
        busy.set()
thread = threading.Thread(target=sign)
thread.start()
busy.wait()
codes = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if signs(key) and signs(key) and keys.make(f"child-{{os.getpid()}}", KeyType.P256) else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
thread.join()
print(codes, signs(key))
"""
    assert python(code, softhsm) == "[0, 0, 0, 0, 0] True"


def test_a_token_that_was_pulled_out_and_is_back_signs_again(softhsm: SoftHsm) -> None:
    keys = softhsm.keys()
    key, stored = keys.make("root", KeyType.P256)

    with softhsm.pulled_out():
        for _ in range(2):
            with pytest.raises(TokenUnavailable) as away:
                signs(key)
            assert away.value.hint == "softhsm2-util --show-slots"
        with pytest.raises(TokenUnavailable):
            keys.load("root", stored)
        with pytest.raises(TokenUnavailable):
            keys.make("issuing-1", KeyType.P256)

    assert signs(key)
    assert signs(keys.load("root", stored))


def test_a_library_that_somebody_else_ended_is_started_again(softhsm: SoftHsm) -> None:
    key, _ = softhsm.keys().make("root", KeyType.P256)

    end_library()

    assert signs(key)


def test_a_token_that_was_made_after_the_library_was_loaded_is_found(softhsm: SoftHsm) -> None:
    assert signs(softhsm.keys().make("root", KeyType.P256)[0])

    softhsm.add_slot("another")

    assert signs(TokenKeys(softhsm.module, "another", softhsm.pin.encode()).make("root", KeyType.P256)[0])


def test_somebody_else_may_log_in_and_out_in_the_same_process(softhsm: SoftHsm) -> None:
    other = session_in(softhsm)
    key, _ = softhsm.keys().make("root", KeyType.P256)
    assert signs(key)

    other.close()

    assert signs(key)


def test_a_copy_of_a_token_has_its_keys(softhsm: SoftHsm, tmp_path: Path) -> None:
    key, stored = softhsm.keys().make("root", KeyType.P256)

    with softhsm.copy(tmp_path / "copy").in_use() as copied:
        assert signs(copied.keys().load("root", stored))
        copied.keys().make("issuing-1", KeyType.P256)

    assert signs(key)
    assert signs(softhsm.keys().make("issuing-1", KeyType.P256)[0])


def test_two_makers_share_a_token_and_one_that_closes_does_not_stop_the_other(softhsm: SoftHsm) -> None:
    one, two = softhsm.keys(), softhsm.keys()
    first, second = one.make("root", KeyType.P256)[0], two.make("issuing-1", KeyType.P256)[0]

    one.close()
    one.close()

    assert signs(second)
    assert signs(first)


def test_the_pin_is_asked_for_when_it_is_first_needed_and_not_for_each_signature(softhsm: SoftHsm) -> None:
    asked: list[bool] = []

    def pin() -> bytes:
        asked.append(True)
        return softhsm.pin.encode()

    keys = TokenKeys(softhsm.module, softhsm.token, pin)
    assert asked == []

    key, stored = keys.make("root", KeyType.P256)
    assert signs(key)
    assert signs(keys.load("root", stored))
    assert asked == [True]


def test_tls_goes_on_in_a_thread_that_used_the_token(softhsm: SoftHsm) -> None:
    anchor = write_der(root().certificate)

    def trusts() -> bool:
        # It takes any error that OpenSSL has kept for this thread for one of the certificate's.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=anchor)
        return True

    keys = softhsm.keys()
    key, stored = keys.make("root", KeyType.P256)
    assert trusts()
    end_library()
    assert signs(key)
    assert trusts()
    with softhsm.pulled_out(), suppress(TokenUnavailable):
        signs(key)
    assert trusts()
    end_library()
    assert softhsm.keys().load("root", stored)
    assert trusts()
    end_library()
    keys.close()
    assert trusts()


def test_nothing_of_python_pkcs11_is_loaded_before_a_key_is_needed(softhsm: SoftHsm) -> None:
    code = """
import sys
from pathlib import Path
from mutua.home.tokens import TokenKeys, find_pin
keys = TokenKeys(Path("/nowhere.so"), "mutua", find_pin)
print("pkcs11" in sys.modules, repr(keys))
keys.close()
"""
    assert python(code, softhsm) == "False <TokenKeys in 'mutua' of '/nowhere.so'>"


def test_where_python_pkcs11_is_not_installed_the_extra_is_named(softhsm: SoftHsm) -> None:
    code = """
import sys
sys.modules["pkcs11"] = None
from mutua.errors import MissingExtra
from mutua.home.tokens import TokenKeys, find_pin
from mutua.pki.keys import KeyType
try:
    TokenKeys("/nowhere.so", "mutua", find_pin).make("root", KeyType.P256)
except MissingExtra as error:
    print(error.hint)
"""
    assert python(code, softhsm) == "pip install 'mutua[pkcs11]'"
