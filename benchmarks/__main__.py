"""Time every contestant in a process of its own and write a table: python -m benchmarks [docs/benchmarks.md] [words]"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import contestants

HEAD = "| contestant | effect or check | CPU s | wall s | peak memory MB | CPU s of the computation alone |\n"
RULE = "| --- | --- | ---: | ---: | ---: | ---: |\n"


def measure(name: str) -> dict[str, Any]:
    """Run one contestant in a fresh interpreter; the operating system accounts for it."""
    code = f"import json, warnings; warnings.simplefilter('ignore'); from benchmarks.contestants import {name}; "
    code += f"print(json.dumps({name}()))"
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as complaints:
        start = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-c", code], stdout=printed, stderr=complaints)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        printed.seek(0)
        complaints.seek(0)
        if status:
            return {"name": name, "failed": (complaints.read().strip().splitlines() or ["no message"])[-1]}
        found = json.loads(printed.read().strip().splitlines()[-1])
    return {
        "name": name,
        "found": found,
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": wall,
        "memory": usage.ru_maxrss / 1024,
    }


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    name = result["name"].replace("_", " ")
    if "failed" in result:
        return f"| {name} | failed: {result['failed']} | | | | |\n"
    found = dict(result["found"])
    inside = found.pop("inside_cpu", None)
    words = ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in found.items())
    alone = "" if inside is None else f"{inside:.3f}"
    return f"| {name} | {words} | {result['cpu']:.2f} | {result['wall']:.2f} | {result['memory']:.0f} | {alone} |\n"


def versions() -> str:
    """The contestants' versions."""
    found = []
    for name in ("butfor", "dowhy", "doubleml", "econml", "statsmodels", "numpy", "scikit-learn"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/benchmarks.md")
    wanted = sys.argv[2:]
    parts = [
        "# Benchmarks\n\nWritten by `make bench`: every contestant in a process of its own, on the same data, in one "
        f"run.\n{os.cpu_count()} cores, Python {platform.python_version()}; {versions()}. "
        "CPU, wall and peak memory are those of the whole process, imports and data generation included.\n"
        "Butfor's battery refits 100 placebo treatments and 30 random common causes; DoWhy's three refuters 100 each.\n"
    ]
    for title, functions in contestants.SECTIONS.items():
        chosen = [f for f in functions if not wanted or any(w in f.__name__ for w in wanted)]
        if not chosen:
            continue
        parts.append(f"\n## {title}\n\n{HEAD}{RULE}")
        for function in chosen:
            parts.append(row(measure(function.__name__)))
            sys.stdout.write(parts[-1])
            sys.stdout.flush()
    target.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
