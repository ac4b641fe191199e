"""The compact set of ids, against Python's own set."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from refimpl.common.seen import Seen


@given(st.lists(st.text(max_size=3)))
def test_it_answers_as_a_set(texts):
    seen, expected = Seen(), set()
    for text in texts:
        assert (text in seen) == (text in expected)
        assert seen.add(text) == (text not in expected)
        expected.add(text)
    assert len(seen) == len(expected)


def test_ten_thousand_ids_survive_the_growth_of_the_table_in_at_most_24_bytes_each():
    tracemalloc.start()
    seen = Seen()
    assert all(seen.add(f"d{number}") for number in range(10_000))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not any(seen.add(f"d{number}") for number in range(10_000))
    assert not any(f"e{number}" in seen for number in range(10_000))
    assert size < 24 * 10_000 + 2_000
