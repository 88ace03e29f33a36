"""Appends events until stdin is closed, and says of each what became of it: ``ok``, ``failed`` or ``unknown``.

python -m tests.store.appending LOCATION NAME
"""

import select
import sys

from mutua.errors import StoreUnreachable
from tests.store.test_writers import open_at, write_one

MOST = 1_000_000


def main() -> None:
    store, writer = open_at(sys.argv[1]), sys.argv[2]
    for number in range(MOST):
        if select.select([sys.stdin], [], [], 0)[0]:
            break
        name = f"{writer}-{number}"
        try:
            write_one(store, writer, name)
        except StoreUnreachable as error:
            became = "unknown" if "not known" in error.message else "failed"
        else:
            became = "ok"
        sys.stdout.write(f"{became} {name}\n")
        sys.stdout.flush()
    store.close()


if __name__ == "__main__":
    main()
