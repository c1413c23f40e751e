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
import typing
from abc import ABC
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, ClassVar, Self, TypeVar

ENTRY_POINTS = "lightgen.components"
MOST_NAMES = 50
"""That a message has of those that are known."""
OF_A_PRIOR = ("prior", "guidance", "text_encoders", "conditioners", "quantizers", "networks",
              "networks.resamplers", "processes", "tokenizers", "samplers")  # fmt: skip
"""What is in these packages takes no components of the others."""
OTHERS = ("losses", "scorers", "metrics", "importers", "data", "modules")
PACKAGES = OF_A_PRIOR + OTHERS


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

    def __repr__(self) -> str:
        there = ", ".join(f"{name}={value!r}" for name, value in arguments(self).items() if value is not None)
        return f"{type(self).__name__}({there})"


AnyComponent = TypeVar("AnyComponent", bound=Component)


@functools.cache
def discover(base: object = Component) -> None:
    """Import every module that may define subclasses of a class, or components that they take; once is enough."""
    is_component = isinstance(base, type) and issubclass(base, Component) and base is not Component
    package, _, name = base.__module__.partition(".")
    is_of_a_prior = is_component and package == __package__ and not name.startswith(OTHERS)
    for _ in _discovering(OF_A_PRIOR if is_of_a_prior else PACKAGES):
        pass


def _discovering(packages: Sequence[str] = PACKAGES) -> Iterator[None]:
    """Import one package after the other, and rest after each, those of a prior first."""
    for name in packages:
        import_all(importlib.import_module(f"lightgen.{name}"))
        yield
    for entry in entry_points(group=ENTRY_POINTS):
        entry.load()
    yield


def import_all(package: ModuleType) -> None:
    """Import each module directly inside a package."""
    for info in pkgutil.iter_modules(getattr(package, "__path__", ()), package.__name__ + "."):
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
    return sorted(_defined(kind), key=lambda c: (c.kind, c.__name__))


def _defined(kind: str | None) -> set[type[Component]]:
    found = {c for c in _subclasses(Component) if not inspect.isabstract(c) and not c.__name__.startswith("_")}
    return {c for c in found if kind in (None, c.kind)}


def find(kind: str, name: str) -> type[Component]:
    """The component of a kind by its class name. No more is imported than it takes to find it.

    Raises:
        ValueError: if there is none; the message names the nearest match.
    """
    for _ in _discovering():
        known = {c.__name__: c for c in _defined(kind)}
        if name in known:
            return known[name]
    raise ValueError(f"no {kind} is called {name!r}{suggestion(name, known)}")


def suggestion(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """`"; did you mean 'X'?"` for the nearest known name, else the list of known names. Case makes no difference.

    Args:
        name: what is not known.
        known: what is.
        otherwise: what to say in place of the list.
    """
    by_lower = {other.lower(): other for other in sorted(known, reverse=True)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    if near:
        return f"; did you mean {by_lower[near[0]]!r}?"
    names = sorted(by_lower.values())
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return otherwise or f"; there are {', '.join(names[:MOST_NAMES])}{more}"


def arguments(component: Component) -> dict[str, Any]:
    """What a component was made with, by name, defaults included."""
    if dataclasses.is_dataclass(component):
        return {field.name: getattr(component, field.name) for field in dataclasses.fields(component)}
    args, kwargs = component._given
    # Of a class without a constructor, the signature would be that of `__new__`.
    bare = type(component).__init__ is object.__init__
    bound = inspect.signature((lambda: None) if bare else type(component)).bind(*args, **kwargs)
    bound.apply_defaults()
    found = dict(bound.arguments)
    for name, parameter in bound.signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= found.pop(name)
    return found


def changed(component: AnyComponent, **others: Any) -> AnyComponent:
    """A component of the same class, made with some other arguments.

    Raises:
        ValueError: if it takes no such argument, or not such a value.
    """
    given = arguments(component)
    if unknown := others.keys() - given.keys():
        takes = ", ".join(given) or "no arguments"
        raise ValueError(f"{type(component).__name__} takes {takes}, and no {min(unknown)}")
    return type(component)(**{**given, **others})


def describe(value: Any) -> Any:
    """A component (or dataclass, or container of them) as plain data: dicts, lists, numbers, strings."""
    if isinstance(value, Component):
        given = {name: describe(argument) for name, argument in arguments(value).items()}
        return {"kind": value.kind, "name": type(value).__name__, "arguments": given}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    return value


def as_config(description: Any) -> Any:
    """A description of components in the words of YAML."""
    if isinstance(description, list):
        return [as_config(part) for part in description]
    if not isinstance(description, dict):
        return description
    if description.keys() == {"kind", "name", "arguments"}:
        return {"class_path": description["name"], "init_args": as_config(description["arguments"])}
    return {name: as_config(value) for name, value in description.items()}


def build(description: Any, *kinds: str) -> Any:
    """The inverse of `describe`; only registered components are ever instantiated, and each where its kind belongs.

    Args:
        description: plain data, which may come from a file that somebody else wrote.
        kinds: those that components may be of, outside of all others; within a component, an argument takes the kinds
            that its annotation names.

    Raises:
        ValueError: if a component is not installed here, or is of a kind that does not belong where it stands.
    """
    if isinstance(description, dict):
        if description.keys() == {"kind", "name", "arguments"}:
            kind, name, arguments = (description[key] for key in ("kind", "name", "arguments"))
            if kind not in kinds:
                raise ValueError(f"the {kind} {name} stands where {' or '.join(kinds) or 'no component'} belongs")
            cls = find(kind, name)
            places = kinds_of_arguments(cls)
            return cls(**{name: build(value, *places.get(name, ())) for name, value in arguments.items()})
        return {key: build(value, *kinds) for key, value in description.items()}
    if isinstance(description, list):
        return tuple(build(item, *kinds) for item in description)
    return description


@functools.cache
def kinds_of_arguments(cls: type[Component]) -> dict[str, tuple[str, ...]]:
    """The kinds of components that each argument of a component's constructor takes, by its annotation."""
    found: dict[str, tuple[str, ...]] = {}
    # A constructor with `**kwargs` hands them on to that of the next class.
    for base in cls.__mro__:
        if "__init__" in vars(base):
            hints = typing.get_type_hints(cls if dataclasses.is_dataclass(base) else vars(base)["__init__"])
            found = {name: _kinds(hint) for name, hint in hints.items()} | found
    return found


def _kinds(hint: Any) -> tuple[str, ...]:
    """The kinds of the component classes in an annotation."""
    if isinstance(hint, type) and issubclass(hint, Component):
        return (hint.kind,) if hasattr(hint, "kind") else ()
    return tuple(kind for part in typing.get_args(hint) for kind in _kinds(part))


def _subclasses(base: type[Component]) -> list[type[Component]]:
    return [c for child in base.__subclasses__() for c in (child, *_subclasses(child))]
