"""Run the simulations and write their table: python -m tests.simulation docs/simulations.md [words of a name]

With words, only the cases are run whose name holds one of them; the other rows stay as they are.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulation.cases import FAST, SLOW
from tests.simulation.coverage import simulate, table

HEAD = """# Simulations

Bias and coverage of every standard error in worlds with known effects (`tests/simulation/worlds.py`), written by
`make simulations`. Effects differ between units, so that an estimator of another estimand than it names would show.
A coverage of 95 % has a Monte Carlo standard error of 0.3 points with 4,000 draws and 1.1 with 400.

"""


NOTES = """
Some rows need a word. *AIPW, curved*: with 1,000 rows neither learned nuisance is good on a bent surface, the product
of their errors leaves a bias of a third of a standard deviation, and the interval covers 91.5 %. With more
rows it was 88 % (2,000) and 94 % (4,000), in 50 draws each: too few to tell these apart from 91.5 %.
*Trimmed* effects take the estimated trimming as given, which is a little short.
*Dose response, thin overlap*: some units hardly ever get the asked dose, those who do count for many, and the interval
is short. *Sorted effects* are medians over halves with a variance that is meant to be large: their intervals hold more
often than they say.
"""


def main() -> None:
    path, *words = sys.argv[1:]
    cases = [c for c in (*SLOW, *FAST) if not words or any(w in c.name for w in words)]
    with ProcessPoolExecutor(2) as pool:
        fresh = table(list(pool.map(simulate, cases))).splitlines()
    rows = {_key(row): row for row in [*(_rows_of(Path(path)) if words else []), *fresh]}
    Path(path).write_text(HEAD + "\n".join(rows.values()) + "\n" + NOTES, encoding="utf-8")


def _rows_of(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]


def _key(row: str) -> tuple[str, ...]:
    """Estimator, world, estimand, standard error and number of rows."""
    return tuple(row.split("|")[1:6])


if __name__ == "__main__":
    main()
