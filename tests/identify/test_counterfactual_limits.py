"""Where a counterfactual is not identified: two models that agree on all data and differ in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

import butfor as bf
from butfor.identify.counterfactual.events import CounterfactualQuery
from butfor.identify.counterfactual.identify import identify_counterfactual
from butfor.identify.counterfactual.parsing import parse_counterfactual
from butfor.identify.expression import Variable
from tests.identify.functional_models import ResponseTypes

Twins = tuple[ResponseTypes, ResponseTypes]


def data_of(types: ResponseTypes, *, experiments: bool) -> Iterator[NDArray[np.bool_]]:
    """Where each cell of the tables happens: of the observed one, and of those of all experiments."""
    model = types.model
    nodes = model.graph.nodes
    for size in range(len(nodes) if experiments else 1):
        for do in itertools.combinations(nodes, size):
            for setting in itertools.product(*(range(model.levels[n]) for n in do)):
                values = model.values(map(Variable, do, setting))
                place = np.ravel_multi_index([values[n] for n in nodes], [model.levels[n] for n in nodes])
                for cell in np.unique(place):
                    yield place == cell


def twins(types: ResponseTypes, query: CounterfactualQuery, *, experiments: bool) -> Twins | None:
    """The model moved both ways along a direction that the data do not see and the query does."""
    model = types.model
    both, given = model.happens(query.events), model.happens(query.given)
    p_both, p_given = model.weights[both].sum(), model.weights[given].sum()
    cells = list(data_of(types, experiments=experiments))
    for district in types.kinds:
        seen = np.array([types.slope(district, cell) for cell in cells])
        asked = types.slope(district, both) * p_given - types.slope(district, given) * p_both
        hidden = asked - np.linalg.lstsq(seen.T, asked, rcond=None)[0] @ seen
        if np.abs(hidden).max() > 1e-9:
            shares = types.shares[district]
            step = 0.9 * hidden * (shares / np.maximum(np.abs(hidden), 1e-300)).min()
            return types.moved(district, shares + step), types.moved(district, shares - step)
    return None


def assert_agree_and_differ(pair: Twins, query: CounterfactualQuery, *, experiments: bool) -> None:
    first, second = (p.model for p in pair)
    for model in (first, second):
        assert model.weights.min() >= 0
        assert abs(model.weights.sum() - 1) < 1e-9
    nodes = first.graph.nodes
    for size in range(len(nodes) if experiments else 1):
        for do in itertools.combinations(nodes, size):
            assert np.abs(first.table(do).values - second.table(do).values).max() < 1e-12
    assert abs(first.truth(query) - second.truth(query)) > 1e-6


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("x -> y; x <-> y", "P(y_{x} | x')"),
        ("x -> y", "P(y_{x}, y'_{x'})"),  # even a randomised treatment does not tell who responds
        ("x -> y", "P(y'_{x'} | x, y)"),
        ("x -> y", "P(y_{x} | x', y')"),
        ("x -> m -> y; m <-> y; x -> y", "P(y_{x, m_{x'}})"),  # hidden causes of mediator and outcome
        ("x -> m -> y; x <-> y; x -> y", "P(y_{x} | x')"),
        ("x -> m -> y; x <-> y", "P(y_{x}, y'_{x'})"),
        ("x -> y; z -> y", "P(y_{x} | y', x')"),
        ("x -> y <- z; x -> z; y <-> z", "P(y_{x}, z_{x'})"),
        ("x -> l -> m -> y; l -> y", "P(y_{x, m_{x'}})"),  # the recanting witness
        ("x -> z -> y", "P(y, z_{x})"),  # what x is, is open: z under x and z as it is are two things
    ],
)
def test_all_experiments_together_leave_it_open(text: str, query: str) -> None:
    graph = bf.CausalGraph.from_any(text)
    asked = parse_counterfactual(query, graph)
    found = identify_counterfactual(graph, asked)
    assert (found.expression, found.interventional) == (None, None)
    levels = {n: 3 if n in "xz" else 2 for n in graph.nodes}
    pair = twins(ResponseTypes.random(graph, np.random.default_rng(1), levels), asked, experiments=True)
    assert pair is not None
    assert_agree_and_differ(pair, asked, experiments=True)


def test_a_query_that_cfid_calls_identified_is_open() -> None:
    """The R package cfid expects this to be identified from experiments (test-algorithms.R, "remove tautology")."""
    graph = bf.CausalGraph.from_any("x -> w -> y; d -> z -> y; x <-> y")
    asked = parse_counterfactual("P(y_{x}, x', z_{d})", graph)
    assert identify_counterfactual(graph, asked).interventional is None
    pair = twins(
        ResponseTypes.random(graph, np.random.default_rng(1), dict.fromkeys("xwydz", 2)), asked, experiments=True
    )
    assert pair is not None
    assert_agree_and_differ(pair, asked, experiments=True)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("x -> y; x <-> y", "P(y_{x})"),
        ("x -> m -> y; x <-> m", "P(y_{x}, m_{x})"),
        ("x -> m -> y; x <-> m; x <-> y; m <-> y", "P(y_{m}, x')"),
    ],
)
def test_observation_alone_leaves_open_what_experiments_tell(text: str, query: str) -> None:
    graph = bf.CausalGraph.from_any(text)
    asked = parse_counterfactual(query, graph)
    found = identify_counterfactual(graph, asked)
    assert found.interventional is not None
    assert found.expression is None
    types = ResponseTypes.random(graph, np.random.default_rng(1), {n: 2 if n == "y" else 3 for n in graph.nodes})
    assert twins(types, asked, experiments=True) is None
    pair = twins(types, asked, experiments=False)
    assert pair is not None
    assert_agree_and_differ(pair, asked, experiments=False)


def test_with_two_levels_the_effect_gives_what_the_factor_does_not() -> None:
    """P(y_{x}, x') = P(y_{x}) - P(x, y): why verdicts are for variables with any number of values."""
    graph = bf.CausalGraph.from_any("x -> y; x <-> y")
    asked = parse_counterfactual("P(y_{x} | x')", graph)
    assert not identify_counterfactual(graph, asked).identified
    for size, known in ((2, True), (3, False)):
        types = ResponseTypes.random(graph, np.random.default_rng(1), {"x": size, "y": 2})
        assert (twins(types, asked, experiments=True) is None) == known


# --- every small graph -------------------------------------------------------------------------------------------

PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]
# In a district whose nodes are tied pair by pair, any functions may go together: what is checked is then exact.
TIES = [[], *([pair] for pair in PAIRS), PAIRS]
GRAPHS = [
    bf.CausalGraph(("a", "b", "c"), tuple(arrows), tuple(ties))
    for size in range(4)
    for arrows in itertools.combinations(PAIRS, size)
    for ties in TIES
]
QUERIES = [
    "P(c_{a} | a')",
    "P(c_{b} | b')",
    "P(c_{a}, c'_{a'})",
    "P(c_{a}, b_{a'})",
    "P(c_{a}, b)",
    "P(c_{b}, b'_{a}, a)",
    "P(c_{a, b_{a'}})",
    "P(c_{a} | b)",
    "P(c_{a} | b_{a'})",
    "P(c_{a} | b, a)",
    "P(c_{a} | b, a')",
    "P(c_{b} | b', a)",
    "P(c | b_{a}, a')",
    "P(a | c_{b})",
    "P(b_{a} | c_{a})",
    "P(c_{b}, c_{a})",
    "P(c_{b_{a}} | a')",
    "P(c_{a}, c)",
]


