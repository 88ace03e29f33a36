"""What gunicorn's arbiter and its workers run: the application, and the settings."""

import inspect
import ssl
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import Application  # type: ignore[import-untyped]
from gunicorn.config import get_default_config_file  # type: ignore[import-untyped]

from mutua.errors import AppNotFound, InvalidSettings
from mutua.inbound.application import load_application
from mutua.inbound.gunicorn.handshakes import DoorSocket
from mutua.inbound.gunicorn.plan import Plan
from mutua.inbound.gunicorn.settings import DoorSettings


class EndedTls:
    """Stands where gunicorn looks for a TLS context: lets through what has been ended here, and nothing else."""

    def wrap_socket(self, client: Any, **_: Any) -> DoorSocket:
        """The same socket; without TLS gunicorn does not ask.

        Raises:
            SSLError: its handshake is not over.
        """
        if not isinstance(client, DoorSocket) or client.connection is None:
            raise ssl.SSLError("a connection without TLS")
        return client


def _ended_tls(_: object, __: Callable[[], ssl.SSLContext]) -> EndedTls:
    return EndedTls()


class DoorApplication(Application):  # type: ignore[misc]
    """gunicorn's idea of an application.

    Args:
        plan: what each worker needs.
        given: settings that the caller decides.

    Attributes:
        plan: the same.
        started: whether a worker has ever been ready.

    Raises:
        InvalidSettings: gunicorn's own settings cannot be read, or would open the door.
    """

    cfg: Any

    def __init__(self, plan: Plan, **given: object) -> None:
        self.plan = plan
        self.started = False
        self._given = given
        super().__init__(prog="gunicorn")

    def do_load_config(self) -> None:
        """Read the settings, at the start and at each SIGHUP."""
        cfg: DoorSettings | None = self.cfg
        try:
            self.cfg = DoorSettings(self.usage, prog=self.prog)
            self.cfg.ends_tls, self.cfg.forwards = self.plan.identity is not None, self.plan.forwards
            self.load_config()
            self.cfg.lay_down(ssl_context=_ended_tls, **self._given)
            self.cfg.validate()
        except InvalidSettings:
            self.cfg = cfg
            raise
        except (Exception, SystemExit) as error:
            self.cfg = cfg
            raise InvalidSettings(
                f"gunicorn's own settings cannot be read: {error}", hint="mend gunicorn.conf.py or GUNICORN_CMD_ARGS"
            ) from error

    def load_config(self) -> None:
        """What gunicorn reads too: ``GUNICORN_CMD_ARGS``, and the file that it names or ``./gunicorn.conf.py``."""
        arguments = vars(self.cfg.parser().parse_args(self.cfg.get_cmd_args_from_env()))
        if file := arguments.get("config") or get_default_config_file():
            self.load_config_from_file(file)
        for name, value in arguments.items():
            if value is not None and name != "args":
                self.cfg.set(name.lower(), value)

    def load(self) -> Any:
        """The application as it is, without the gate.

        Raises:
            AppNotFound: it cannot be imported, or is not made for this worker.
        """
        target = self.plan.app
        return load_application(target) if isinstance(target, str) else target


def require_kind(application: Any, *, asgi: bool) -> None:
    """Refuse an application of the other kind, before its first request fails.

    Raises:
        AppNotFound: it is one.
    """
    called = application if inspect.isroutine(application) else type(application).__call__
    is_asgi = inspect.iscoroutinefunction(called)
    if is_asgi and not asgi:
        raise AppNotFound("this is an ASGI application, and the worker runs WSGI", hint="--worker asgi, or uvicorn")
    if asgi and not is_asgi and _takes_two(application):
        raise AppNotFound("this is a WSGI application, and the worker runs ASGI", hint="--worker gthread, or sync")


def _takes_two(application: Any) -> bool:
    try:
        inspect.signature(application).bind({}, None)
    except (TypeError, ValueError):
        return False
    return True
