"""``mutua enroll``."""

import logging
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from mutua.agent.folder import ENROLMENT_FILE, TRUST_FILE, folder_for
from mutua.agent.hooks import run_hook
from mutua.agent.renewing import enroll as enroll_
from mutua.cli.exits import ExitCode
from mutua.cli.options import json_option, key_type_option
from mutua.cli.output import day, facts, json_data, talk
from mutua.errors import InvalidInput
from mutua.pki.keys import KeyType
from mutua.registry.invitations import MAX_INVITATION_CHARACTERS, read_invitation
from mutua.tls.files import read_file
from mutua.tls.identity import CHAIN_FILE, KEY_FILE, Identity


@click.command()
@click.argument("invitation", required=False)
@click.option("--file", metavar="FILE", help="Read the invitation from there, so that no list of processes shows it.")
@click.option("--to", metavar="FOLDER", help="Where the identity goes; the client's name, here, when not given.")
@click.option("--hook", "hooks", multiple=True, metavar="COMMAND", help="Run that afterwards; no shell is involved.")
@click.option("--force", is_flag=True, help="Replace an identity that is there.")
@key_type_option
@json_option
def enroll(
    invitation: str | None,
    file: str | None,
    to: str | None,
    hooks: tuple[str, ...],
    key_type: KeyType,
    *,
    force: bool,
    as_json: bool,
) -> int:
    """Get this machine its first certificate.

    INVITATION is what `mutua client invite` has printed; - reads it from stdin. The key is made here and never leaves.
    The server is verified with the root in the invitation before it is told anything. If it is interrupted, or the
    answer is lost, type the same again.

    \b
    Examples:
      mutua enroll --file woovi.invitation --to /etc/mutua/woovi
      mutua enroll - --to /etc/mutua/woovi < woovi.invitation
      mutua enroll --file woovi.invitation --hook "systemctl restart mutua-agent"
    """
    logging.basicConfig(level=logging.INFO, format="mutua: %(levelname)s: %(message)s", stream=sys.stderr)
    commands = [_words(each) for each in hooks]
    invited = read_invitation(_text(invitation, file))
    folder = folder_for(to, invited.client)
    made = enroll_(invited, folder, key_type=key_type, now=datetime.now(UTC), force=force)
    if as_json:
        json_data(_as_json(made, folder.path, invited.url))
    else:
        facts(
            [
                ("thumbprint", made.thumbprint),
                ("names", ", ".join(map(str, made.names))),
                ("until", day(made.not_after)),
                ("key", str(folder.path / KEY_FILE)),
                ("chain", str(folder.path / CHAIN_FILE)),
                ("trust", str(folder.path / TRUST_FILE)),
            ]
        )
        talk(f"next, to have it renewed:  mutua agent --identity {shlex.quote(str(folder.path))}")
    ran = [run_hook(words, given={"MUTUA_IDENTITY": str(folder.path)}) for words in commands]
    return ExitCode.OK if all(ran) else ExitCode.NEGATIVE


def _text(invitation: str | None, file: str | None) -> str:
    if (invitation is None) == (file is None):
        raise InvalidInput("give one invitation", hint="mutua enroll --file FILE")
    if file is not None:
        return read_file(file, MAX_INVITATION_CHARACTERS).decode("utf-8", "replace")
    assert invitation is not None
    if invitation == "-":
        return sys.stdin.buffer.read(MAX_INVITATION_CHARACTERS + 1).decode("utf-8", "replace")
    return invitation


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise InvalidInput(f"{command[:80]!r} is no command", hint='such as --hook "systemctl reload nginx"')
    return words


def _as_json(made: Identity, folder: Path, url: str) -> dict[str, object]:
    return {
        "thumbprint": made.thumbprint,
        "names": [str(each) for each in made.names],
        "not_after": made.not_after,
        "key": str(folder / KEY_FILE),
        "chain": str(folder / CHAIN_FILE),
        "trust": str(folder / TRUST_FILE),
        "enrolment": str(folder / ENROLMENT_FILE),
        "url": url,
    }
