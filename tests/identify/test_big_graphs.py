"""Graphs that nobody should draw and that somebody will paste: an answer or a refusal, never a hang."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations, islice, pairwise

import pytest

import butfor as bf
from butfor.core.errors import GraphSyntax
from butfor.identify.adjustment import AdjustmentProblem, minimal_adjustment_sets, optimal_adjustment_set
from butfor.identify.front_door import FrontDoorProblem, minimal_front_door_sets
from butfor.identify.general import identify_effect
from butfor.identify.identification import Identification
from butfor.identify.identify import identify
from butfor.identify.implications import independences
from butfor.identify.instruments import InstrumentProblem, instruments
from butfor.identify.query import Query
from butfor.identify.verma import verma_constraints

HANGS = 120


@contextmanager
def without_hanging() -> Iterator[None]:
    """What takes two minutes has no end: an answer takes seconds, on a busy machine too."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"no answer after {HANGS} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def random_graph(nodes: int, seed: int, degree: float = 3.0, latent: float = 0.2) -> tuple[bf.CausalGraph, str, str]:
    """A random DAG, a treatment and something that it acts on."""
    rng = random.Random(seed)
    edges: set[tuple[int, int]] = set()
    while len(edges) < nodes * degree / 2:
        a, b = rng.sample(range(nodes), 2)
        edges.add((min(a, b), max(a, b)))
    names = [f"v{i}" for i in range(nodes)]
    graph = bf.CausalGraph(tuple(names), tuple((names[a], names[b]) for a, b in sorted(edges)))
    while True:
        x = rng.choice(names)
        effects = sorted(graph.descendants({x}) - {x})
        if effects:
            break
    y = rng.choice(effects)
    return graph.with_latent(n for n in names if n not in (x, y) and rng.random() < latent), x, y


def whole(graph: bf.CausalGraph, query: Query | bf.Question) -> Identification:
    """All that is printed; what is not identified has a hedge that proves it, and nothing else has one."""
    found = identify(query, graph)
    assert len(str(found)) < 50_000_000
    assert (found.hedge is not None) == (found.status == "not_identified")
    return found


@pytest.mark.parametrize("nodes", [50, 100, 1_000, 10_000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_kind_of_strategy_on_random_graphs(nodes: int, seed: int) -> None:
    graph, x, y = random_graph(nodes, seed)
    problem, door = AdjustmentProblem.of(graph, {x}, {y}), FrontDoorProblem(graph, frozenset({x}), frozenset({y}))
    moved = InstrumentProblem(graph, x, y)
    with without_hanging():
        sets, best = list(islice(minimal_adjustment_sets(problem), 20)), optimal_adjustment_set(problem)
        doors, found = list(islice(minimal_front_door_sets(door), 20)), list(islice(instruments(moved), 20))
        effect = identify_effect(graph, [x], [y])
    assert all(map(problem.is_valid, sets[:3]))
    assert best is None or problem.is_valid(best)
    assert all(map(door.is_valid, doors[:3]))
    assert all(moved.is_valid(z, given) for z, given in found[:3])
    assert effect.identified or not (sets or doors)


@pytest.mark.parametrize(("nodes", "degree"), [(100, 3), (100, 8), (1_000, 3), (10_000, 3)])
@pytest.mark.parametrize("seed", [1, 4])
def test_all_that_identify_prints_on_random_graphs(nodes: int, degree: float, seed: int) -> None:
    graph, x, y = random_graph(nodes, seed, degree)
    with without_hanging():
        found = whole(graph, bf.Question(x, y))
    assert found.status == ("identified" if identify_effect(graph, [x], [y]).identified else "not_identified")


def _star(count: int) -> bf.CausalGraph:
    """One hidden cause of everything."""
    names = [f"v{i}" for i in range(count)]
    return bf.CausalGraph((), tuple(("u", n) for n in names), latent=frozenset("u"))


def _complete(count: int, *, tied: bool = False) -> bf.CausalGraph:
    names = [f"v{i}" for i in range(count)]
    pairs = tuple(combinations(names, 2))
    return bf.CausalGraph(tuple(names), pairs, pairs if tied else ())


def _chain(count: int) -> bf.CausalGraph:
    return bf.CausalGraph((), tuple((f"v{i}", f"v{i + 1}") for i in range(count - 1)))


def _district(count: int, ties: int) -> bf.CausalGraph:
    rng = random.Random(0)
    names = [f"v{i}" for i in range(count)]
    chain = [(names[i], names[i + 1]) for i in range(count - 1)]
    more = [tuple(sorted(rng.sample(range(count), 2))) for _ in range(ties - len(chain))]
    return bf.CausalGraph(tuple(names), tuple(chain), (*chain, *((names[a], names[b]) for a, b in more)))


def _many(count: int) -> bf.CausalGraph:
    """Paths beside each other, each with a cause, a mediator and a confounder of its own."""
    edges = [
        edge
        for i in range(count)
        for edge in ((f"c{i}", "v0"), (f"c{i}", f"d{i}"), (f"d{i}", "y"), ("v0", f"m{i}"), (f"m{i}", "y"))
    ]
    return bf.CausalGraph((), tuple(edges))


MONSTERS: dict[str, tuple[Callable[[], bf.CausalGraph], str, str]] = {
    "complete with 200 nodes": (lambda: _complete(200), "v50", "v150"),
    "complete with 60 nodes, each pair tied": (lambda: _complete(60, tied=True), "v20", "v50"),
    "chain of 50,000": (lambda: _chain(50_000), "v100", "v49000"),
    "district of 2,000 ties, 1,500 nodes": (lambda: _district(1_500, 2_000), "v100", "v1400"),
    "district of 2,000 ties, 100 nodes": (lambda: _district(100, 2_000), "v10", "v90"),
    "one hidden cause of 900": (lambda: _star(900), "v1", "v2"),
    "2,000 mediators and as many confounders": (lambda: _many(2_000), "v0", "y"),
}


SLOW = ("chain of 50,000", "district of 2,000 ties, 1,500 nodes", "one hidden cause of 900")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MONSTERS])
def test_monsters_are_answered(name: str) -> None:
    build, x, y = MONSTERS[name]
    graph = build()
    with without_hanging():
        found = whole(graph, bf.Question(x, y))
    acts = y in graph.descendants({x})
    known = identify_effect(graph, [x], [y]).identified
    assert found.status == ("zero_effect" if not acts else "identified" if known else "not_identified")


