"""What `lightgen list` says of each component, read from the sources, so that nobody waits for torch.

Where there are plug-ins, which only their own code knows, everything is imported and the registry is asked.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import lightgen
from lightgen.registry import ENTRY_POINTS, PACKAGES, Component, components

ELSEWHERE = ("layout", "prior", "recipe", "schedules", "warps")
"""Modules beside the packages of the registry that define components."""
PACKAGE = Path(lightgen.__file__).parent
FAMILIES = "NoiseFamily"
ROOT = ("lightgen.registry", "Component")


@dataclass(frozen=True)
class Entry:
    """A component: its kind, its class name, and what its class says of itself."""

    kind: str
    cls: str
    summary: str
    source: str
    chosen_by: str
    """What chooses it: its class name, or the kind of weights that an importer reads."""
    families: tuple[str, ...] = ()
    """The noise that a sampler accepts or a process makes, in the order of `NoiseFamily`."""
    about: dict[str, Any] = field(default_factory=dict)
    """What samplers say: `needs`, `nfe`, `revises`, `exact`."""


ABOUT = ("needs", "nfe", "revises", "exact")


def catalogue() -> list[Entry]:
    """All components, in the order of kind and name."""
    return [entry_of(c) for c in components()] if entry_points(group=ENTRY_POINTS) else read_sources()


@functools.cache
def families() -> dict[str, str]:
    """The word for each noise by its name in `NoiseFamily`, in that order."""
    enum = ast.parse((PACKAGE / "types.py").read_text(encoding="utf-8"))
    words = next(n for n in enum.body if isinstance(n, ast.ClassDef) and n.name == FAMILIES)
    return {name: ast.literal_eval(value) for name, value in _Class("", words, {}).values.items()}


def entry_of(component: type[Component]) -> Entry:
    """What there is to say of a class."""
    from lightgen.types import NoiseFamily

    noise = {*getattr(component, "accepts", ()), getattr(component, "family", None)}
    return Entry(
        component.kind,
        component.__name__,
        summary(component.__doc__),
        component.source,
        getattr(component, "name", "") if component.kind == "importer" else component.__name__,
        tuple(family.value for family in NoiseFamily if family in noise),
        {name: getattr(component, name) for name in ABOUT if component.kind == "sampler"},
    )


def summary(docstring: str | None) -> str:
    """The first line of what a class says of itself."""
    return (docstring or "").strip().split("\n")[0]


def read_sources() -> list[Entry]:
    """The same entries without importing a component."""
    sources = _Sources(PACKAGE)
    found = [c for c in sources.classes.values() if sources.is_component(c) and not c.name.startswith("_")]
    entries = [sources.entry(c) for c in found if not sources.abstract(c)]
    return sorted(entries, key=lambda entry: (entry.kind, entry.cls))


class _Class:
    """A class statement."""

    def __init__(self, module: str, node: ast.ClassDef, imports: dict[str, tuple[str, str]]) -> None:
        self.module, self.name, self.node, self.imports = module, node.name, node, imports

    @cached_property
    def values(self) -> dict[str, ast.expr]:
        """What is assigned in its body."""
        found = {}
        for line in self.node.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None:
                found[line.target.id] = line.value
            elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                found[line.targets[0].id] = line.value
        return found

    @cached_property
    def methods(self) -> dict[str, bool]:
        """Whether each is abstract."""
        functions = [line for line in self.node.body if isinstance(line, ast.FunctionDef)]
        return {f.name: any(ast.unparse(d).endswith("abstractmethod") for d in f.decorator_list) for f in functions}


class _Sources:
    """The class statements of the modules that define components."""

    def __init__(self, package: Path) -> None:
        folders = [package / name.replace(".", "/") for name in PACKAGES]
        files = [file for folder in folders for file in sorted(folder.glob("*.py"))]
        files += [package / f"{name}.py" for name in ELSEWHERE if (package / f"{name}.py").is_file()]
        self.classes: dict[tuple[str, str], _Class] = {}
        for file in files:
            self._read(file, ".".join(file.relative_to(package.parent).with_suffix("").parts))

    def _read(self, file: Path, module: str) -> None:
        text = file.read_text(encoding="utf-8")
        if "\nclass " not in text:
            return
        imports: dict[str, tuple[str, str]] = {}
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lightgen"):
                imports |= {alias.asname or alias.name: (str(node.module), alias.name) for alias in node.names}
            elif isinstance(node, ast.ClassDef):
                self.classes[module, node.name] = _Class(module, node, imports)

    def bases(self, some: _Class) -> Iterator[tuple[str, str]]:
        """Where each of its base classes is, as far as they are lightgen's."""
        for base in some.node.bases:
            if isinstance(base, ast.Name):
                yield some.imports.get(base.id, (some.module, base.id))

    def line(self, some: _Class) -> Iterator[_Class]:
        """It and the classes that it is made of, the nearest first."""
        yield some
        for key in self.bases(some):
            if key in self.classes:
                yield from self.line(self.classes[key])

    def is_component(self, some: _Class) -> bool:
        return any(ROOT in self.bases(c) for c in self.line(some))

    def abstract(self, some: _Class) -> bool:
        """Whether a method of its is still to be written."""
        written: dict[str, bool] = {}
        for c in self.line(some):
            for name, is_abstract in c.methods.items():
                written.setdefault(name, is_abstract)
            for name in c.values:
                written.setdefault(name, False)
        return any(written.values())

    def value(self, some: _Class, name: str) -> ast.expr | None:
        """What is assigned to a name, in the nearest class."""
        return next((c.values[name] for c in self.line(some) if name in c.values), None)

    def entry(self, some: _Class) -> Entry:
        def literal(name: str) -> Any:
            value = self.value(some, name)
            return None if value is None else ast.literal_eval(value)

        noise = {name for known in ("accepts", "family") for name in _names(self.value(some, known))}
        kind = literal("kind")
        return Entry(
            kind,
            some.name,
            summary(ast.get_docstring(some.node, clean=False)),
            literal("source") or "",
            literal("name") if kind == "importer" else some.name,
            tuple(word for name, word in families().items() if name in noise),
            {name: literal(name) for name in ABOUT if kind == "sampler"},
        )


def _names(value: ast.expr | None) -> Iterable[str]:
    return [] if value is None else [node.attr for node in ast.walk(value) if isinstance(node, ast.Attribute)]