@pytest.mark.parametrize("query", QUERIES)
def test_verdicts_are_right_both_ways_on_small_graphs(query: str) -> None:
    assert_verdicts_are_right(query, [g for g in GRAPHS if len(g.directed) < len(PAIRS)])


@pytest.mark.slow
@pytest.mark.parametrize("query", QUERIES)
def test_verdicts_are_right_both_ways_on_full_graphs(query: str) -> None:
    assert_verdicts_are_right(query, [g for g in GRAPHS if len(g.directed) == len(PAIRS)])


def assert_verdicts_are_right(query: str, some: list[bf.CausalGraph]) -> None:
    for number, graph in enumerate(some):
        asked = parse_counterfactual(query, graph)
        found = identify_counterfactual(graph, asked)
        types = ResponseTypes.random(graph, np.random.default_rng(number), {"a": 3, "b": 3, "c": 2})
        for experiments, estimand in ((False, found.expression), (True, found.interventional)):
            pair = twins(types, asked, experiments=experiments)
            assert (pair is None) == (estimand is not None), (graph.to_text(), query, experiments)
            if pair is not None:
                assert_agree_and_differ(pair, asked, experiments=experiments)
        if found.expression is not None:
            assert abs(types.model.value_of(found.expression) - types.model.truth(asked)) < 1e-9
