"""Seconds that `import butfor` and `butfor --help` take in a fresh, byte-compiled interpreter: the best of five."""

from __future__ import annotations

import compileall
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

RUNS = 5
COMMANDS = {"import butfor": ["-c", "import butfor"], "butfor --help": ["-m", "butfor.cli.main", "--help"]}


def seconds(arguments: list[str]) -> float:
    """Wall-clock time of one interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print a line for each command, with the bare interpreter to compare."""
    spec = find_spec("butfor")
    if spec is None or spec.origin is None:
        sys.exit("butfor is not installed; run `make test` first")
    compileall.compile_dir(str(Path(spec.origin).parent), quiet=1)
    for words, arguments in {"bare python": ["-c", "pass"], **COMMANDS}.items():
        print(f"{words}: {min(seconds(arguments) for _ in range(RUNS)):.3f} s")


if __name__ == "__main__":
    main()
