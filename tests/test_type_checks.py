"""The type checks of the tests themselves: wrong types, shapes and fields are errors, and `unchecked` disables them."""

import gc
import weakref

import numpy as np
import pytest
import type_checks
from beartype import beartype
from beartype.roar import BeartypeCallHintViolation
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
    wrong = type_checks.typed(typechecker=beartype)(_wrong_result)
    with pytest.raises(TypeError, match="return 'one'"):
        wrong()


def _wrong_result() -> int:
    return "one"


def test_nothing_is_checked_where_the_fixture_disables_it(unchecked):
    assert type_checks.typed(typechecker=beartype)(_wrong_result)() == "one"
    assert Truncation(direction="up").direction == "up"


@pytest.mark.parametrize("made_anew", [False, True])
def test_the_first_calls_of_each_test_are_checked(made_anew):
    def same(number: int) -> int:
        return number

    (function,) = closures(type_checks.typed(typechecker=beartype), [1])
    if not made_anew:
        function = type_checks.at_first_calls(same, type_checks.without_shapes(same))
    for _ in range(type_checks.CALLS - 1):
        function(1)
    with pytest.raises((TypeError, BeartypeCallHintViolation)):
        function("1")
    assert function("1") == "1"
    type_checks.next_test()
    with pytest.raises((TypeError, BeartypeCallHintViolation)):
        function("1")


def test_shapes_are_found_inside_other_annotations():
    def within(rows: "list[Float[np.ndarray, '2']]") -> None: ...

    def optional(rows: Float[np.ndarray, "2"] | None) -> None: ...

    def returned() -> tuple[int, Float[np.ndarray, "2"]]: ...

    assert all(map(type_checks.has_shape, (within, optional, returned)))
    assert not type_checks.has_shape(usable_cores)


def closures(decorate, factors):
    def made(factor):
        @decorate
        def times(number: int) -> int:
            return number * factor

        return times

    return [made(factor) for factor in factors]


def test_closures_of_the_same_code_share_their_checks_and_nothing_else(monkeypatch):
    made = []
    monkeypatch.setattr(type_checks, "_closures", {})
    monkeypatch.setattr(type_checks, "without_shapes", lambda like: made.append(like) or beartype(like))
    twice, thrice, joined = closures(type_checks.typed(typechecker=beartype), (2, 3, "a"))
    assert (twice(5), thrice(number=5), twice(7), thrice.__name__) == (10, 15, 14, "times")
    assert len(made) == 1
    for call in (lambda: thrice("5"), lambda: joined(5)):
        with pytest.raises(BeartypeCallHintViolation):
            call()
    assert twice(5) == 10


def test_closures_with_shapes_are_checked():
    def made(factor):
        @type_checks.typed(typechecker=beartype)
        def times(rows: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
            return rows * factor

        return times

    twice, summed = made(2), made(np.ones((2, 5)))
    assert twice(np.ones((3, 2))).sum() == 12
    for call in (lambda: twice(np.ones((3, 3))), lambda: summed(np.ones((2, 1)))):
        with pytest.raises(TypeCheckError):
            call()


def test_closures_are_released_and_unchecked_where_the_fixture_disables_it(unchecked, monkeypatch):
    monkeypatch.setattr(type_checks, "_closures", {})  # so that the checks are made from this closure
    held = np.ones(3)
    (called,) = closures(type_checks.typed(typechecker=beartype), [held])
    assert (called(2.5) == 2.5 * held).all()
    released = weakref.ref(held)
    del called, held
    gc.collect()
    assert released() is None
