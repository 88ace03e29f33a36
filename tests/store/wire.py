"""A wire to a PostgreSQL server that can be cut at the worst moment."""

import select
import socket
import threading
from enum import Enum
from pathlib import Path
from typing import Self


class Cut(Enum):
    """When the wire breaks."""

    NEVER = "never"
    BEFORE_COMMIT = "before the server has heard of the commit"
    AFTER_COMMIT = "after the server has committed, before it can say so"


class Wire:
    """A Unix socket in a folder of its own that leads to a server's.

    Attributes:
        cut: when to break; the connection that broke is gone, and no new one is let through until ``mend``.
    """

    NAME = ".s.PGSQL.5432"

    def __init__(self, server: Path, folder: Path) -> None:
        self.folder = folder
        self.cut = Cut.NEVER
        self._server = server / self.NAME
        self._whole = threading.Event()
        self._whole.set()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / self.NAME))
        self._listening.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def mend(self) -> None:
        """Let connections through again."""
        self.cut = Cut.NEVER
        self._whole.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if not self._whole.is_set():
                client.close()
                continue
            thread = threading.Thread(target=self._carry, args=[client])
            self._threads.append(thread)
            thread.start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._server))
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for source in readable:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client and b"COMMIT\x00" in data and self.cut is not Cut.NEVER:
                        self._break(server, data)
                        return
                    (server if source is client else client).sendall(data)

    def _break(self, server: socket.socket, commit: bytes) -> None:
        self._whole.clear()
        if self.cut is Cut.AFTER_COMMIT:
            server.sendall(commit)
            assert server.recv(65536)
