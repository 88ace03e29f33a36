"""Every attack that we could think of, on real servers. Each is refused with its reason, reaches no application, and is
followed by a request that has to be admitted: a server that is broken does not pass for a safe one.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mutua import Home
from mutua.tls.identity import Identity
from tests.inbound.attacks import headers, identities, requests
from tests.inbound.attacks.attack import Attack
from tests.inbound.attacks.cast import FORGERIES, Stage
from tests.inbound.attacks.targets import TARGETS, Attacked, attacked

ATTACKS = [
    *headers.through_the_proxy(),
    *headers.from_others(),
    *identities.forged(),
    *identities.resumed(),
    *requests.paths(),
    *requests.smuggled(),
    *requests.upgraded(),
    *requests.http2(),
]
ATTACKS.sort(key=lambda each: list(TARGETS).index(each.target))

Find = Callable[[str], Attacked]


@pytest.fixture(scope="module")
def stage(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Identity]]]:
    """A home with everybody in it, and what forgers have made."""
    folder = tmp_path_factory.mktemp("stage")
    shutil.copytree(home_template, folder / "home", symlinks=True)
    with Home.open(folder / "home") as home:
        by = Stage.set_up(home, folder / "stranger")
        yield folder / "home", {name: forgery.make(by) for name, forgery in FORGERIES.items()}


@pytest.fixture(scope="module")
def find(stage: tuple[Path, dict[str, Identity]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Find]:
    """The server of a target; each is started once, and at the end shows that nothing else has reached it."""
    running: dict[str, Attacked] = {}
    with ExitStack() as stack:

        def found(name: str) -> Attacked:
            if name not in running:
                folder = tmp_path_factory.mktemp("target")
                context = attacked(name, *stage, folder, found, _nothing_came_late)
                running[name] = stack.enter_context(context)
                running[name].control()
            return running[name]

        yield found


def _nothing_came_late(server: Attacked) -> None:
    assert [line for line in server.rest() if line["event"] == "reached"] == []


def test_there_are_many_attacks_and_no_two_are_the_same() -> None:
    assert len({each.name for each in ATTACKS}) == len(ATTACKS) >= 60
    assert {each.target for each in ATTACKS} == set(TARGETS)


@pytest.mark.parametrize("attack", ATTACKS, ids=[each.name for each in ATTACKS])
def test_no_way_in(attack: Attack, find: Find) -> None:
    server = find(attack.target)
    status = attack.act(server)
    said = server.control()
    reached = [line for line in said if line["event"] in {"reached", "admitted"}]
    assert reached == []
    assert status == 0 or status >= 400
    refused = [line["reason"] for line in said if line["event"] == "refused"] or [None]
    assert set(refused) <= attack.reasons
