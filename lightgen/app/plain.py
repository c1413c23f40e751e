"""Errors on the page: the line that a command would print, and no traceback."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr


def plain(call: Callable[..., Any]) -> Callable[..., Any]:
    """A function, or one that yields, whose `ValueError` the page shows in a line."""
    if inspect.isgeneratorfunction(call):

        @functools.wraps(call)
        def yielding(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _said():
                yield from call(*args, **kwargs)

        return yielding

    @functools.wraps(call)
    def calling(*args: Any, **kwargs: Any) -> Any:
        with _said():
            return call(*args, **kwargs)

    return calling


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise gr.Error(" ".join(str(error).split()), print_exception=False) from None
