"""Where the CA keys are in tests: sealed in the store, or in a token.

Every test of these folders that has a ``home`` runs in both places. Those that are about sealed keys are left out here,
by name and with the reason.
"""

from pathlib import Path

import pytest

STORE, TOKEN = "store", "token"

FOLDERS = ("tests/home", "tests/cli", "tests/web")

_PASSPHRASE = "it is about the passphrase, and a key in a token is not sealed under it"
_LEAVES = "it moves a key out, and a key in a token never leaves it"

_UNSIGNED = "what it is about asks for no signature of a CA of ours"

LEFT_OUT = {
    "tests/cli/test_client_list.py": _UNSIGNED,
    "tests/cli/test_call.py": _UNSIGNED,
    "tests/cli/test_refused.py": _UNSIGNED,
    "tests/cli/test_ca.py::test_a_key_from_before_another_passphrase_is_opened_with_the_old_one": _LEAVES,
    "tests/cli/test_ca.py::test_a_key_goes_away_and_comes_back": _LEAVES,
    "tests/cli/test_ca.py::test_a_new_passphrase_is_asked_for_twice_where_somebody_is_there": _PASSPHRASE,
    "tests/cli/test_ca.py::test_another_passphrase_comes_from_a_file_or_the_environment": _PASSPHRASE,
    "tests/cli/test_ca.py::test_what_a_retirement_needs_of_a_root_that_is_offline_is_said": _LEAVES,
    "tests/cli/test_ca.py::test_who_keeps_the_passphrase_elsewhere_is_told_to_put_the_new_one_there": _PASSPHRASE,
    "tests/cli/test_errors.py::test_no_passphrase_and_a_wrong_one": _PASSPHRASE,
    "tests/web/test_process.py::test_without_the_passphrase_or_the_pin_it_does_not_start": _PASSPHRASE,
    "tests/web/est/test_door.py::test_a_signal_ends_both_in_good_order": _UNSIGNED,
    "tests/web/est/test_door.py::test_what_cannot_be_served_is_said_at_once": _UNSIGNED,
    "tests/web/est/test_door.py::test_one_that_tells_nothing_lets_nobody_renew": _UNSIGNED,
    "tests/home/test_audit.py::test_an_event_deleted_anywhere_is_found": _LEAVES,
    "tests/home/test_audit.py::test_any_byte_of_an_event_of_any_kind_flipped_is_found": _LEAVES,
    "tests/home/test_crls.py::test_one_ca_that_cannot_sign_does_not_keep_the_others_from_it": _LEAVES,
    "tests/home/test_crls.py::test_the_crl_of_a_root_whose_key_leaves_lasts_and_issuing_goes_on": _LEAVES,
    "tests/home/test_meanwhile.py::test_a_ca_is_rotated_once": "a token makes no second key of one name",
    "tests/home/test_meanwhile.py::"
    "test_a_change_of_the_passphrase_that_was_cut_short_is_finished_before_the_next": _PASSPHRASE,
    "tests/home/test_meanwhile.py::"
    "test_a_key_is_sealed_under_the_passphrase_that_there_is_when_it_is_stored": _PASSPHRASE,
    "tests/home/test_meanwhile.py::test_a_key_that_is_sealed_anew_while_it_is_exported_stays": _LEAVES,
    "tests/home/test_keys.py": _LEAVES,
    "tests/home/test_new_passphrase.py": _PASSPHRASE,
    "tests/home/test_passphrase.py": _PASSPHRASE,
    "tests/home/test_responder.py::test_a_root_that_is_offline_has_others_try_later_and_its_ca_goes_on": _LEAVES,
    "tests/home/test_responder.py::test_an_old_delegate_goes_on_when_the_key_is_gone": _PASSPHRASE,
    "tests/home/test_responder.py::"
    "test_without_the_key_the_answer_is_try_later_and_the_key_is_not_asked_for_each_time": _PASSPHRASE,
    "tests/home/test_revocation.py::"
    "test_without_the_passphrase_a_certificate_is_revoked_and_the_crl_follows": _PASSPHRASE,
    "tests/home/test_sealing.py": _PASSPHRASE,
    "tests/home/test_upkeep.py::"
    "test_what_was_revoked_without_the_passphrase_is_on_the_list_at_the_next_look": _PASSPHRASE,
}
"""By the path and name of the test, or by the path of a whole file."""


def places(test: str) -> list[str]:
    """Where a test runs, by its path and name."""
    path, _, _ = test.partition("::")
    if not path.startswith(FOLDERS) or {path, test} & LEFT_OUT.keys():
        return [STORE]
    return [STORE, TOKEN]


def path_and_name(metafunc: pytest.Metafunc) -> str:
    """How a test is called here."""
    path = Path(metafunc.module.__file__).relative_to(metafunc.config.rootpath)
    return f"{path.as_posix()}::{metafunc.function.__name__}"
