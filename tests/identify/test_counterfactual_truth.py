"""Counterfactuals as numbers: every identified query equals what random functional models say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.identify.counterfactual.events import CounterfactualEvent, CounterfactualQuery
from butfor.identify.counterfactual.identify import identify_counterfactual
from butfor.identify.counterfactual.parsing import parse_counterfactual
from butfor.identify.counterfactual.queries import effect_on_the_treated
from butfor.identify.expression import Variable, parse_expression
from butfor.identify.general import Experiment, identify_effect
from butfor.identify.general.sources import OBSERVATION
from tests.graph.strategies import graphs
from tests.identify.counterfactual_queries import queries
from tests.identify.functional_models import FunctionalModel

EXACT = 1e-9


def graph_of(text: str) -> bf.CausalGraph:
    return bf.CausalGraph.from_any(text)


# --- by case -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query"),
    [
        # Shpitser and Pearl 2008, figure 9 (a): x and y are confounded, w mediates.
        ("x -> w -> y; d -> z -> y; x <-> y", "P(y_{x} | x', z_{d}, d)"),
        ("x -> w -> y; d -> z -> y; x <-> y", "P(y_{x}, x', z_{d}, d)"),
        ("x -> w -> y; d -> z -> y; x <-> y", "P(y_{x, z} | x')"),
        ("z -> x -> y; z -> y", "P(y_{x} | x')"),  # back door
        ("x -> m -> y; x <-> y", "P(y_{x} | x')"),  # front door
        ("x -> m -> y; x <-> y", "P(y_{x}, x'')"),
        ("c -> x -> m -> y; x <-> y; c -> y; c -> m", "P(y_{x} | x', c)"),
        ("x -> m -> y; x -> y", "P(y_{x, m_{x'}})"),  # natural effects
        ("c -> x -> m -> y; x -> y; c -> m; c -> y", "P(y_{x, m_{x'}})"),
        ("x -> m -> y; x -> y; x <-> m", "P(y_{x, m_{}} | x')"),
        ("x -> l -> m -> y; x -> y; l <-> m", "P(y_{x, m_{x'}} | x'')"),
        ("x -> m -> y; x -> y; m -> n; n -> y", "P(y_{x, m_{x'}, n_{x', m_{x'}}})"),
        ("w -> z -> x -> y; w <-> x; w <-> y", "P(y_{x})"),  # the napkin
        ("w -> z -> x -> y; w <-> x; w <-> y", "P(y_{x}, y_{x, z'})"),
        ("x1 -> x2 -> y; z -> x1; z -> x2; z -> y; x1 -> y", "P(y_{x1, x2} | x1', x2')"),
        ("x -> z -> y; x <-> z", "P(y'_{z}, z_{x}, x)"),  # the documentation of the R package cfid 0.1.8
        ("c -> a -> y; c -> y", "P(y_{a'} | a)"),
        ("u [latent]; u -> x; u -> y; x -> m -> y", "P(y_{x} | x')"),
        ("x -> y; z -> y; x -> s; z -> s", "P(y_{x} | z_{x'}, s_{x'}, x')"),
        ("a -> b -> c -> d; b <-> d", "P(d_{c}, b' | a)"),
    ],
)
def test_formulas_are_exact_in_random_models(text: str, query: str) -> None:
    graph = graph_of(text)
    asked = parse_counterfactual(query, graph)
    found = identify_counterfactual(graph, asked).require()
    sizes = dict.fromkeys(graph.nodes, 3 if len(graph.nodes) < 5 else 2)
    for seed in range(20):
        model = FunctionalModel.random(graph, np.random.default_rng(seed), sizes)
        truth = model.truth(asked)
        assert 0 < truth < 1
        assert abs(model.value_of(found) - truth) < EXACT
        assert abs(model.value_of(parse_expression(str(found))) - truth) < EXACT


@pytest.mark.parametrize(
    ("text", "query", "experiments"),
    [
        ("x -> y; x <-> y", "P(y_{x})", [("x",)]),
        ("z -> x -> y; x <-> y; z <-> y; z <-> x", "P(y_{x}, x_{z})", [("z",)]),
        ("x -> m -> y; x -> y; x <-> m; x <-> y", "P(y_{x, m_{x'}})", [("x",), ("x", "m")]),
        ("x -> m -> y; m <-> y; x -> y", "P(y_{x, m} | x')", [("m",)]),
    ],
)
def test_experiments_add_what_observation_lacks(text: str, query: str, experiments: list[tuple[str, ...]]) -> None:
    graph = graph_of(text)
    assert not identify_counterfactual(graph, query).identified
    sources = [OBSERVATION, *(Experiment(do=do) for do in experiments)]
    found = identify_counterfactual(graph, query, sources).require()
    asked = parse_counterfactual(query, graph)
    for seed in range(20):
        model = FunctionalModel.random(graph, np.random.default_rng(seed), 3)
        assert abs(model.value_of(found, *experiments) - model.truth(asked)) < EXACT


def test_the_interventional_form_is_exact_even_where_observation_does_not_give_it() -> None:
    graph = graph_of("x -> m -> y; x <-> m; m <-> y; x <-> y")
    asked = parse_counterfactual("P(y_{m}, m_{x'}, x')", graph)
    found = identify_counterfactual(graph, "P(y_{m}, x)")
    assert found.interventional is not None
    assert not found.identified
    assert identify_counterfactual(graph, asked).expression == parse_expression("P(x', m, y)")
    for seed in range(20):
        model = FunctionalModel.random(graph, np.random.default_rng(seed), 2)
        truth = model.truth(parse_counterfactual("P(y_{m}, x)", graph))
        assert abs(model.value_of(found.interventional, ("m",)) - truth) < EXACT


# --- any graph, any events ---------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_every_identified_query_equals_the_truth(data: st.DataObject) -> None:
    graph = data.draw(graphs(5))
    assume(len(graph.bidirected) <= 6)
    query = data.draw(queries(graph))
    try:
        found = identify_counterfactual(graph, query)
    except InvalidSetting:
        assume(False)
        return
    seed = data.draw(st.integers(0, 2**32 - 1))
    model = FunctionalModel.random(graph, np.random.default_rng(seed), 2)
    truth = model.truth(query)
    assume(not np.isnan(truth))
    if found.expression is not None:
        assert abs(model.value_of(found.expression) - truth) < EXACT
    else:
        assert found.reason
    if found.interventional is not None:
        experiments = [do for r in range(1, 6) for do in itertools.combinations(graph.nodes, r)]
        needed = [do for do in experiments if frozenset(do) in _interventions(str(found.interventional))]
        assert abs(model.value_of(found.interventional, *needed) - truth) < EXACT


def _interventions(text: str) -> set[frozenset[str]]:
    parts = [part.split(")")[0] for part in text.split("do(")[1:]]
    return {frozenset(name.strip().rstrip("'") for name in part.split(",")) for part in parts}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_hidden_nodes_count_as_hidden_causes(data: st.DataObject) -> None:
    graph = data.draw(graphs(4, latent=True))
    assume(len(graph.observed) > 1)
    query = data.draw(queries(graph))
    try:
        found = identify_counterfactual(graph, query)
    except InvalidSetting:
        assume(False)
        return
    model = FunctionalModel.random(graph, np.random.default_rng(data.draw(st.integers(0, 1000))), 2)
    truth = model.truth(query)
    assume(found.expression is not None and not np.isnan(truth))
    assert found.expression is not None
    assert abs(model.value_of(found.expression) - truth) < EXACT


# --- beside what is known ----------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_one_world_is_what_the_general_algorithm_identifies(data: st.DataObject) -> None:
    """P(y_{x} | z_{x}) is P(y | do(x), z), for which a complete algorithm exists."""
    graph = data.draw(graphs(5))
    names = data.draw(st.permutations(graph.nodes))
    size = data.draw(st.integers(1, max(1, len(names) - 2)))
    do = tuple(map(Variable, names[:size]))
    y, z = names[size : size + 1], names[size + 1 : data.draw(st.integers(size + 1, len(names)))]
    had = [tuple(CounterfactualEvent(Variable(n), do) for n in part) for part in (y, z)]
    found = identify_counterfactual(graph, CounterfactualQuery(*had))
    assert found.interventional is not None
    assert found.identified == identify_effect(graph, [v.name for v in do], y, z).identified


@settings(max_examples=150, deadline=None)
@given(graphs(5), st.integers(0, 1000))
def test_the_effect_on_the_treated_agrees_with_adjustment(graph: bf.CausalGraph, seed: int) -> None:
    x, y = graph.nodes[0], graph.nodes[-1]
    x = next((n for n in graph.nodes if y in graph.descendants({n}) and n != y), x)
    others = [n for n in graph.nodes if n not in (x, y)]
    sets = [z for r in range(len(others) + 1) for z in itertools.combinations(others, r)]
    z = next((z for z in sets if graph.is_backdoor_set(x, y, z)), None)
    assume(z is not None and len(graph.bidirected) <= 6)
    found = identify_counterfactual(graph, effect_on_the_treated(x, y)).require()
    model = FunctionalModel.random(graph, np.random.default_rng(seed), 2)
    formula = f"P({y} | {x})"
    if z:
        formula = f"sum_{{{', '.join(z)}}} P({y} | {', '.join((x, *z))}) P({', '.join(z)} | {x}')"
    assert abs(model.value_of(found) - model.value_of(parse_expression(formula))) < EXACT
