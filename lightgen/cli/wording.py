"""The errors of argparse, jsonargparse and Lightning in plain words, on one line.

What is said of an option begins with its name, `--sampler.steps must be ...`, so that the options around it can put
theirs before it.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Collection

from lightgen.cli.meant import meant, nearest
from lightgen.registry import Component, components, suggestion

NULL = "null"
TYPES = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "NoneType": NULL,
    "list": "a list", "tuple": "a list", "set": "a list", "Sequence": "a list", "Iterable": "a list",
    "dict": "a mapping", "Mapping": "a mapping",
}  # fmt: skip
GROUPS = "classes of torch and Lightning go by their whole path, as torch.optim.AdamW"
BULLET = "•"
UNION = (
    rf"Does not validate against any of the Union subtypes Subtypes: (.*?) Errors: ?{BULLET}(.*)"
    r" Given value type: .*? Given value: ?(.*)"
)
BELONGS = ", but of "
ADVICE = r"\s*Subclass types expect one of:(\s*- a .*)+"
HOLLOW = "Expected a |Does not validate|Not a valid subclass|Import path |Problem with given|Type .* expects a function"
NO_CLASS = (
    r"Expected a dot import path string: ?(?P<name>\S*)"
    r"|Import path (?P<other>\S+) does not correspond to a subclass of \w+.*"
    r"|Type .* expects a function or a callable class: .*"
    r"|Problem with given class_path '(?P<path>[^']*)': .*"
    r"|Not a valid subclass of .*"
)


def one_line(message: str, options: Collection[str] = (), of: type | None = None) -> str:
    """An error cut down to its cause.

    Args:
        message: as argparse or jsonargparse gives it.
        options: of the parser that it comes from, as `--name`.
        of: the class whose arguments that parser reads; None for a whole command.
    """
    text = re.sub(r"\n\s*- ", BULLET, re.sub(ADVICE, "", message))
    text = re.sub(r"\s+", " ", text).strip()
    if match := re.match(r"[Uu]nrecognized arguments: (.*)", text):
        return meant(match[1].split(" "), options)
    if match := re.match(r"Group '(\S+)' does not accept option '(\S+)'", text):
        return meant([f"--{match[1]}.{match[2]}"], options)
    if match := re.match(r"Option '(\S+)' is not accepted", text):
        return no_argument(match[1], options, of) if of else meant([f"--{match[1]}"], options)
    if match := re.match(r"(--(?:\S+\.)?(\w+)\.help): (?:Expected a dot import path string: |Class \")(\w+)", text):
        return f"{match[1]} {_no_class(match[2], match[3], fitting(match[2], ''))}"
    if match := re.match(r"argument (?:\S+/)?(--\S+): expected one argument", text):
        return f"{match[1]} needs a value"
    if match := re.match(r"argument (?:\S+/)?(\S+): invalid choice: '(.*?)' \(choose from (.*)\)", text):
        return f"{match[1]} must be one of {match[3].replace(chr(39), '')}, not {match[2]}"
    if match := re.match(r"the following arguments are required: (.*)", text):
        names = match[1].split(", ")
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} needed"
    text = _cause(text)
    if of is None and BELONGS in text:
        text += f": name it with {text.split()[0].rpartition('.')[0]}"
    return text


def no_argument(name: str, options: Collection[str], of: type) -> str:
    """What to say of an argument that a class does not have: the one that was meant, or the classes that have it."""
    own = [o.removeprefix("--") for o in options if not o.endswith((".help", "+")) and o not in ("--help", "--config")]
    if not own:
        return f"--{name} is nothing that a component has: that is a class_path, and init_args"
    if near := nearest(name, [f"--{option}" for option in own]):
        return f"--{name} is no option of {of.__name__}; did you mean {near.removeprefix('--')!r}?"
    others = components(of.kind) if issubclass(of, Component) else []
    having = [c.__name__ for c in others if any(name in inspect.signature(b).parameters for b in _own(c))]
    where = f"{BELONGS}{' or '.join(having)}" if having else f"; there are {', '.join(sorted(own))}"
    return f"--{name} is no option of {of.__name__}{where}"


def _own(component: type[Component]) -> list[type]:
    return [base for base in component.__mro__ if issubclass(base, Component) and "__init__" in vars(base)]


def _cause(text: str) -> str:
    """The innermost reason, with the whole name of the option that it is about where there is one."""
    path: list[str] = []
    bases, value = "", ""
    reasons = [text]
    while True:
        text = reasons[0]
        if match := re.match(r'Parser key "([^"]+)"(?: element \d+)?: ?', text):
            path.append(match[1])
            reasons = [text[match.end() :]]
        elif match := re.match(rf"{BULLET}Expected a path but (?:.*? )?either not accessible or invalid{BULLET}", text):
            reasons = [text[match.end() :]]
        elif match := re.fullmatch(UNION, text):
            bases, value = match[1], match[3]
            given = [reason.strip() for reason in match[2].split(BULLET)]
            # What a component or one of our own parsers says knows more than what type was expected.
            said = [reason for reason in given if not re.match(HOLLOW, reason)]
            reasons = said or [reason for reason in given if "NoneType" not in reason] or given
            if not said:
                break
        else:
            break
    name = f"--{'.'.join(path)}"
    if reasons[0].startswith("--"):
        # The option that names the file is no part of the key.
        path = path[path[:1] == ["config"] :]
        return f"{name}.{reasons[0].removeprefix('--')}" if path else reasons[0]
    if not path:
        return reasons[0].replace(BULLET, "; ").strip("; ")
    return f"{name} {_value(path[-1], reasons, bases, value)}"


def _value(key: str, reasons: list[str], bases: str, value: str) -> str:
    """What a value must be, and is not."""
    wanted: list[str] = []
    no_class = False
    for reason in reasons:
        reason, _, given = reason.partition(". Got value:")
        value = given.strip() or value
        if match := re.fullmatch(r"Expected a <class '(?:[\w.]+\.)?(\w+)'>", reason):
            wanted.append(TYPES.get(match[1], match[1]))
        elif match := re.fullmatch(r"Expected a (?:typing\.)?Literal\[(.*)\]", reason):
            wanted += [choice.strip("'") for choice in match[1].split(", ")]
        elif match := re.fullmatch(NO_CLASS, reason):
            value, no_class = match["name"] or match["other"] or match["path"] or value, True
        else:
            return f"is wrong: {reason}" + f", not {value}" * bool(given)
    value = NULL if value == str(None) else value
    names = fitting(key, bases) if no_class else []
    # A rate of learning may be a tensor, too, but nobody writes one.
    if names or (no_class and TYPES["float"] not in wanted):
        return _no_class(key, value, names)
    return f"must be {' or '.join(dict.fromkeys(wanted))}, not {value or 'nothing'}"


def fitting(key: str, bases: str) -> list[type[Component]]:
    """The components that can stand at a place: those of a kind, or of the classes that jsonargparse names there."""
    if found := components(key):
        return found
    names = set(re.findall(r"(\w+)['\]>]", bases)) - {"NoneType"}
    return [c for c in components() if names & {base.__name__ for base in c.__mro__}]


def _no_class(key: str, value: str, known: list[type[Component]]) -> str:
    if re.fullmatch(r"-?[\d.]+(e-?\d+)?", value) and (argument := first_number(known)):
        return f"must be the name of a class, not {value}; did you mean --{key}.{argument} {value}?"
    return f"cannot be {value!r}" + (suggestion(value, [c.__name__ for c in known]) if known else f"; {GROUPS}")


def first_number(known: list[type[Component]]) -> str | None:
    """The argument that most of some components have for their first number, as `steps` of samplers."""
    firsts = []
    for component in known:
        numbers = [p.name for p in inspect.signature(component).parameters.values() if p.annotation in NUMBERS]
        firsts += numbers[:1]
    return Counter(firsts).most_common(1)[0][0] if firsts else None


NUMBERS = (int, float, "int", "float")
