"""`@value` is a frozen dataclass with slots, whatever one does with it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_carbon import value as ours
from jupyter_carbon.value import value


@value
class Made:
    """Ours."""

    a: int
    b: float = 2.0
    c: dict[str, int] = field(default_factory=dict)
    d: str = field(default="d", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Plain:
    """The library's, for comparison."""

    a: int
    b: float = 2.0
    c: dict[str, int] = field(default_factory=dict)
    d: str = field(default="d", repr=False, compare=False)


arguments = st.fixed_dictionaries({"a": st.integers(), "b": st.floats(allow_nan=False), "d": st.text()})


@given(arguments, arguments)
def test_it_behaves_like_a_frozen_dataclass(one, other):
    assert asdict(Made(**one)) == asdict(Plain(**one))
    assert repr(Made(**one)) == repr(Plain(**one)).replace("Plain", "Made")
    assert (Made(**one) == Made(**other)) == (Plain(**one) == Plain(**other))


def test_it_is_a_dataclass_with_slots():
    assert is_dataclass(Made)
    assert [f.name for f in fields(Made)] == ["a", "b", "c", "d"]
    assert not hasattr(Made(1), "__dict__")
    assert replace(Made(1), a=2) == Made(2)
    assert Made(1) != (1, 2.0, {}, "d")
    assert Made(1).c is not Made(1).c


def test_our_own_asdict_and_replace_do_what_the_librarys_do():
    inner = Made(1, c={"x": 7})
    outer = Made((inner, 2.5), c={"y": inner}, d=["z"])
    assert ours.asdict(outer) == asdict(outer)
    assert ours.replace(inner, b=3.0) == replace(inner, b=3.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'e'"):
        ours.replace(inner, e=1)


def test_it_cannot_be_changed():
    made = Made(1)
    with pytest.raises(FrozenInstanceError):
        made.a = 2
    with pytest.raises(FrozenInstanceError):
        del made.a


def test_it_can_be_copied_and_sent_to_another_process():
    made = Made(1, 3.0, {"x": 1}, "e")
    for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other == made
        assert other.d == "e"


def test_defaults_fill_what_neither_place_nor_name_gives():
    assert [Made(1, d="e").b, Made(1, 3.0).b, Made(b=4.0, a=1).b] == [2.0, 3.0, 4.0]
    assert (Made(1, d="e").d, Made(1).d) == ("e", "d")


@pytest.mark.parametrize(
    ("args", "named", "problem"),
    [
        ((), {}, "missing 1 required positional argument: 'a'"),
        ((1,), {"z": 2}, "unexpected keyword argument 'z'"),
        ((1,), {"a": 2}, "multiple values for argument 'a'"),
        ((1, 2.0, {}, "d", 5), {}, "takes 4 arguments but 5 were given"),
    ],
)
def test_a_wrong_call_says_so(args, named, problem):
    for made in (Made, Plain):
        with pytest.raises(TypeError):
            made(*args, **named)
    with pytest.raises(TypeError, match=problem):
        Made(*args, **named)
