"""Estimands as they are printed: whatever the columns are called, the text can be read back and says the effect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.identify.expression import parse_expression
from butfor.identify.identify import identify
from butfor.identify.implications import independences
from butfor.identify.query import Query
from tests.graph.strategies import graphs
from tests.identify.exact import ExactModel
from tests.identify.truth import error

ODD = {"x": "any discount?", "y": "value, 90 d", "z": "a|b", "m": "😀", "w": 'say "so"\\', "v": "sum_1 P(y)"}


def renamed(text: str) -> bf.CausalGraph:
    """The graph of a text, with odd names."""
    graph = bf.CausalGraph.from_any(text)
    directed, bidirected = (tuple((ODD[a], ODD[b]) for a, b in e) for e in (graph.directed, graph.bidirected))
    return bf.CausalGraph(tuple(ODD[n] for n in graph.nodes), directed, bidirected)


@given(graphs(weird=True), st.data())
@settings(max_examples=100, deadline=None)
def test_printed_estimands_are_read_back_and_equal_the_effect(graph: bf.CausalGraph, data: st.DataObject) -> None:
    x, y = data.draw(st.permutations(graph.nodes))[:2]
    model = ExactModel.random(graph, np.random.default_rng(1))
    for strategy in identify(Query(x, y), graph).strategies:
        if strategy.identifies:
            assert error(parse_expression(strategy.estimand), model, ([x], [y], [])) < 1e-9, strategy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x -> y", 'P("value, 90 d" | "any discount?")'),
        ("z -> {x y}; x -> y", 'Σ_{"a|b"} P("value, 90 d" | "any discount?", "a|b") P("a|b")'),
        (
            "x -> m -> y; x <-> y",
            'Σ_{"😀"} P("😀" | "any discount?") '
            'Σ_{"any discount?"\'} P("value, 90 d" | "any discount?"\', "😀") P("any discount?"\')',
        ),
        ("x -> y; w -> x; x <-> y", r'Cov("value, 90 d", "say \"so\"\\") / Cov("any discount?", "say \"so\"\\")'),
    ],
)
def test_odd_names_stand_in_quotes(text: str, expected: str) -> None:
    found = identify(Query(ODD["x"], ODD["y"]), renamed(text))
    assert found.strategies[0].estimand == expected
    assert str(found.query) == 'P("value, 90 d" | do("any discount?"))'


def test_independences_and_proofs_quote_as_estimands_do() -> None:
    graph = renamed("z -> {x y}; x -> m -> y; v -> z")
    assert '"any discount?" ⊥ "value, 90 d" | "a|b", "😀"' in map(str, independences(graph))
    symbols = " ".join(step.symbols for step in identify(Query(ODD["x"], ODD["y"]), graph).proof)
    assert '("value, 90 d" ⊥ "any discount?" | "a|b")' in symbols


def test_a_joint_intervention_is_one_condition() -> None:
    found = identify(
        Query(("x1", "x2"), ("y1", "y2")), bf.CausalGraph.from_any("z -> {x1 x2 y1 y2}; {x1 x2} -> {y1 y2}")
    )
    assert found.strategies[0].estimand == "Σ_{z} P(y1, y2 | x1, x2, z) P(z)"
