"""`@value`: a frozen dataclass with slots that costs next to nothing to define.

`dataclass(frozen=True, slots=True)` compiles six functions for every class, some 0.3 to 0.5 ms; with thirty classes
that alone is more than this package may cost a kernel when it is loaded (`benchmarks/load.py`).  Here nothing is
compiled: all classes share their functions, and an initialiser is a loop over the slots.  Arguments by position, all
of them, are its quick way, 0.1 to 0.6 µs behind a compiled one; by name it is 2 µs.  `dataclasses.replace`, `asdict`
and `fields` work as on any dataclass, but the first of them to meet a class makes the library work its fields out, some
40 µs each; `replace` and `asdict` of this module need no fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """Tells type checkers; here there is nothing to tell."""
        return lambda decorator: decorator


T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def value(cls: type[T]) -> type[T]:
    """Make a class of annotated fields a frozen dataclass with slots, equal to another by its fields."""
    names = tuple(cls.__annotations__)
    own = {name: member for name, member in vars(cls).items() if name not in ("__dict__", "__weakref__", *names)}
    fields = _Fields(cls)
    made: Any = type(
        cls.__name__, cls.__bases__, {**_SHARED, **own, "__slots__": names, "__dataclass_fields__": fields}
    )
    made.__qualname__ = cls.__qualname__
    if "__init__" not in own:
        made.__init__ = _initialiser(made, {name: vars(cls)[name] for name in names if name in vars(cls)})
    return cast("type[T]", made)


def replace(one: T, **changed: Any) -> T:
    """The same value but for what is `changed`."""
    cls: Any = type(one)
    return cast("T", cls(**{name: getattr(one, name) for name in cls.__slots__} | changed))


def asdict(one: object) -> dict[str, Any]:
    """A value as dictionaries all through; in tuples and mappings too."""
    names: tuple[str, ...] = type(one).__slots__  # type: ignore[attr-defined]
    return {name: _plain(getattr(one, name)) for name in names}


def _plain(member: Any) -> Any:
    kind = type(member)
    if kind in _ATOMS:
        return member
    if kind in (tuple, list):
        return kind([_plain(each) for each in member])
    if isinstance(member, Mapping):
        return {key: _plain(each) for key, each in member.items()}
    return asdict(member) if "__dataclass_fields__" in vars(kind) else member


_ATOMS = frozenset([str, int, float, bool, type(None)])


class _Fields:
    """Stands for `__dataclass_fields__` until somebody asks: then the library itself works them out."""

    def __init__(self, written: type[Any]) -> None:
        self.written = written
        self._known: dict[str, Field[Any]] | None = None

    def __get__(self, instance: object, owner: type[Any]) -> dict[str, Field[Any]]:
        if self._known is None:
            self._known = dataclass(init=False, repr=False, eq=False)(self.written).__dataclass_fields__
        return self._known


def _initialiser(cls: Any, defaults: Mapping[str, Any]) -> Callable[..., None]:
    """What sets each slot through its descriptor, since the class refuses all other ways."""
    names = cls.__slots__
    setters = tuple(vars(cls)[name].__set__ for name in names)

    def __init__(self: Any, *args: Any, **named: Any) -> None:
        if named or len(args) != len(setters):
            args = _completed(cls, args, named, defaults)
        for set_slot, argument in zip(setters, args):  # noqa: B905  (as long as each other, and strict takes its time)
            set_slot(self, argument)

    return __init__


def _completed(cls: Any, args: tuple[Any, ...], named: dict[str, Any], defaults: Mapping[str, Any]) -> tuple[Any, ...]:
    """One argument for each slot, in order."""
    names, call = cls.__slots__, f"{cls.__qualname__}.__init__()"
    if len(args) > len(names):
        raise TypeError(f"{call} takes {len(names)} arguments but {len(args)} were given")
    given = dict(zip(names, args))  # noqa: B905  (the rest may be named, or have defaults)
    for name, argument in named.items():
        if name not in names:
            raise TypeError(f"{call} got an unexpected keyword argument {name!r}")
        if name in given:
            raise TypeError(f"{call} got multiple values for argument {name!r}")
        given[name] = argument
    for name, default in defaults.items():
        if name not in given:
            if isinstance(default, Field):
                default = default.default if default.default_factory is MISSING else default.default_factory()
            given[name] = default
    missing = [name for name in names if given.get(name, MISSING) is MISSING]
    if missing:
        raise TypeError(
            f"{call} missing {len(missing)} required positional argument{'s' * (len(missing) > 1)}: "
            + ", ".join(map(repr, missing))
        )
    return tuple(given[name] for name in names)


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, f in self.__dataclass_fields__.items() if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return all(
        getattr(self, name) == getattr(other, name) for name, f in self.__dataclass_fields__.items() if f.compare
    )


def _hash(self: Any) -> int:
    return hash(tuple(getattr(self, name) for name, f in self.__dataclass_fields__.items() if f.compare))


def _reduce(self: Any) -> tuple[Any, ...]:
    return type(self), tuple(getattr(self, name) for name in self.__slots__)


def _refuse(self: object, name: str, value: object = None) -> None:
    raise FrozenInstanceError(f"cannot change {name!r} of a {type(self).__name__}")


_SHARED = {
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__reduce__": _reduce,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
}
