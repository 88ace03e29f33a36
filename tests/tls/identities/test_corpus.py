"""What banks send: every file of the corpus loads as it should, or is refused with the reason and what to do."""

import pytest

from mutua.pki.thumbprints import x5t_s256
from mutua.tls.identity import Identity
from tests.tls.identities.bench import Bench
from tests.tls.identities.loading import LOADING, Loads
from tests.tls.identities.refused import REFUSED, Refused


@pytest.mark.parametrize("row", LOADING.values(), ids=LOADING.keys())
def test_it_loads(bench: Bench, row: Loads) -> None:
    source, key = row.make(bench)
    identity = Identity.load(source, key=key, password=row.password)
    assert [x5t_s256(each) for each in identity.chain] == [bench.thumbprint(name) for name in row.chain]
    missing = identity.missing_issuer
    assert (identity.root is not None, missing is None) == (row.root, row.root)
    if missing is not None:
        assert missing.subject == f"CN={row.missing},O=Bank"
        assert missing.key_identifier
        assert missing.perhaps_root == (len(row.chain) > 1)


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_with_the_reason(bench: Bench, row: Refused) -> None:
    source, key = row.make(bench)
    with pytest.raises(row.error) as caught:
        Identity.load(source, key=key, password=row.password)
    assert type(caught.value) is row.error
    assert row.message in caught.value.message
    assert row.hint in caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


def test_the_corpus_is_large_enough() -> None:
    assert len(LOADING) + len(REFUSED) >= 40
