"""Effects as chains of averages: exact on exact distributions, whatever the query."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from butfor.graph.causal_graph import CausalGraph
from butfor.identify.general.effect import GeneralEffect, identify_effect
from butfor.identify.primal import Fixing, primal_structure
from butfor.identify.sequential import Sequential, Stage, sequential_structure
from tests.identify.exact import ExactModel
from tests.identify.test_general_random import random_graph, random_query

Columns = dict[str, np.ndarray]


def structure(text: str, treatments: list[str], outcomes: list[str], given: tuple[str, ...] = ()) -> Sequential | None:
    return sequential_structure(identify_effect(CausalGraph.from_any(text), treatments, outcomes, given))


def cells(columns: Columns, names: tuple[str, ...]) -> np.ndarray:
    """A number for each combination of values."""
    size = len(next(iter(columns.values())))
    return sum((columns[n] * 2**i for i, n in enumerate(names)), np.zeros(size, dtype=int))


def chance(columns: Columns, weights: np.ndarray, node: str, given: tuple[str, ...]) -> np.ndarray:
    """P(own value of the node | own values of the others) in weighted rows."""
    both, alone = cells(columns, (*given, node)), cells(columns, given)
    return np.bincount(both, weights=weights)[both] / np.bincount(alone, weights=weights)[alone]


def go_back(
    chain: Sequential, columns: Columns, shares: np.ndarray, setting: dict[str, int], target: str | np.ndarray
) -> float:
    """What the chain says of a whole distribution: every combination of values as a row with its share."""
    found = columns[target].astype(float) if isinstance(target, str) else target
    for stage in reversed(chain.stages):
        weights = shares
        for fixing in stage.fixed:
            alone = chance(columns, shares, fixing.node, ())
            weights = weights * alone / chance(columns, weights, fixing.node, fixing.given)
        history = (*stage.given, *stage.treatments)
        at = {n: np.full(len(shares), setting[n]) if n in stage.treatments else columns[n] for n in history}
        own = cells(columns, history)
        total = np.bincount(own, weights=weights, minlength=2 ** len(history))
        mean = np.bincount(own, weights=weights * found, minlength=2 ** len(history)) / total
        found = mean[cells(at, history)] if history else np.full(len(shares), mean[0])
    return float(shares @ found)


def everything(model: ExactModel) -> tuple[Columns, np.ndarray]:
    joint = model.table()
    grid = np.indices(joint.values.shape).reshape(len(joint.variables), -1)
    return {v.name: grid[i] for i, v in enumerate(joint.variables)}, joint.values.reshape(-1)


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_adjustment_is_one_average() -> None:
    assert structure("c -> x; c -> y; x -> y", ["x"], ["y"]) == Sequential((Stage("y", ("c",), ("x",)),))


def test_of_the_napkin_one_column_is_dealt_out() -> None:
    found = structure("w -> z -> x -> y; w <-> x; w <-> y", ["x"], ["y"])
    assert found == Sequential((Stage("y", (), ("x",), (Fixing("z", ("w",)),)),))


def test_what_the_treatment_does_not_act_on_is_left_as_it_is() -> None:
    found = structure("a -> b; b -> y; x -> y; a -> x", ["x"], ["y"])
    assert found is not None
    assert [s.node for s in found.stages] == ["y"]


def test_what_is_not_identified_has_no_chain() -> None:
    assert structure("x -> y; x <-> y", ["x"], ["y"]) is None


def test_the_columns_of_a_chain_are_all_that_it_takes() -> None:
    found = structure("w -> z -> x -> y; w <-> x; w <-> y", ["x"], ["y"])
    assert found is not None
    assert set(found.columns) == {"w", "z", "x", "y"}


# --- against the effect itself ---------------------------------------------------------------------------------------


def error(effect: GeneralEffect, chain: Sequential, model: ExactModel, outcomes: list[str]) -> float:
    """The largest distance of the chain from P(outcomes = 1 | do(treatments), given)."""
    columns, shares = everything(model)
    x, z = sorted(effect.treatments), sorted(effect.given)
    exact = model.effect(x, outcomes, z).arranged([*x, *outcomes, *z])
    happens = np.prod([columns[n] for n in outcomes], axis=0).astype(float)
    worst = 0.0
    for arms, values in product(product((0, 1), repeat=len(x)), product((0, 1), repeat=len(z))):
        setting = dict(zip(x, arms, strict=True))
        inside = np.prod([columns[n] == v for n, v in zip(z, values, strict=True)], axis=0) * np.ones(len(shares))
        above = go_back(chain, columns, shares, setting, happens * inside)
        below = go_back(chain, columns, shares, setting, inside)
        worst = max(worst, abs(above / below - exact[(*arms, *([1] * len(outcomes)), *values)]))
    return worst


@pytest.mark.parametrize("conditional", [False, True], ids=["plain", "conditional"])
def test_on_random_graphs_the_chain_gives_the_effect_of_any_query(conditional: bool) -> None:
    rng = np.random.default_rng(30 + conditional)
    right = without = 0
    for _ in range(250):
        graph = random_graph(rng, 6)
        x, y, z = random_query(rng, graph, conditional=conditional)
        effect = identify_effect(graph, x, y, z) if y else None
        if effect is None or not effect.identified:
            continue
        chain = sequential_structure(effect)
        if chain is None:
            without += 1
            continue
        # Conditions that rule 2 turned into treatments are set like treatments.
        assert error(effect, chain, ExactModel.random(graph, rng), y) < 1e-9, (graph.to_text(), x, y, z)
        right += 1
    assert right > 60
    assert without < 0.05 * right


def test_an_effect_with_a_doubly_robust_estimator_has_a_chain_as_well() -> None:
    rng = np.random.default_rng(3)
    both = 0
    for _ in range(200):
        graph = random_graph(rng, 7)
        x, y, _ = random_query(rng, graph, conditional=False)
        if y and primal_structure(graph, x[0], y[0]) is not None:
            both += sequential_structure(identify_effect(graph, x[:1], y[:1])) is not None
    assert both > 40
