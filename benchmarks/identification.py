"""Identification beside its peers on the same graphs: python -m benchmarks.identification [page]

Every question is asked in a process of its own, which prints how long it took and is ended at the limit.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from benchmarks.random_graphs import Case, complete, random_case, schipf2010

HEAD = """# Benchmarks of identification

Written by `make bench`: random acyclic graphs of mean degree 3 with 20 % hidden nodes, {seeds} of each size, the same
for all; Python {python}; {known}.
CPU time of building the graph and answering, median (worst) over the graphs; each question in a process of its own,
ended after {limit:.0f} s. A peer that fails or takes too long is not asked again at that size, nor at larger ones.
Times say nothing of whether an answer is right: DoWhy's ID algorithm takes hidden nodes for measured ones, and its
instruments may be hidden.
"""
LIMIT = 20.0
SEEDS = range(5)
SIZES = (50, 100, 1_000, 10_000)
TASKS = ("adjustment", "front door", "instruments", "ID", "everything")
CASES: dict[str, Callable[[], list[Case]]] = {
    **{f"{size:,} nodes": (lambda size=size: [random_case(size, seed) for seed in SEEDS]) for size in SIZES},
    "complete, 5 nodes": lambda: [complete(5)],
    "Schipf 2010": lambda: [schipf2010()],
}


def butfor(case: Case) -> dict[str, Callable[[], object]]:
    """One adjustment set, one front door, instruments where there are some; the verdict of ID; all that is printed."""
    from itertools import islice

    import butfor as bf
    from butfor.core.effort import Effort
    from butfor.identify.adjustment import AdjustmentProblem, minimal_adjustment_sets
    from butfor.identify.front_door import FrontDoorProblem, minimal_front_door_sets
    from butfor.identify.general import identify_effect
    from butfor.identify.identify import identify
    from butfor.identify.instruments import InstrumentProblem, instruments

    def graph() -> bf.CausalGraph:
        return bf.CausalGraph(case.nodes, case.edges, latent=case.hidden)

    x, y, steps = frozenset({case.treatment}), frozenset({case.outcome}), 20_000_000
    return {
        "adjustment": lambda: next(minimal_adjustment_sets(AdjustmentProblem.of(graph(), x, y)), None),
        "front door": lambda: next(
            minimal_front_door_sets(FrontDoorProblem(graph(), x, y), effort=Effort(steps)), None
        ),
        "instruments": lambda: list(
            islice(instruments(InstrumentProblem(graph(), case.treatment, case.outcome), effort=Effort(steps)), 20)
        ),
        "ID": lambda: identify_effect(graph(), x, y).identified,
        "everything": lambda: identify(bf.Question(case.treatment, case.outcome), graph()).to_dict(),
    }


def dowhy(case: Case) -> dict[str, Callable[[], object]]:
    """Back-door (default search), front door, instruments and its ID algorithm."""
    import networkx as nx
    from dowhy.causal_identifier import auto_identifier as auto
    from dowhy.causal_identifier import identify_effect_id
    from dowhy.graph import get_instruments

    graph = nx.DiGraph()
    graph.add_nodes_from(case.nodes)
    graph.add_edges_from(case.edges)
    seen = [n for n in case.nodes if n not in case.hidden]
    x, y = [case.treatment], [case.outcome]
    return {
        "adjustment": lambda: auto.identify_backdoor(graph, x, y, seen, auto.BackdoorAdjustment.BACKDOOR_DEFAULT),
        "front door": lambda: auto.identify_frontdoor(graph, x, y, seen),
        "instruments": lambda: get_instruments(graph, x, y),
        "ID": lambda: identify_effect_id(graph, x, y),
    }


def y0(case: Case) -> dict[str, Callable[[], object]]:
    """Its implementation of the ID algorithm."""
    from y0.algorithm.identify import Identification, identify
    from y0.dsl import Variable
    from y0.graph import NxMixedGraph

    def run() -> object:
        graph = NxMixedGraph.from_latent_variable_dag(_marked(case))
        query = Identification.from_parts(
            outcomes={Variable(case.outcome)}, treatments={Variable(case.treatment)}, graph=graph
        )
        return identify(query)

    return {"ID": run}


def _marked(case: Case) -> object:
    import networkx as nx
    from y0.dsl import Variable

    graph = nx.DiGraph()
    for n in case.nodes:
        graph.add_node(Variable(n), hidden=n in case.hidden)
    graph.add_edges_from((Variable(a), Variable(b)) for a, b in case.edges)
    return graph


def antecedent(case: Case) -> dict[str, Callable[[], object]]:
    """General identification on the projected graph, and back-door on the drawn one."""
    import antecedent as peer

    query = peer.AverageEffect(case.treatment, case.outcome)

    def projected() -> object:
        drawn = peer.Dag.from_edges(list(case.nodes), list(case.edges))
        return drawn.latent_project([n for n in case.nodes if n not in case.hidden])

    return {"ID": lambda: peer.identify(graph=projected(), query=query, identifier="general.id")}


def statspai(case: Case) -> dict[str, Callable[[], object]]:
    """Adjustment, front door, instruments and ID."""
    import statspai as peer

    spec = "; ".join([*case.nodes, *(f"{a} -> {b}" for a, b in case.edges)])

    def graph() -> object:
        return peer.dag(spec, latent=case.hidden)

    x, y = case.treatment, case.outcome
    return {
        "adjustment": lambda: graph().adjustment_sets(x, y),  # type: ignore[attr-defined]
        "front door": lambda: graph().frontdoor_sets(x, y),  # type: ignore[attr-defined]
        "instruments": lambda: graph().instrumental_variables(x, y),  # type: ignore[attr-defined]
        "ID": lambda: peer.identify(graph(), x, y),
    }


CONTESTANTS = {f.__name__: f for f in (butfor, dowhy, y0, antecedent, statspai)}
PACKAGES = {"statspai": "StatsPAI"}


def ask(contestant: str, cases: str, index: int, task: str) -> None:
    """Answer one question and print the seconds of CPU that it took; what is printed on the way is not ours."""
    calls = CONTESTANTS[contestant](CASES[cases]()[index])
    start = time.process_time()
    calls[task]()
    sys.stdout.write("\n" + json.dumps(time.process_time() - start))


def timed(contestant: str, cases: str, index: int, task: str) -> float | str:
    """The seconds of one question in a process of its own, or why there are none."""
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "benchmarks.identification",
        "--ask",
        contestant,
        cases,
        str(index),
        task,
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT + 15, check=False)
    except subprocess.TimeoutExpired:
        return f"> {LIMIT:.0f} s"
    if done.returncode:
        return "refused" if done.stderr.strip() else "failed"
    seconds = float(json.loads(done.stdout.strip().splitlines()[-1]))
    return seconds if seconds <= LIMIT else f"> {LIMIT:.0f} s"


def cell(contestant: str, cases: str, task: str, count: int) -> str:
    """Median and worst, or why there are none; a size at which the first graph takes too long is not tried again."""
    found: list[float | str] = []
    for index in range(count):
        found.append(timed(contestant, cases, index, task))
        if isinstance(found[-1], str):
            break
    numbers = [f for f in found if isinstance(f, float)]
    failures = [f for f in found if isinstance(f, str)]
    if failures:
        return f"{failures[0]} (graph {len(found)} of {count})" if count > 1 else failures[0]
    return _seconds(numbers[0]) if count == 1 else f"{_seconds(statistics.median(numbers))} ({_seconds(max(numbers))})"


def _seconds(value: float) -> str:
    return f"{1000 * value:.1f} ms" if value < 1 else f"{value:.2f} s"


def tasks_of(contestant: str) -> tuple[str, ...]:
    """What a contestant can be asked."""
    return tuple(t for t in TASKS if t in CONTESTANTS[contestant](complete(3)))


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/benchmarks-identification.md")
    known = ", ".join(f"{n} {metadata.version(PACKAGES.get(n, n))}" for n in CONTESTANTS)
    parts = [HEAD.format(seeds=len(SEEDS), python=platform.python_version(), known=known, limit=LIMIT)]
    tasks = {contestant: tasks_of(contestant) for contestant in CONTESTANTS}
    for task in TASKS:
        able = [c for c in CONTESTANTS if task in tasks[c]]
        parts.append(
            f"\n## {task[:1].upper()}{task[1:]}\n\n| graphs | {' | '.join(able)} |\n| --- |{' ---: |' * len(able)}\n"
        )
        lost: set[str] = set()
        for name, make in CASES.items():
            cells: list[str] = []
            for contestant in able:
                too_big = (
                    contestant in lost and name.endswith("nodes") and "," in name and not name.startswith("complete")
                )
                cells.append("not asked" if too_big else cell(contestant, name, task, len(make())))
                if cells[-1].startswith(">"):
                    lost.add(contestant)
            parts.append(f"| {name} | {' | '.join(cells)} |\n")
            sys.stdout.write(f"{task}: {parts[-1]}")
            sys.stdout.flush()
    path.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        ask(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        main()
