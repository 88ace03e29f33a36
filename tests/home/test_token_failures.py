"""What goes wrong with a token is one error with a hint, and the PIN is in none of it."""

import logging
import re
import shlex
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, MechanismFlag, ObjectClass

from mutua.errors import MissingPassphrase, MutuaError, TokenUnavailable, UnreadableFile, UnreadableKey
from mutua.home.passphrase import MAX_PASSPHRASE_BYTES, find_passphrase
from mutua.home.tokens import TokenKeys, find_pin, session
from mutua.home.tokens.encoding import P256_PARAMETERS
from mutua.home.tokens.failures import Place, explain
from mutua.home.tokens.uri import TokenUri
from mutua.pki.keys import KeyType
from tests.home.test_tokens import private_key_of, python, session_in, signs
from tests.softhsm import LIBRARY, SoftHsm, end_library

WRONG = b"hunter2-hunter2"
MAKES_ONLY = "CKM_EC_KEY_PAIR_GEN,CKM_RSA_PKCS_KEY_PAIR_GEN,CKM_EC_EDWARDS_KEY_PAIR_GEN"
PLACE = Place(Path("/opt/vendor/libpkcs11.so"), "mutua")


def ec_pair(session: pkcs11.Session, label: str, identifier: bytes, **more: Any) -> tuple[Any, Any]:
    """A key pair such as another program makes."""
    curve = session.create_domain_parameters(pkcs11.KeyType.EC, {Attribute.EC_PARAMS: P256_PARAMETERS}, local=True)
    return curve.generate_keypair(
        label=label, id=identifier, store=True, **{"capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY, **more}
    )


def refusal_of(act: Callable[[], object]) -> TokenUnavailable:
    with pytest.raises(TokenUnavailable) as refused:
        act()
    assert refused.value.hint
    assert "\n" not in refused.value.message + refused.value.hint
    return refused.value


@pytest.mark.parametrize(
    ("module", "why"),
    [("missing.so", "No such file"), ("text.so", "ELF|too short"), (".", "directory")],
)
def test_a_module_that_cannot_be_loaded_is_named(tmp_path: Path, module: str, why: str) -> None:
    (tmp_path / "text.so").write_text("not a library\n" * 10)
    keys = TokenKeys(tmp_path / module, "mutua", b"1234")

    refused = refusal_of(lambda: keys.make("root", KeyType.P256))

    assert re.search(why, refused.message)
    assert str(tmp_path) in refused.message
    assert refused.hint.startswith("ls -la")


def test_a_library_that_speaks_something_else_is_refused() -> None:
    keys = TokenKeys(Path("libm.so.6"), "mutua", b"1234")

    assert "C_GetFunctionList" in refusal_of(lambda: keys.make("root", KeyType.P256)).message


def test_a_token_that_is_not_there_is_named(softhsm: SoftHsm) -> None:
    keys = TokenKeys(softhsm.module, "elsewhere", softhsm.pin.encode())

    refused = refusal_of(lambda: keys.make("root", KeyType.P256))

    assert "no token 'elsewhere'" in refused.message
    assert refused.hint == "softhsm2-util --show-slots"


def test_two_tokens_of_one_label_are_refused(softhsm: SoftHsm) -> None:
    softhsm.add_slot(softhsm.token)

    assert "several tokens" in refusal_of(lambda: softhsm.keys().make("root", KeyType.P256)).message


@pytest.mark.parametrize("label", ["", "a\0b", "two\nlines", "\udc80"])
def test_what_cannot_be_a_label_never_reaches_the_token(softhsm: SoftHsm, label: str) -> None:
    assert "is not a label" in refusal_of(lambda: softhsm.keys().make(label, KeyType.P256)).message
    keys = TokenKeys(softhsm.module, label, softhsm.pin.encode())
    assert "is not a label" in refusal_of(lambda: keys.make("root", KeyType.P256)).message


def test_a_library_that_cannot_start_says_so(softhsm: SoftHsm) -> None:
    code = f"""
from mutua.errors import TokenUnavailable
from mutua.home.tokens import TokenKeys
from mutua.pki.keys import KeyType
for _ in range(2):
    try:
        TokenKeys({str(softhsm.module)!r}, "mutua", b"1234").make("root", KeyType.P256)
    except TokenUnavailable as error:
        print(error.message, error.hint)
"""
    unconfigured = SoftHsm(softhsm.folder / "missing")

    assert (
        python(code, unconfigured).count("does not answer as it should: GeneralError softhsm2-util --show-slots") == 2
    )


@pytest.mark.parametrize("pin", [WRONG, b"1", b"x" * 300, "PIN äöü".encode(), b"not \xff UTF-8"])
def test_a_wrong_pin_is_refused_and_repeated_nowhere(
    softhsm: SoftHsm, pin: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    keys = TokenKeys(softhsm.module, softhsm.token, pin)

    refused = refusal_of(lambda: keys.make("root", KeyType.P256))

    assert "PIN" in refused.message
    assert "MUTUA_PKCS11_PIN" in refused.hint
    said = "".join([*traceback.format_exception(refused), repr(refused), repr(keys), caplog.text, *capfd.readouterr()])
    assert len(pin) < 3 or pin.decode(errors="replace") not in said
    assert refused.__cause__ is None


def test_a_token_that_refused_a_pin_is_not_asked_again_until_there_is_another(softhsm: SoftHsm) -> None:
    pins = [WRONG, WRONG, softhsm.pin.encode()]
    keys = TokenKeys(softhsm.module, softhsm.token, lambda: pins.pop(0))

    assert "refuses the PIN" in refusal_of(lambda: keys.make("root", KeyType.P256)).message
    assert "not asked again" in refusal_of(lambda: keys.make("root", KeyType.P256)).message
    assert signs(keys.make("root", KeyType.P256)[0])


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (pkcs11.PinLocked(), "is locked", "--init-pin"),
        (pkcs11.PinExpired(), "expired", "--init-pin"),
        (pkcs11.UserPinNotInitialized(), "never set", "--init-pin"),
        (pkcs11.TokenWriteProtected(), "read-only", "--list-token-slots"),
        (pkcs11.SessionReadOnly(), "read-only", "--list-token-slots"),
        (pkcs11.DeviceMemory(), "full", "--list-objects"),
        (pkcs11.SessionCount(), "no session left", "--list-token-slots"),
        (pkcs11.MechanismInvalid(), "keys of that kind", "--list-mechanisms"),
        (pkcs11.TemplateInconsistent(), "stay inside", "--list-mechanisms"),
        (pkcs11.DeviceRemoved(), "DeviceRemoved", "--list-token-slots"),
        (pkcs11.PKCS11Error("3.14159-tau"), "PKCS11Error", "--list-token-slots"),
        (UnicodeDecodeError("utf-8", b"3.14159-tau", 0, 1, "3.14159-tau"), "UnicodeDecodeError", "--list-token-slots"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_only_hardware_says_is_explained(error: Exception, message: str, hint: str) -> None:
    explained = explain(error, PLACE)

    assert message in explained.message
    assert hint in explained.hint
    assert f"--module {PLACE.module}" in explained.hint
    assert "3.14159-tau" not in explained.message + explained.hint


def test_a_hint_can_be_typed_whatever_the_token_is_called() -> None:
    hint = explain(pkcs11.NoSuchKey(), Place(Path("/opt/a b.so"), "it's; rm -rf ~")).hint

    assert shlex.split(hint)[:5] == ["pkcs11-tool", "--module", "/opt/a b.so", "--token-label", "it's; rm -rf ~"]


def test_a_key_that_is_gone_is_missed(softhsm: SoftHsm) -> None:
    keys = softhsm.keys()
    key, stored = keys.make("root", KeyType.P256)
    private_key_of(session_in(softhsm), "root").destroy()

    for act in (lambda: signs(key), lambda: keys.load("root", stored)):
        refused = refusal_of(act)
        assert "does not have the key" in refused.message
        assert "--list-objects" in refused.hint


def test_a_key_without_its_public_half_is_missed(softhsm: SoftHsm) -> None:
    _, stored = softhsm.keys().make("root", KeyType.P256)
    (public,) = session_in(softhsm).get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: "root"})
    public.destroy()

    assert "does not have the key" in refusal_of(lambda: softhsm.keys().load("root", stored)).message


def test_two_keys_of_one_label_are_told_apart_by_their_identifiers(softhsm: SoftHsm) -> None:
    key, stored = softhsm.keys().make("root", KeyType.P256)
    ec_pair(session_in(softhsm), "root", b"another")

    assert signs(softhsm.keys().load("root", stored))
    assert signs(key)


def test_two_keys_of_one_label_and_identifier_are_refused(softhsm: SoftHsm) -> None:
    _, stored = softhsm.keys().make("root", KeyType.P256)
    ec_pair(session_in(softhsm), "root", TokenUri.parse(stored).identifier)

    assert "several such keys" in refusal_of(lambda: softhsm.keys().load("root", stored)).message


def test_a_key_that_was_exchanged_behind_our_back_signs_nothing(softhsm: SoftHsm) -> None:
    key, stored = softhsm.keys().make("root", KeyType.P256)
    other = session_in(softhsm)
    for each in list(other.get_objects({Attribute.LABEL: "root"})):
        each.destroy()
    ec_pair(other, "root", TokenUri.parse(stored).identifier)

    assert "do not verify" in refusal_of(lambda: signs(key)).message


def test_another_token_of_the_same_name_signs_nothing(softhsm: SoftHsm, tmp_path: Path) -> None:
    key, _ = softhsm.keys().make("root", KeyType.P256)
    (tmp_path / "other").mkdir()

    with SoftHsm.make(tmp_path / "other").in_use() as other:
        # The handles of its sessions and keys are the same small numbers.
        other.keys().make("root", KeyType.P256)
        assert "does not have the key" in refusal_of(lambda: signs(key)).message

    assert signs(key)


def test_the_key_of_another_ca_or_token_is_refused(softhsm: SoftHsm) -> None:
    keys = softhsm.keys()
    _, stored = keys.make("root", KeyType.P256)

    assert "not the one of the CA" in refusal_of(lambda: keys.load("issuing-1", stored)).message
    moved = stored.replace("token=mutua", "token=elsewhere")
    assert "in the token 'elsewhere'" in refusal_of(lambda: keys.load("root", moved)).message
    with pytest.raises(UnreadableKey):
        keys.load("root", stored + "?pin-value=1234")


def test_a_key_that_may_not_sign_or_is_of_no_kind_of_ours_is_refused(softhsm: SoftHsm) -> None:
    other = session_in(softhsm)
    ec_pair(other, "derives", b"\x01", capabilities=MechanismFlag.DERIVE)
    other.generate_keypair(pkcs11.KeyType.RSA, 1024, label="short", id=b"\x02", store=True)
    secp256k1 = {Attribute.EC_PARAMS: bytes.fromhex("06052b8104000a")}
    curve = other.create_domain_parameters(pkcs11.KeyType.EC, secp256k1, local=True)
    curve.generate_keypair(label="coin", id=b"\x03", store=True)
    public, _ = ec_pair(other, "dsa", b"\x04")
    public.destroy()
    numbers = dict.fromkeys((Attribute.PRIME, Attribute.SUBPRIME, Attribute.BASE, Attribute.VALUE), b"\x05")
    kind = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: pkcs11.KeyType.DSA, Attribute.TOKEN: True}
    other.create_object({**kind, **numbers, Attribute.LABEL: "dsa", Attribute.ID: b"\x04"})

    for label, identifier, why in (
        ("derives", b"\x01", "does not let that key sign"),
        ("short", b"\x02", "1024 bits"),
        ("coin", b"\x03", "curve that is not supported"),
        ("dsa", b"\x04", "keys of that kind"),
    ):
        uri = str(TokenUri("mutua", label, identifier))
        assert why in refusal_of(partial(softhsm.keys().load, label, uri)).message


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.P384, KeyType.RSA2048, KeyType.ED25519])
def test_a_token_that_cannot_sign_with_a_key_does_not_make_it(tmp_path: Path, softhsm: SoftHsm, kind: KeyType) -> None:
    (tmp_path / "lacking").mkdir()
    lacking = SoftHsm.make(tmp_path / "lacking", mechanisms=MAKES_ONLY)

    with lacking.in_use():
        refused = refusal_of(lambda: lacking.keys().make("root", kind))
        assert list(session_in(lacking).get_objects({Attribute.LABEL: "root"})) == []

    assert "does not work with keys of that kind" in refused.message
    assert "--list-mechanisms" in refused.hint


