"""The garbage collector, where looking for garbage is a waste. Input and output: none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """For work that keeps nearly all it makes until its end, as trainings on a cell do.

    To look through it all again and again finds next to nothing, and takes long where much else is in memory.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