def test_proofs_of_long_chains_can_be_read() -> None:
    names = tuple(f"n{i}" for i in range(2_000))
    found = identify(Query("n0", "n1999"), bf.CausalGraph(names, tuple(pairwise(names))))
    assert "n28, n29 and 1,969 more" in found.proof[0].words
    assert max(len(step.words) for step in found.proof) < 400


def test_a_complete_graph_of_hundreds_of_nodes_is_answered_in_time() -> None:
    """A hundred thousand arrows: all that came before the treatment is adjusted for, and nothing is an instrument."""
    names = tuple(f"n{i}" for i in range(450))
    start = time.process_time()
    found = identify(Query("n440", "n449"), bf.CausalGraph(names, tuple(combinations(names, 2))))
    assert time.process_time() - start < 40  # four seconds alone
    assert found.strategies[0].adjust_for == names[:440]
    assert "instrument" not in [s.kind for s in found.strategies]


def test_a_hidden_cause_of_ten_thousand_is_refused() -> None:
    with without_hanging(), pytest.raises(GraphSyntax, match="Hidden nodes tie more than"):
        identify(bf.Question("v1", "v2"), _star(10_000))


def test_a_hundred_thousand_pasted_edges() -> None:
    graph, x, y = random_graph(40_000, 0, degree=5.0, latent=0.0)
    text = "; ".join(f"{a} -> {b}" for a, b in graph.directed)
    assert text.count("->") == 100_000
    with without_hanging():
        assert len(bf.CausalGraph.from_any(text).directed) == 100_000
    with without_hanging():
        problem = AdjustmentProblem.of(graph, {x}, {y})
        assert len(list(islice(minimal_adjustment_sets(problem), 3))) > 0
        assert identify_effect(graph, [x], [y]).identified


@pytest.mark.parametrize("role", ["treatments", "conditions"])
def test_thousands_of_nodes_in_one_role(role: str) -> None:
    count = 10_000 if role == "treatments" else 300
    many = [f"t{i}" for i in range(count)]
    edges = [*((t, "y") for t in many), *((f"c{i}", t) for i, t in enumerate(many))]
    graph = bf.CausalGraph((), (*edges, ("x", "y")), (("c1", "y"),))
    query = Query(tuple(many), ("y",)) if role == "treatments" else Query(("x",), ("y",), tuple(many))
    with without_hanging():
        found = whole(graph, query)
    assert found.status == "identified" or role == "treatments"


def tower(height: int) -> tuple[bf.CausalGraph, list[str]]:
    """An effect whose route has as many steps as the tower is high; each more than doubles what is written."""
    floors = range(1, height + 1)
    arrows = [(f"w{i}", "y") for i in floors] + [(f"c{i}", f"w{i + 1}") for i in floors if i < height]
    ties = [e for i in floors for e in ((f"c{i}", f"w{i}"), (f"c{i}", "y"))]
    graph = bf.CausalGraph((), (*arrows, (f"c{height}", "t"), ("t", "y")), tuple(ties))
    return graph, ["t", *(f"w{i}" for i in floors)]


@pytest.mark.parametrize("height", [3, 8, 40, 300])
def test_expressions_that_nobody_could_read_are_not_written(height: int) -> None:
    graph, treatments = tower(height)
    with without_hanging():
        found = identify_effect(graph, treatments, ["y"])
        assert found.identified
        assert len(found.routes[0].steps) == height
        assert (found.expression is None) is (height > 5)
        whole(graph, Query(tuple(treatments), ("y",)))


def test_searches_without_results_end() -> None:
    for graph in (_complete(40, tied=True), _star(200), _district(150, 1_000)):
        with without_hanging():
            found = list(islice(independences(graph), 1_000))
            constraints = list(islice(verma_constraints(graph), 1_000))
        assert all(statement.holds_in(graph) for statement in found[:20])
        assert all(set(c.free_of) <= set(graph.nodes) for c in constraints)
