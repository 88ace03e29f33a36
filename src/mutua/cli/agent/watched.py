"""Which identities a command of the agent is about."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mutua.agent.settings import CONFIG_FILE, AgentSettings, read_agent_settings, settings_of
from mutua.errors import InvalidInput, InvalidSettings

F = TypeVar("F", bound=Callable[..., Any])


def config_option(function: F) -> F:
    """``--config``: given to the command as ``config``."""
    said = f"The settings; ./{CONFIG_FILE} when not given."
    return click.option("--config", metavar="FILE", help=said)(function)


def identity_option(function: F) -> F:
    """``--identity``: given to the command as ``identities``."""
    said = "Watch this, without a file of settings; may be given several times."
    return click.option("--identity", "identities", multiple=True, metavar="PATH", help=said)(function)


def settings_reader(config: str | None, identities: tuple[str, ...]) -> Callable[[], AgentSettings]:
    """What reads the settings, now and again.

    Raises:
        InvalidInput: there is both, or neither and no file in this folder.
    """
    if identities:
        if config is not None:
            raise InvalidInput("give --config or --identity, not both", hint=f"name it in '{config}': [[identity]]")
        return lambda: settings_of(identities)
    file = Path(CONFIG_FILE if config is None else config)
    if config is None and not file.exists():
        raise InvalidSettings(f"there is no {CONFIG_FILE} here", hint="mutua agent --identity FOLDER, or --config FILE")
    return lambda: read_agent_settings(file)
