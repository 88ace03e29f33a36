"""An application's start and end, as a server tells it of them (ASGI lifespan)."""

import asyncio
from typing import Any

from mutua.errors import AppNotFound
from mutua.inbound.asgi import Application


class Lifespan:
    """The life of an application.

    Args:
        app: the application.

    Attributes:
        state: what the application keeps for its requests.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self._error: Exception | None = None
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Start it. An application that knows no lifespan is left alone, as servers leave it.

        Raises:
            AppNotFound: it says that it cannot start.
        """
        self._task = asyncio.create_task(self._live())
        if answer := await self._ask("lifespan.startup"):
            raise AppNotFound(f"the application did not start: {answer}", hint="mend its lifespan, then try again")
        self._started = not self._task.done()

    async def stop(self) -> None:
        """End it, and wait until it has put its things away; what it raises then is raised here."""
        if self._task is None:
            return
        if not self._task.done():
            await self._ask("lifespan.shutdown")
        await asyncio.wait({self._task})
        if self._started and self._error is not None:
            raise self._error

    async def _ask(self, question: str) -> str:
        """The application's complaint, or nothing."""
        assert self._task is not None
        self._incoming.put_nowait({"type": question})
        answer = asyncio.create_task(self._answers.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            return ""
        message = answer.result()
        return (message.get("message") or "it does not say why") if message["type"] == f"{question}.failed" else ""

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._incoming.get, self._answers.put)
        except Exception as error:  # noqa: BLE001 -- the application's own
            self._error = error
            await self._answers.put({"type": "lifespan.raised"})
