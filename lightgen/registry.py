"""The registry: a view of the subclass tree.

A component is registered by being defined: subclass one of the kinds below (`Sampler`, `Resampler`,
`Process`, ...) in a module of the matching package, or in any package that declares an entry point in the
group `lightgen.components`. There is no decorator and no second vocabulary of names.

A component remembers the arguments it was made with, so `describe` turns it into plain data that a
checkpoint can carry, and `build` turns that back into the component without executing anything foreign.
"""

# No postponed annotations here: jsonargparse evaluates them in the module of a dataclass that inherits them.
import dataclasses
import difflib
import functools
import importlib
import inspect
import pkgutil
from abc import ABC
from collections.abc import Iterable
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, ClassVar, Self

ENTRY_POINTS = "lightgen.components"
PACKAGES = (
    "guidance", "conditioners",
    "quantizers", "networks", "networks.resamplers", "processes", "tokenizers",
    "samplers", "losses", "metrics", "importers", "data", "modules",
)  # fmt: skip


class Component(ABC):
    """Anything that YAML can choose by its class name."""

    kind: ClassVar[str]
    """The word of `lightgen list KIND`, e.g. `"sampler"`; set once by each kind's base class."""
    source: ClassVar[str] = ""
    """Authors, year and arXiv id of the paper it implements."""

    _given: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        # The fields of a dataclass say it; jsonargparse takes whatever else it finds there for an option.
        if not dataclasses.is_dataclass(cls):
            object.__setattr__(self, "_given", (args, kwargs))
        return self


@functools.cache
def discover() -> None:
    """Import every module that may define components, so that the subclass tree is complete; once is enough."""
    for name in PACKAGES:
        import_all(importlib.import_module(f"lightgen.{name}"))
    for entry in entry_points(group=ENTRY_POINTS):
        entry.load()


def import_all(package: ModuleType) -> None:
    """Import each module directly inside a package."""
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(info.name)


def exports(package_name: str) -> dict[str, Any]:
    """The component classes that the modules of a package define, by name: what its `__init__` re-exports."""
    package = importlib.import_module(package_name)
    import_all(package)
    inside = package_name + "."
    return {c.__name__: c for c in _subclasses(Component) if c.__module__.startswith(inside)}


def components(kind: str | None = None) -> list[type[Component]]:
    """Every concrete component, of one kind or of all, in the order of kind and name."""
    discover()
    found = {c for c in _subclasses(Component) if not inspect.isabstract(c) and not c.__name__.startswith("_")}
    return sorted((c for c in found if kind in (None, c.kind)), key=lambda c: (c.kind, c.__name__))


def find(kind: str, name: str) -> type[Component]:
    """The component of a kind by its class name.

    Raises:
        ValueError: if there is none; the message names the nearest match.
    """
    known = {c.__name__: c for c in components(kind)}
    if name not in known:
        raise ValueError(f"no {kind} is called {name!r}{suggestion(name, known)}")
    return known[name]


def suggestion(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'X'?"` for the nearest known name, else the list of known names. Case makes no difference."""
    by_lower = {other.lower(): other for other in sorted(known, reverse=True)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else f"; there are {', '.join(sorted(by_lower.values()))}"


def describe(value: Any) -> Any:
    """A component (or dataclass, or container of them) as plain data: dicts, lists, numbers, strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value)}
        if not isinstance(value, Component):
            return fields
        return {"kind": value.kind, "name": type(value).__name__, "arguments": fields}
    if isinstance(value, Component):
        args, kwargs = value._given
        # Of a class without a constructor, the signature would be that of `__new__`.
        bare = type(value).__init__ is object.__init__
        bound = inspect.signature((lambda: None) if bare else type(value)).bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {name: describe(argument) for name, argument in bound.arguments.items()}
        for name, parameter in bound.signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments |= arguments.pop(name)
        return {"kind": value.kind, "name": type(value).__name__, "arguments": arguments}
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    return value


def build(description: Any) -> Any:
    """The inverse of `describe`; only registered components are ever instantiated.

    Raises:
        ValueError: if a component is not installed here.
    """
    if isinstance(description, dict):
        if description.keys() == {"kind", "name", "arguments"}:
            cls = find(description["kind"], description["name"])
            return cls(**{name: build(value) for name, value in description["arguments"].items()})
        return {key: build(value) for key, value in description.items()}
    if isinstance(description, list):
        return tuple(build(item) for item in description)
    return description


def _subclasses(base: type[Component]) -> list[type[Component]]:
    return [c for child in base.__subclasses__() for c in (child, *_subclasses(child))]
