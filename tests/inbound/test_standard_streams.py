"""Several processes write lines to one pipe, and each line stays whole, however long a peer has made it."""

import os
import subprocess
import sys

from mutua.inbound.standard_streams import lock_file

PROCESSES = 4
LINES = 100
LENGTH = 60_000
"""Far more than the 4,096 bytes that a pipe takes as a whole (PIPE_BUF)."""

WRITER = """
import logging, sys
from mutua.inbound.standard_streams import log_to_standard_streams
letter, lock = sys.argv[1], sys.argv[2]
log_to_standard_streams(access_log=True, lock=int(lock) if lock else None)
for _ in range({lines}):
    logging.getLogger("mutua.access").info(letter * {length})
"""


def written(lock: int | None) -> list[str]:
    reading, writing = os.pipe()
    program = WRITER.format(lines=LINES, length=LENGTH)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, letter, "" if lock is None else str(lock)],
            stdout=writing,
            pass_fds=() if lock is None else (lock,),
        )
        for letter in "abcdefgh"[:PROCESSES]
    ]
    os.close(writing)
    with os.fdopen(reading) as lines:
        text = lines.read()
    assert [writer.wait(60) for writer in writers] == [0] * PROCESSES
    return text.splitlines()


def test_lines_longer_than_a_pipe_takes_at_once_stay_whole() -> None:
    lock = lock_file()
    try:
        lines = written(lock)
    finally:
        os.close(lock)
    assert len(lines) == PROCESSES * LINES
    assert {(len(line), len(set(line))) for line in lines} == {(LENGTH, 1)}
