"""The ring of refusals: the newest thousand, and never more memory than that takes."""

import tracemalloc

from mutua.inbound.seen.ring import MAX_KEPT_BYTES, MAX_REFUSALS, MAX_TEXT, Ring

MAX_MEMORY = 24 * 1024 * 1024


def add(ring: Ring, text: str = "x", certificate: bytes | None = None) -> str:
    return ring.add(
        1.5, "expired", text, peer=text, client=text, thumbprint=text, method=text, path=text, certificate=certificate
    )


def test_the_newest_thousand_are_kept() -> None:
    ring = Ring()
    identifiers = [add(ring) for _ in range(MAX_REFUSALS + 10)]
    kept = ring.since()
    assert [each.id for each in kept] == identifiers[10:]
    assert [each.number for each in kept] == list(range(11, MAX_REFUSALS + 11))
    assert ring.find(identifiers[9]) is None
    assert ring.find(identifiers[10]) == kept[0]


def test_ids_are_twelve_hex_digits_and_each_its_own() -> None:
    one, other = Ring(), Ring()
    identifiers = {add(ring) for ring in (one, other) for _ in range(MAX_REFUSALS)}
    assert len(identifiers) == 2 * MAX_REFUSALS
    assert all(len(each) == 12 and int(each, 16) >= 0 for each in identifiers)


def test_what_is_new_is_told_by_its_number() -> None:
    ring = Ring()
    for _ in range(5):
        add(ring)
    assert [each.number for each in ring.since(3)] == [4, 5]
    assert [each.number for each in ring.since(0, most=2)] == [4, 5]
    assert ring.since(5) == ring.since(99) == []
    assert len(ring.since(-7)) == 5


def test_texts_are_cut_and_a_certificate_is_kept_whole_or_not_at_all() -> None:
    ring = Ring()
    add(ring, "a" * MAX_TEXT, b"c" * MAX_KEPT_BYTES)
    add(ring, "b" * (MAX_TEXT + 1), b"c" * (MAX_KEPT_BYTES + 1))
    whole, cut = ring.since()
    assert (whole.path, whole.certificate) == ("a" * MAX_TEXT, b"c" * MAX_KEPT_BYTES)
    for text in (cut.detail, cut.client, cut.thumbprint, cut.peer, cut.method, cut.path):
        assert text == "b" * (MAX_TEXT - 3) + "..."
    assert cut.certificate is None


def test_a_flood_of_the_largest_refusals_takes_no_more_memory_than_a_thousand_of_them() -> None:
    ring = Ring()
    tracemalloc.start()
    try:
        for number in range(3 * MAX_REFUSALS):
            add(ring, chr(0x1F600 + number % 50) * 20_000, number.to_bytes(2) * (MAX_KEPT_BYTES // 2))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < MAX_MEMORY
