"""How threads of one operation wait for each other."""

from __future__ import annotations

import os


def wait_asleep() -> None:
    """Let threads that wait sleep soon, where the OpenMP library is GNU's, as torch's on Linux is; call before torch.

    By default they keep their cores busy for milliseconds, on which the thread that they wait for may have to run: with
    other work on both of two cores, four pictures of `zoo:icons64-sundae` took 98.8 s in place of 3.6 s. What the
    user's environment says of it stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
