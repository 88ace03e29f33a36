"""``mutua client invite``: what is printed once, and what is only shown."""

from pathlib import Path

import pytest

from mutua import Home
from mutua.errors import RefusedEnrolment
from mutua.pki.requests import write_request
from mutua.registry.invitations import Invitation, read_invitation
from tests.cli.conftest import Run
from tests.pki.hierarchy import key_of

URL = ("--url", "https://pki.acme.example:8443")
REQUEST = write_request(key_of("invited"), [])


def good(home: Home, invitation: Invitation) -> bool:
    return home.invitations.find(invitation.token, client=invitation.client).used_at is None


def test_the_invitation_is_the_one_line_on_stdout(mutua: Run, home: Home) -> None:
    result = mutua("client", "invite", "woovi", *URL)
    assert result.code == 0
    assert len(result.out.splitlines()) == 1
    invitation = read_invitation(result.out)
    assert good(home, invitation)
    assert invitation.token not in result.err
    assert "for woovi, once, until " in result.err
    assert "mutua enroll" in result.err


def test_with_a_file_it_is_there_for_its_owner_alone_and_nowhere_else(mutua: Run, home: Home) -> None:
    result = mutua("client", "invite", "woovi", *URL, "-o", "woovi.invitation", "--json")
    path = home.path.parent / "woovi.invitation"
    assert path.stat().st_mode & 0o777 == 0o600
    invitation = read_invitation(path.read_text())
    assert good(home, invitation)
    assert invitation.token not in result.out + result.err
    assert (result.json["invitation"], result.json["token"], result.json["file"]) == (None, None, "woovi.invitation")


def test_json_has_the_parts_for_other_clients_of_est(mutua: Run, home: Home) -> None:
    told = mutua("client", "invite", "woovi", *URL, "--json").json
    invitation = read_invitation(told["invitation"])
    assert told["token"] == invitation.token
    assert told["url"] == invitation.url == URL[1]
    assert told["ca"] in (home.path / "ca.pem").read_text()
    assert (told["client"], told["profile"], told["names"]) == ("woovi", "client", ["woovi"])


def test_profile_names_and_times_are_those_given(mutua: Run, home: Home) -> None:
    given = [
        "--profile",
        "server",
        "--name",
        "api.acme.example",
        "--name",
        "10.0.0.1",
        "--days",
        "7",
        "--expires",
        "30m",
    ]
    invitation = read_invitation(mutua("client", "invite", "woovi", *URL, *given).out)
    assert (invitation.profile, invitation.names) == ("server", ("api.acme.example", "10.0.0.1"))
    assert 1700 < (invitation.expires_at - home.now()).total_seconds() <= 1800
    certificate = home.invitations.enrol(invitation.token, REQUEST, client="woovi").certificate
    assert (certificate.not_valid_after_utc - home.now()).days in {6, 7}


def test_the_address_comes_from_the_settings(mutua: Run, home: Home) -> None:
    assert "est_url" in mutua("client", "invite", "woovi").err
    with (home.path / "mutua.toml").open("a") as settings:
        settings.write('est_url = "https://est.acme.example"\n')
    assert read_invitation(mutua("client", "invite", "woovi").out).url == "https://est.acme.example"


def test_a_client_is_registered_on_the_way_only_if_asked(mutua: Run, home: Home) -> None:
    assert "no client 'bank'" in mutua("client", "invite", "bank", *URL).error()
    assert mutua("client", "invite", "bank", *URL, "--add").code == 0
    assert home.clients.get("bank").grants == ()


def test_open_invitations_are_shown_and_withdrawn(mutua: Run, home: Home) -> None:
    first, second = (read_invitation(mutua("client", "invite", "woovi", *URL).out) for _ in range(2))
    home.invitations.enrol(first.token, REQUEST, client="woovi")
    shown = mutua("client", "show", "woovi")
    assert shown.out.count("\ninvited ") == 1
    assert [each["names"] for each in mutua("client", "show", "woovi", "--json").json["invitations"]] == [["woovi"]]
    assert "withdrawn: 1 open invitation of woovi" in mutua("client", "invite", "woovi", "--withdraw").out
    with pytest.raises(RefusedEnrolment):
        home.invitations.find(second.token, client="woovi")
    assert "invited" not in mutua("client", "show", "woovi").out
    assert "no open invitation" in mutua("client", "invite", "woovi", "--withdraw").error()


def test_withdrawing_says_how_many_as_json(mutua: Run) -> None:
    mutua("client", "invite", "woovi", *URL)
    mutua("client", "invite", "woovi", *URL)
    assert mutua("client", "invite", "woovi", "--withdraw", "--json").json == {"client": "woovi", "withdrawn": 2}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--expires", "1"),
        ("--expires", "0h"),
        ("--expires", "31d"),
        ("--expires", "-1h"),
        ("--expires", "999999d"),
        ("--days", "366"),
        ("--profile", "server"),
        ("--name", "*.acme.example"),
        ("--url", "http://pki.acme.example"),
        ("-o", "nowhere/file"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_said_and_nobody_is_invited(mutua: Run, home: Home, arguments: tuple[str, ...]) -> None:
    assert mutua("client", "invite", "woovi", *URL, *arguments).error()
    assert home.invitations.of("woovi") == []
    assert not Path(home.path.parent, "nowhere").exists()
