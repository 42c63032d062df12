"""`@value`: a frozen dataclass with slots that costs next to nothing to define.

`dataclass(frozen=True, slots=True)` compiles six functions for every class, some 0.3 to 0.5 ms; with thirty classes
that alone is more than this package may cost a kernel when it is loaded (`benchmarks/load.py`).  Here the functions
are shared, and the one that cannot be, `__init__`, is compiled when the first value of a class is made.
`dataclasses.replace`, `asdict` and `fields` work as on any dataclass.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

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
    made = type(cls.__name__, cls.__bases__, {**_SHARED, **own, "__slots__": names, "__dataclass_fields__": fields})
    made.__qualname__ = cls.__qualname__
    return made


class _Fields:
    """Stands for `__dataclass_fields__` until somebody asks: then the library itself works them out."""

    def __init__(self, written: type[Any]) -> None:
        self.written = written
        self._known: dict[str, Field[Any]] | None = None

    def __get__(self, instance: object, owner: type[Any]) -> dict[str, Field[Any]]:
        if self._known is None:
            self._known = dataclass(init=False, repr=False, eq=False)(self.written).__dataclass_fields__
        return self._known


def _first_init(self: Any, *args: Any, **named: Any) -> None:
    cls: Any = next(c for c in type(self).__mro__ if vars(c).get("__init__") is _first_init)
    cls.__init__ = _init(cls)
    cls.__init__(self, *args, **named)


def _init(cls: Any) -> Any:
    """An initialiser that sets each slot through its descriptor, since the class refuses all other ways."""
    scope: dict[str, Any] = {"_missing": MISSING}
    parameters, body = [], []
    written = vars(vars(cls)["__dataclass_fields__"].written)
    for name in cls.__slots__:
        scope[f"_set_{name}"] = vars(cls)[name].__set__
        parameter = given = name
        default: Any = written.get(name, MISSING)
        factory: Any = MISSING
        if isinstance(default, Field):
            default, factory = default.default, default.default_factory
        if factory is not MISSING:
            scope[f"_{name}"] = factory
            parameter, given = f"{name}=_missing", f"_{name}() if {name} is _missing else {name}"
        elif default is not MISSING:
            scope[f"_{name}"] = default
            parameter = f"{name}=_{name}"
        parameters.append(parameter)
        body.append(f" _set_{name}(self, {given})\n")
    # The text is made of field names alone.
    exec(f"def __init__(self, {', '.join(parameters)}):\n{''.join(body)}", scope)  # noqa: S102
    return scope["__init__"]


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
    "__init__": _first_init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__reduce__": _reduce,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
}
