"""The HTTP client for unit tests: it carries a certificate to the application without a socket."""

from types import TracebackType
from typing import Any, Self

from mutua.errors import MissingExtra
from mutua.home.home import Home
from mutua.inbound.asgi import Application
from mutua.testing.door import AsgiDoor
from mutua.testing.handshake import HOST
from mutua.testing.lifespan import Lifespan
from mutua.tls.identity import Identity

try:
    import httpx2 as httpx
except ImportError:
    try:
        import httpx  # type: ignore[no-redef]
    except ImportError as error:
        raise MissingExtra("the test client is not installed", hint="pip install 'mutua[testing]'") from error


class AsgiClient(httpx.AsyncClient):
    """An asynchronous client of httpx2, or httpx, whose requests go to an application as one known, or unknown, client.

    ::

        async with AsgiClient(app, home, identity) as client:
            answer = await client.get("/status")

    Inside ``async with`` the application's lifespan runs too, on asyncio. The handshake takes place at the first
    request, and the connection is kept. A request that the handshake stands in the way of raises ``HandshakeRefused``;
    one that the gate refuses is answered as by a server. What the application raises is raised here.

    Args:
        app: the application.
        home: whose registry decides, and whose CAs clients are verified with.
        identity: what the client shows; nothing when not given.
        options: as for ``httpx2.AsyncClient``.
    """

    def __init__(self, app: Application, home: Home, identity: Identity | None = None, **options: Any) -> None:
        self._door = AsgiDoor(app, home, identity)
        self._lifespan = Lifespan(self._door)
        self._door.state = self._lifespan.state
        super().__init__(
            **{"base_url": f"https://{HOST}", **options},
            transport=httpx.ASGITransport(self._door),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        try:
            await self._lifespan.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            await self._lifespan.stop()
        finally:
            self._door.close()
            await super().__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        """Close it where it was not opened with ``async with``."""
        self._door.close()
        await super().aclose()
