"""Commands of scalec, each in a child of a process that has imported everything.

Input: `[arguments, text of stdin]`, a JSON list a line. Output: a line of JSON each, as `Outcome` has it.
Forked children make a command cost what it does itself, and let the system count its time and memory
and stop it where it takes far more than a test allows.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

SECONDS, MEGABYTES = 60, 500  # where a child is stopped


@dataclass(frozen=True)
class Outcome:
    """`code` is None where the system stopped the child; memory is what it took beyond what it began with."""

    code: int | None
    printed: str
    seconds: float
    megabytes: float


class Server:
    """The parent of the children, as the tests see it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, *arguments: str, stdin: str = "") -> Outcome:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([arguments, stdin]) + "\n")
        self.process.stdin.flush()
        return Outcome(**json.loads(self.process.stdout.readline()))


@contextmanager
def server(folder: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.forking"]
    with subprocess.Popen(command, cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Server(process)


# ---- the other side --------------------------------------------------------------------------
def run(arguments: list[str], stdin: str) -> dict[str, object]:
    """One command in a child."""
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            _child(arguments, stdin, printed.fileno())
        _, status, usage = os.wait4(child, 0)
        printed.seek(0)
        code = os.waitstatus_to_exitcode(status)
        grown = usage.ru_maxrss - resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "code": code if code >= 0 else None,
            "printed": printed.read().decode(errors="replace"),
            "seconds": usage.ru_utime + usage.ru_stime,
            "megabytes": max(grown, 0) / 1024,
        }


def _child(arguments: list[str], stdin: str, out: int) -> NoReturn:
    from scalec import cli

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    with open("/proc/self/statm", encoding="ascii") as sizes:
        size = int(sizes.read().split()[0]) * resource.getpagesize() + MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogateescape")))
    sys.argv = ["scalec", *arguments]
    code = 3
    try:
        cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    from scalec import api  # noqa: F401  # children find everything imported
    from scalec.resolve.load import load_standard

    load_standard()
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