def test_a_token_that_lost_a_mechanism_says_so(tmp_path: Path, softhsm: SoftHsm) -> None:
    key, _ = softhsm.keys().make("root", KeyType.P256)
    configuration = softhsm.folder / "softhsm2.conf"
    configuration.write_text(configuration.read_text().replace("ALL", MAKES_ONLY))
    end_library()

    assert "does not work with keys of that kind" in refusal_of(lambda: signs(key)).message


def test_a_token_that_makes_extractable_keys_all_the_same_is_found_out(softhsm: SoftHsm) -> None:
    private = {Attribute.EXTRACTABLE: True}
    _, key = ec_pair(session_in(softhsm), "root", b"\x01", private_template=private)

    with pytest.raises(pkcs11.TemplateInconsistent):
        session._require_kept(key)


def test_keys_that_do_not_stay_inside_are_destroyed_at_once(softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(_: object) -> None:
        raise pkcs11.TemplateInconsistent

    with monkeypatch.context() as token:
        token.setattr(session, "_require_kept", careless)
        assert "stay inside" in refusal_of(lambda: softhsm.keys().make("root", KeyType.P256)).message

    assert list(session_in(softhsm).get_objects({Attribute.LABEL: "root"})) == []
    assert signs(softhsm.keys().make("root", KeyType.P256)[0])


def test_a_token_that_cannot_be_written_makes_no_key_and_stays_whole(softhsm: SoftHsm) -> None:
    code = f"""
import resource, signal
from mutua.errors import TokenUnavailable
from mutua.home.tokens import TokenKeys, find_pin, session
from mutua.pki.keys import KeyType
keys = TokenKeys({str(softhsm.module)!r}, "mutua", find_pin)
keys.make("issuing-1", KeyType.P256)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
try:
    keys.make("root", KeyType.P256)
except TokenUnavailable as error:
    message = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(message)
"""
    assert "made no key; it may be read-only, or full" in python(code, softhsm)
    assert signs(softhsm.keys().make("root", KeyType.P256)[0])


def test_the_pin_comes_from_where_a_passphrase_comes_from(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("from the file\r\n")
    environment = {
        "MUTUA_PKCS11_PIN": "from the variable",
        "MUTUA_PKCS11_PIN_FILE": str(tmp_path / "pin"),
        "MUTUA_PKCS11_PIN_COMMAND": "echo 'from the command'",
    }
    found = []
    for variable in list(environment):
        found.append(find_pin(environment))
        del environment[variable]
    assert found == [b"from the variable", b"from the file", b"from the command"]


@pytest.mark.parametrize(
    "command", ["false", "true", "/nowhere/at/all", "sh -c 'echo hunter2 >&2; echo hunter2; exit 1'"]
)
def test_a_pin_that_does_not_come_is_told_of(command: str) -> None:
    refused = refusal_of(lambda: find_pin({"MUTUA_PKCS11_PIN_COMMAND": command}))

    assert "MUTUA_PKCS11_PIN_COMMAND" in refused.message
    assert "hunter2" not in refused.message + refused.hint


def test_without_a_pin_the_hint_names_its_sources(tmp_path: Path) -> None:
    refused = refusal_of(lambda: find_pin({}))

    for variable in ("MUTUA_PKCS11_PIN", "MUTUA_PKCS11_PIN_FILE", "MUTUA_PKCS11_PIN_COMMAND"):
        assert variable in refused.hint
    (tmp_path / "huge").write_text("1" * (MAX_PASSPHRASE_BYTES + 1))
    with pytest.raises(UnreadableFile):
        find_pin({"MUTUA_PKCS11_PIN_FILE": str(tmp_path / "huge")})


def test_a_pin_is_no_passphrase_and_a_passphrase_no_pin(tmp_path: Path) -> None:
    with pytest.raises(MissingPassphrase):
        find_passphrase(tmp_path, {"MUTUA_PKCS11_PIN": "1234"})
    with pytest.raises(TokenUnavailable):
        find_pin({"MUTUA_PASSPHRASE": "secret"})


def test_an_error_of_the_pin_s_own_is_not_hidden(softhsm: SoftHsm) -> None:
    def pin() -> bytes:
        raise UnreadableFile("the file is away", hint="look for it")

    with pytest.raises(MutuaError, match="the file is away"):
        TokenKeys(LIBRARY, softhsm.token, pin).make("root", KeyType.P256)


def test_a_library_that_fails_to_start_is_started_when_it_can_be(softhsm: SoftHsm) -> None:
    keys = softhsm.keys()
    with softhsm.pulled_out():
        refusal_of(lambda: keys.make("root", KeyType.P256))
    assert signs(keys.make("root", KeyType.P256)[0])
    end_library()
    with softhsm.pulled_out():
        refusal_of(lambda: keys.make("issuing-1", KeyType.P256))
    assert signs(keys.make("issuing-1", KeyType.P256)[0])
