"""The orders that doubly robust estimation goes by: their formula is the effect, in every model of the graph."""

from __future__ import annotations

import time

import numpy as np
import pytest

from butfor.graph.causal_graph import CausalGraph
from butfor.identify.general.effect import identify_effect
from butfor.identify.primal import Fixing, Primal, primal_structure
from tests.estimators.saturated import random_graphs
from tests.identify.exact import ExactModel

NESTED = (
    ("w -> z -> x -> y; w <-> x; w <-> y", "x", "y"),
    # The column that is dealt out has a cause of its own, and the treatment a mediator.
    ("c -> z; w -> z -> x -> m -> y; c -> y; w <-> x; w <-> m", "x", "y"),
    # Two columns in a row, of which the second one is enough.
    ("w -> z -> v -> x -> y; w <-> x; w <-> y", "x", "y"),
    # Two ties, each through a column of its own.
    ("w -> z -> x -> y; u -> v -> x; w <-> x; w <-> y; u <-> x; u <-> y", "x", "y"),
    # After the column is dealt out there is a front door left.
    ("w -> z -> x -> m -> y; w <-> x; w <-> m; x <-> y", "x", "y"),
)


def formula(model: ExactModel, primal: Primal, treatment: str, outcome: str) -> np.ndarray:
    """P(outcome | do(treatment)) by the formula of the module, on the exact joint distribution."""
    names = list(model.graph.nodes)
    p = model.table().arranged(names)

    def marginal(*keep: str) -> np.ndarray:
        return p.sum(axis=tuple(i for i, n in enumerate(names) if n not in keep), keepdims=True)

    for fixing in primal.fixed:
        p = p * marginal(fixing.node) * marginal(*fixing.given) / marginal(fixing.node, *fixing.given)
    history = [*primal.before, treatment]
    averaged, set_ = marginal(*history), np.ones(())
    for node in primal.after:
        density = marginal(*history, node) / marginal(*history)
        if node in primal.tied:
            averaged = averaged * density
        else:
            set_ = set_ * density
        history.append(node)
    axis = names.index(treatment)
    rest = tuple(i for i, n in enumerate(names) if n != outcome)
    found = []
    for arm in range(p.shape[axis]):
        held = np.take(set_, [arm], axis=axis) if set_.ndim and set_.shape[axis] > 1 else set_
        whole = np.broadcast_to(averaged * held, np.broadcast_shapes(np.shape(averaged * held), (1,) * p.ndim))
        found.append(whole.sum(axis=rest))
    return np.array(found)


def check(graph: CausalGraph, treatment: str, outcome: str, rng: np.random.Generator) -> Primal | None:
    primal = primal_structure(graph, treatment, outcome)
    if primal is not None:
        model = ExactModel.random(graph, rng)
        truth = model.effect([treatment], [outcome]).arranged([treatment, outcome])
        np.testing.assert_allclose(formula(model, primal, treatment, outcome), truth, atol=1e-12)
        assert identify_effect(graph, [treatment], [outcome]).expression is not None
    return primal


@pytest.mark.parametrize("nodes", [3, 4, 5])
def test_the_formula_is_the_effect_in_random_models(nodes: int) -> None:
    found = 0
    for graph, rng in random_graphs(250, nodes, seed=nodes):
        treatment = graph.nodes[int(rng.integers(nodes - 1))]
        found += check(graph, treatment, graph.nodes[-1], rng) is not None
    assert found > 60


@pytest.mark.parametrize(("text", "treatment", "outcome"), NESTED)
def test_columns_that_are_dealt_out_cut_the_tie(text: str, treatment: str, outcome: str) -> None:
    graph = CausalGraph.from_any(text)
    for seed in range(5):
        primal = check(graph, treatment, outcome, np.random.default_rng(seed))
        assert primal is not None
        assert primal.fixed


def test_the_napkin_deals_out_z_and_forgets_w() -> None:
    graph = CausalGraph.from_any("w -> z -> x -> y; w <-> x; w <-> y")
    assert primal_structure(graph, "x", "y") == Primal((), ("y",), frozenset(), (Fixing("z", ("w",)),))


def test_the_fewest_columns_are_dealt_out() -> None:
    primal = primal_structure(CausalGraph.from_any(NESTED[3][0]), "x", "y")
    assert primal is not None
    assert [f.node for f in primal.fixed] == ["z", "v"]
    assert len(primal_structure(CausalGraph.from_any(NESTED[2][0]), "x", "y").fixed) == 1  # type: ignore[union-attr]


def test_what_acts_through_the_treatment_alone_is_not_held_fixed() -> None:
    graph = CausalGraph.from_any("i -> z -> x -> m -> y; c -> x; c -> y; p -> y; i <-> x; x <-> y")
    primal = primal_structure(graph, "x", "y")
    assert primal is not None
    assert set(primal.before) == {"c", "p"}


def test_a_hidden_cause_of_the_treatment_and_its_own_effect_leaves_no_order() -> None:
    assert primal_structure(CausalGraph.from_any("x -> y; x <-> y"), "x", "y") is None
    assert primal_structure(CausalGraph.from_any("x -> m -> y; x <-> m; x <-> y"), "x", "y") is None


def test_a_column_that_acts_on_the_outcome_otherwise_is_never_dealt_out() -> None:
    # The napkin with an arrow z -> y is not identified, and dealing z out would answer another question.
    assert primal_structure(CausalGraph.from_any("w -> z -> x -> y; z -> y; w <-> x; w <-> y"), "x", "y") is None


def test_a_treatment_without_effect_has_no_order() -> None:
    assert primal_structure(CausalGraph.from_any("y -> x"), "x", "y") is None


def test_hidden_nodes_are_projected_out_first() -> None:
    graph = CausalGraph.from_any("u -> x; u -> y; x -> h -> m -> y").with_latent(["u", "h"])
    assert primal_structure(graph, "x", "y") == Primal((), ("m", "y"), frozenset({"y"}))


def test_the_search_is_bounded() -> None:
    causes = "; ".join(f"w{i} -> z{i} -> x; w{i} <-> x; w{i} <-> y" for i in range(40))
    start = time.perf_counter()
    assert primal_structure(CausalGraph.from_any(f"{causes}; x -> y; x <-> y"), "x", "y") is None
    assert time.perf_counter() - start < 20
