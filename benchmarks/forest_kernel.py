"""What the forest kernel costs: `python -m benchmarks.forest_kernel docs/benchmarks-forest-kernel.md`.

Every case runs in a process of its own: effects of two arms, out of bag, with standard errors; trees are not kept.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from butfor.native.forest import Columns, Growth, Kind, grow_forest


@dataclass(frozen=True)
class Case:
    """Rows, covariates, trees and threads of one run."""

    rows: int
    covariates: int
    trees: int
    threads: int = 1


SIZES = tuple(Case(rows, 20, trees) for rows in (10_000, 100_000) for trees in (500, 2000))
GROWTH = tuple(Case(rows, 25, 100) for rows in (10_000, 100_000, 1_000_000))
THREADS = tuple(Case(100_000, 20, 200, threads) for threads in (1, 2))

MACHINE = "Two cores, shared with other work at the time: read the processor seconds; wall seconds are for the record."

TEXT = """# The forest kernel: time and memory

Effects of two arms for every row of the sample, out of bag and with standard errors; normal covariates, an effect along
one of them. {machine}
Processor seconds are what the process used, in all threads; memory is the peak above what the data took. Written by
`python -m benchmarks.forest_kernel docs/benchmarks-forest-kernel.md`.

## Sizes

{sizes}
## Growth

A hundred trees. The last column divides the seconds by n log n: where it stays, the time grows like that. Once the
columns are larger than the processor's cache, looking at a row costs more, and the last column rises.

{growth}
The sums that the standard errors need take 25 numbers per row whatever the number of trees, because a tree is forgotten
when its leaves have been added up.

## Threads

{threads}
"""


def run(case: Case) -> dict[str, float]:
    """Grow one forest here, and say what it took."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(case.rows, case.covariates))
    treatment = rng.integers(0, 2, case.rows) - 0.5
    outcome = treatment * np.maximum(x[:, 0], 0.0) + x[:, 1] + rng.normal(size=case.rows)
    columns, growth = Columns(x, outcome, treatment), Growth(trees=case.trees)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    forest = grow_forest(Kind.CAUSAL, columns, growth, threads=case.threads, keep_trees=False)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall": time.perf_counter() - start,
        "memory": (after.ru_maxrss - before.ru_maxrss) / 1024,
        "known": float(np.isfinite(forest.outside.variance).mean()),
    }


def measure(case: Case) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.forest_kernel", "--one", json.dumps(asdict(case))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def table(cases: tuple[Case, ...], found: list[dict[str, float]], per_row: bool = False) -> str:
    """Markdown."""
    head = "| rows | covariates | trees | threads | processor s | wall s | peak MB |" + (
        " ns per n log₂ n |" if per_row else ""
    )
    lines = [head, "|" + " ---: |" * (8 if per_row else 7)]
    for case, f in zip(cases, found, strict=True):
        line = (
            f"| {case.rows:,} | {case.covariates} | {case.trees:,} | {case.threads} | {f['cpu']:.2f} | {f['wall']:.1f} "
            f"| {f['memory']:.0f} |"
        )
        if per_row:
            line += f" {f['cpu'] * 1e9 / (case.rows * np.log2(case.rows)):.0f} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """One case as JSON to the standard output, or all of them to a page."""
    if arguments[0] == "--one":
        sys.stdout.write(json.dumps(run(Case(**json.loads(arguments[1])))))
        return
    found = {case: measure(case) for case in (*GROWTH, *THREADS, *SIZES)}
    page = TEXT.format(
        machine=MACHINE,
        sizes=table(SIZES, [found[c] for c in SIZES]),
        growth=table(GROWTH, [found[c] for c in GROWTH], per_row=True),
        threads=table(THREADS, [found[c] for c in THREADS]),
    )
    Path(arguments[0]).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
