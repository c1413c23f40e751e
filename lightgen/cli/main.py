"""The `lightgen` command: finds the subcommand, runs it, and turns mistakes into one line."""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lightgen.cli.commands import COMMANDS
from lightgen.cli.explain import explained
from lightgen.cli.memory import keep_freed_memory
from lightgen.cli.plain import PlainParser
from lightgen.cli.ranks import end_with_launcher
from lightgen.cli.threads import wait_asleep

EPILOG = """\
examples:
  lightgen demo --out demo
  lightgen fit --config emoji64-tokenizer.yaml
  lightgen fit --config emoji64.yaml --model.tokenizer runs/emoji64-tokenizer/last.ckpt
  lightgen sample --ckpt_path zoo:icons64-causal --text "red heart" --style noto --out hearts
  lightgen sample --ckpt_path runs/emoji64/last.ckpt --sampler SUNDAE --sampler.steps 50 --out emoji

`lightgen COMMAND --help` explains a command. A config is looked up in this folder, then among the shipped ones.
Add --debug to any command to see the traceback of an error; `--print_shtab bash` (or zsh) prints tab completion."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 (failed), 2 (wrong input) or 130 (interrupted)."""
    args = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in args
    args = [a for a in args if a != "--debug"]
    try:
        if not args or args[0] not in COMMANDS:
            return _top_level(args)
        keep_freed_memory()
        wait_asleep()
        end_with_launcher()
        command = importlib.import_module(f"lightgen.cli.{COMMANDS[args[0]][0]}")
        return int(command.main(args) or 0)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt as stop:
        return _interrupted(str(stop))
    except SystemExit as stop:
        # Lightning turns Ctrl-C into the exit code of a failure.
        if isinstance(stop.__context__, KeyboardInterrupt):
            return _interrupted("")
        raise
    except Exception as error:
        if debug:
            raise
        message, code = explained(error)
        return _say(message, code)


def run() -> None:
    """The console entry point."""
    # A stream that is closed is None; what is said to nobody must not end the work.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # What a terminal has no sign for is a question mark, and not the end of the work.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads, as `head` does, has seen enough; Python would complain about what is left when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _top_level(args: list[str]) -> int:
    if args and not args[0].startswith("-"):
        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
        raise ValueError(f"no command {args[0]!r}; {hint}")
    if args and args[0].startswith("--print_shtab"):
        completion = importlib.import_module("lightgen.cli.completion")
        return int(completion.main(args))
    parser = top_level_parser()
    parser.parse_args(args)
    parser.print_help()
    return 0


def top_level_parser() -> argparse.ArgumentParser:
    """Names the commands; imports nothing heavy."""
    from lightgen import __version__

    commands = "\n".join(f"  {name:<12} {text}" for name, (_, text) in COMMANDS.items())
    parser = PlainParser(
        prog="lightgen",
        usage="lightgen COMMAND [options]",
        description=f"Image generation on discrete tokens: one prior, many samplers.\n\ncommands:\n{commands}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lightgen {__version__}")
    return parser


def _interrupted(message: str) -> int:
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return 130
    return _say(message or "interrupted; give the same command again to go on", 130)


def _say(message: str, code: int) -> int:
    print(f"lightgen: {message}", file=sys.stderr)
    return code
