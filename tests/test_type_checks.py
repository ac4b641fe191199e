"""The type checks of the tests themselves: wrong types, shapes and fields are errors, and `unchecked` disables them."""

import numpy as np
import pytest
import type_checks
from jaxtyping import Float, TypeCheckError

from refimpl.bert import ops
from refimpl.common.stamp import usable_cores
from refimpl.diagnosis.truncating import Truncation
from refimpl.tokens import Tokens


def test_a_wrong_type_is_an_error_in_a_function_without_shapes():
    assert Truncation().kept([1, 2, 3], 2) == [1, 2]
    assert not type_checks.has_shape(Truncation.kept)
    with pytest.raises(TypeError, match="parameter most='2'"):
        Truncation().kept([1, 2, 3], "2")


def test_a_wrong_shape_is_an_error():
    assert type_checks.has_shape(ops.linear)
    with pytest.raises(TypeCheckError):
        ops.linear(np.ones((2, 3)), np.ones((5, 4)), np.ones(5))


def test_a_wrong_field_of_a_dataclass_is_an_error():
    with pytest.raises(TypeError, match="direction='up'"):
        Truncation(direction="up")
    one = np.ones(1, dtype=np.int64)
    with pytest.raises(TypeCheckError):
        Tokens(one, one, one, truncated=one)


def test_a_wrong_result_is_an_error(monkeypatch):
    wrong = type_checks.without_shapes(_wrong_result)
    with pytest.raises(TypeError, match="return 'one'"):
        wrong()


def _wrong_result() -> int:
    return "one"


def test_nothing_is_checked_where_the_fixture_disables_it(unchecked):
    assert type_checks.without_shapes(_wrong_result)() == "one"
    assert Truncation(direction="up").direction == "up"


def test_shapes_are_found_inside_other_annotations():
    def within(rows: "list[Float[np.ndarray, '2']]") -> None: ...

    def optional(rows: Float[np.ndarray, "2"] | None) -> None: ...

    def returned() -> tuple[int, Float[np.ndarray, "2"]]: ...

    assert all(map(type_checks.has_shape, (within, optional, returned)))
    assert not type_checks.has_shape(usable_cores)
