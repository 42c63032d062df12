"""`@value`: a frozen dataclass with slots that is cheap to define.

`dataclass(frozen=True, slots=True)` compiles six functions for every class, about 0.5 ms; with some thirty classes that
alone is more than the import of this package may cost a kernel (`benchmarks/load.py`).  Here one function is compiled
for each, and the others are shared.  `dataclasses.replace`, `asdict` and `fields` work as on any dataclass.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """Tells type checkers; here there is nothing to tell."""
        return lambda decorator: decorator


T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a class of annotated fields a frozen dataclass with slots, equal to another by its fields."""
    own = vars(cls)
    shared = {"__repr__": _repr, "__eq__": _eq, "__hash__": _hash, "__reduce__": _reduce}
    for name, function in shared.items():
        if name not in own:
            setattr(cls, name, function)
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    made.__setattr__ = made.__delattr__ = _refuse
    made.__init__ = _init(made)
    return made  # type: ignore[no-any-return]


def _fields(made: Any) -> tuple[Field[Any], ...]:
    return tuple(made.__dataclass_fields__.values())


def _init(cls: type[Any]) -> Any:
    """An initialiser that sets each slot through its descriptor, since the class refuses all other ways."""
    scope: dict[str, Any] = {}
    parameters, body = [], []
    for field in _fields(cls):
        name = field.name
        scope[f"_set_{name}"] = vars(cls)[name].__set__
        given = name
        if field.default is not MISSING:
            scope[f"_{name}"] = field.default
            parameters.append(f"{name}=_{name}")
        elif field.default_factory is not MISSING:
            scope[f"_{name}"], scope["_missing"] = field.default_factory, MISSING
            parameters.append(f"{name}=_missing")
            given = f"_{name}() if {name} is _missing else {name}"
        else:
            parameters.append(name)
        body.append(f" _set_{name}(self, {given})\n")
    # The text is made of field names alone.
    exec(f"def __init__(self, {', '.join(parameters)}):\n{''.join(body)}", scope)  # noqa: S102
    return scope["__init__"]


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__dataclass_fields__)


def _repr(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in _fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> bool:
    if type(other) is not type(self):
        return NotImplemented
    return all(bool(getattr(self, f.name) == getattr(other, f.name)) for f in _fields(self) if f.compare)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _reduce(self: Any) -> tuple[Any, ...]:
    return type(self), _values(self)


def _refuse(self: object, name: str, value: object = None) -> None:
    raise FrozenInstanceError(f"cannot change {name!r} of a {type(self).__name__}")
