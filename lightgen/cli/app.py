"""`lightgen app`: a page on priors, to generate, paint, compare and look."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from lightgen.cli.one_device import OneDevice
from lightgen.cli.plain import PlainParser

HOST, PORT = "127.0.0.1", 7860


def parser() -> PlainParser:
    """The arguments of `lightgen app`."""
    made = PlainParser(prog="lightgen app", description=main.__doc__)
    made.add_argument("--ckpt_path", nargs="+", default=[], help="checkpoints of priors, beside those of the zoo")
    made.add_argument("--judge", help="a scorer's checkpoint, or a CLIP folder: offers the best of several draws")
    made.add_argument("--port", type=int, default=PORT, help="another one if this is taken, which is said")
    made.add_argument("--host", default=HOST, help="0.0.0.0 opens the page to the whole network; default: this machine")
    made.add_argument("--share", action="store_true", help="open it to the world through gradio's servers, for a week")
    return made


def main(args: list[str]) -> int:
    """Open a page on this machine: generate, inpaint, compare samplers, with every picture's settings."""
    given = parser().parse_args(args[1:])
    if find_spec("gradio") is None:
        raise ValueError("the page needs gradio: pip install 'lightgen[app]'")
    if not 1 <= given.port <= 65535:
        raise ValueError(f"port must be in [1, 65535], not {given.port}")
    with tempfile.TemporaryDirectory(prefix="lightgen-app-") as folder:
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder, "HF_HUB_DISABLE_TELEMETRY": "1"}
        _serve(given, Path(folder))
    return 0


def free(host: str, port: int) -> int:
    """The port, or the next one at which nobody listens.

    Raises:
        ValueError: if there is none, or no such host.
    """
    for candidate in range(port, min(port + 100, 65536)):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, candidate))
                return candidate
            except PermissionError:
                raise ValueError(f"port {candidate} is not for you; choose one above 1023 with --port") from None
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise ValueError(f"this machine has no address {host}") from None
    raise ValueError(f"ports from {port} on are taken; choose another with --port")


def _serve(given: Namespace, folder: Path) -> None:
    from lightgen.app.page import opened, page
    from lightgen.app.shelf import Shelf

    host, share = given.host, given.share
    if host not in (HOST, "localhost"):
        print(f"--host {host}: everybody who reaches this machine over the network can use the page")
    if share:
        print("--share: everybody in the world who knows the address can use the page, through gradio's servers")
    made = page(Shelf(given.ckpt_path, OneDevice().device, given.judge), folder)
    print(f"the page is at {opened(made, host, free(host, given.port), share)} (Ctrl-C ends it)", flush=True)
    try:
        made.block_thread()
    finally:
        made.close(verbose=False)
