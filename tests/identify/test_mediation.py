"""Verdicts of mediation: published numbers, the reasons why effects are not identified, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting, RoleConflict, UnknownNode
from butfor.core.serial import from_json, to_json
from butfor.identify.direct_effects import identify_controlled_direct_effect
from butfor.identify.expression import Expression, Factor, evaluate
from butfor.identify.mediation import (
    identify_interventional_effects,
    identify_natural_effects,
    identify_path_specific,
    mediation_strategy,
)

KITE = "x -> w -> y; w -> z -> y; x -> y"
PRIMER = bf.CausalGraph.from_any("t -> m -> y; t -> y")


def primer() -> Factor:
    """Pearl, Glymour and Jewell, Causal Inference in Statistics: A Primer, section 4.5.2; t by a fair coin."""
    m = np.array([[0.6, 0.4], [0.25, 0.75]])
    y = np.array([[[0.8, 0.2], [0.7, 0.3]], [[0.6, 0.4], [0.2, 0.8]]])
    return Factor.table(["t", "m", "y"], 0.5 * m[:, :, None] * y)


def mean(expression: Expression, high: int, low: int) -> float:
    found = evaluate(expression, primer())
    values = {"t": high, "t'": low, "y": 1}
    return float(found.values[tuple(values[str(v)] for v in found.variables)])


def test_the_homework_example_of_the_primer() -> None:
    effects = identify_natural_effects(PRIMER, "t", "y", "m")
    found = {c.name: mean(c.higher, 1, 0) - mean(c.lower, 1, 0) for c in effects.contrasts}
    assert found["total effect"] == pytest.approx(0.46)
    assert found["natural direct effect"] == pytest.approx(0.32)
    assert found["natural indirect effect"] == pytest.approx(0.035)
    assert found["natural indirect effect"] / found["total effect"] == pytest.approx(0.07608696, abs=1e-8)
    assert 1 - found["natural direct effect"] / found["total effect"] == pytest.approx(0.30434783, abs=1e-8)
    controlled = identify_controlled_direct_effect(PRIMER, "t", "y", "m")
    assert controlled.expression is not None
    table = evaluate(controlled.expression, primer()).arranged(["t", "m", "y"])
    assert (table[1, :, 1] - table[0, :, 1]).tolist() == pytest.approx([0.2, 0.5])


def test_a_recanting_witness_is_named() -> None:
    """The kite of Avin, Shpitser and Pearl 2005: w would have to take two values."""
    found = identify_path_specific(bf.CausalGraph.from_any(KITE), "x", "y", [("x", "w", "y")])
    assert not found.identified
    assert found.contrasts == ()
    assert found.witness is not None
    assert found.witness.is_witness
    assert (found.witness.nodes, found.witness.active, found.witness.baseline) == (("w",), (("w", "y"),), (("w", "z"),))
    assert "w responds to x, and its response to x is needed along w -> y, its response to x' along w -> z" in (
        found.explanation
    )
    both = identify_path_specific(bf.CausalGraph.from_any(KITE), "x", "y", [("x", "w", "y"), ("w", "z", "y")])
    assert both.identified


@pytest.mark.parametrize("mediators", ["m", ["m"]])
def test_a_confounder_that_the_treatment_acts_on_is_named(mediators: list[str] | str) -> None:
    graph = bf.CausalGraph.from_any("x -> l; l -> m; l -> y; x -> m; m -> y; x -> y")
    found = identify_natural_effects(graph, "x", "y", mediators)
    assert found.witness is not None
    assert found.witness.nodes == ("l",)
    assert found.witness.active == (("l", "y"),)
    assert found.witness.baseline == (("l", "m"),)
    assert found.explanation.startswith("Natural effects of x on y through m are not identified. l responds to x")
    assert identify_interventional_effects(graph, "x", "y", "m").identified
    assert identify_natural_effects(graph, "x", "y", ["l", "m"]).identified


def test_a_hidden_cause_of_mediator_and_outcome_is_a_recanting_district() -> None:
    found = identify_natural_effects(bf.CausalGraph.from_any("x -> m -> y; x -> y; m <-> y"), "x", "y", "m")
    assert found.witness is not None
    assert not found.witness.is_witness
    assert set(found.witness.nodes) == {"m", "y"}
    assert found.witness.active == (("x", "y"),)
    assert found.witness.baseline == (("x", "m"),)
    assert "Hidden common causes hold" in found.explanation
    assert found.total is not None  # the total effect does follow
    assert not identify_controlled_direct_effect(
        bf.CausalGraph.from_any("x -> m -> y; x -> y; m <-> y"), "x", "y", "m"
    ).identified


def test_a_hidden_cause_of_treatment_and_mediator_is_a_hedge() -> None:
    graph = bf.CausalGraph.from_any("x -> m -> y; x -> y; x <-> m")
    found = identify_natural_effects(graph, "x", "y", "m")
    assert found.witness is None
    assert found.hedge is not None
    assert set(found.hedge.outer) == {"x", "m"}
    interventional = identify_interventional_effects(graph, "x", "y", "m")
    assert not interventional.identified
    assert interventional.contrasts == ()
    assert interventional.hedge is not None
    assert identify_controlled_direct_effect(graph, "x", "y", "m").identified


def test_full_mediation_needs_no_independence_across_worlds() -> None:
    """Without an arrow from x to y the district of m and y sees one value."""
    graph = bf.CausalGraph.from_any("x -> m -> y; m <-> y")
    found = identify_natural_effects(graph, "x", "y", "m")
    assert found.identified
    assert found.adjust_for is None
    assert str(found.expression) == "P(y | x')"


def test_draws_within_covariates_are_another_question() -> None:
    graph = bf.CausalGraph.from_any("c -> x; c -> m; c -> y; x -> m -> y; x -> y")
    plain, within = (identify_interventional_effects(graph, "x", "y", "m", given=g) for g in ((), "c"))
    assert str(within.expression) == str(identify_natural_effects(graph, "x", "y", "m").expression)
    assert str(plain.expression) != str(within.expression)
    assert within.describe() == "Set x, and draw m at random from what it is under x' among units alike in c."
    assert [c.name for c in plain.contrasts][-1] == "overall effect"


def test_the_proof_says_why() -> None:
    graph = bf.CausalGraph.from_any("c -> x; c -> m; c -> y; x -> m -> y; x -> y")
    words = [str(step) for step in identify_natural_effects(graph, "x", "y", "m").proof]
    assert words[0].startswith("Neither x nor m acts on c.")
    assert words[1].startswith("Given c, nothing but causation connects x with m and y.")
    assert "(y ⊥ m | c) in the graph without arrows out of x, m" in words[2]
    assert words[-1].startswith("Hence P(y(x, m(x'))) = Σ_{")
    general = identify_natural_effects(bf.CausalGraph.from_any("x -> a -> m -> y; x <-> m; x -> y"), "x", "y", "m")
    assert "each part responds to one value only" in " ".join(str(step) for step in general.proof)


@pytest.mark.parametrize(
    ("kind", "effects"),
    [("natural", "natural"), ("random draws", "interventional"), ("paths", "path-specific")],
)
def test_strategies_hold_what_estimators_need(kind: str, effects: str) -> None:
    graph = bf.CausalGraph.from_any("c -> x; c -> m; c -> y; x -> m -> y; x -> y")
    found = {
        "natural": lambda: identify_natural_effects(graph, "x", "y", "m"),
        "random draws": lambda: identify_interventional_effects(graph, "x", "y", "m"),
        "paths": lambda: identify_path_specific(graph, "x", "y", [("x", "m", "y")]),
    }[kind]()
    strategy = mediation_strategy(found)
    assert strategy is not None
    record = strategy.to_dict()
    assert (record["kind"], record["effects"]) == ("mediation", effects)
    assert set(strategy.uses) == {"m", "c"}
    assert strategy.expression == found.expression
    assert strategy.formula is (kind == "natural")
    assert strategy.describe().endswith(f"{strategy.estimand}.")
    assert from_json(to_json(strategy)) == strategy
    assert from_json(to_json(found)) == found


def test_what_is_not_identified_has_no_strategy() -> None:
    graph = bf.CausalGraph.from_any("x -> m -> y; x -> y; m <-> y")
    assert mediation_strategy(identify_natural_effects(graph, "x", "y", "m")) is None


def test_slips_are_refused() -> None:
    graph = bf.CausalGraph.from_any("x -> m -> y; x -> y; m -> k; u [latent]; u -> y")
    with pytest.raises(InvalidSetting, match="There are no mediators"):
        identify_natural_effects(graph, "x", "y", [])
    with pytest.raises(InvalidSetting, match="There are no paths"):
        identify_path_specific(graph, "x", "y", [])
    with pytest.raises(InvalidSetting, match="no arrow k -> y"):
        identify_path_specific(graph, "x", "y", [("x", "m", "k", "y")])
    with pytest.raises(InvalidSetting, match="The arrow m -> k is on no chosen path"):
        identify_path_specific(graph, "x", "y", [("x", "m", "y"), ("m", "k")])
    with pytest.raises(InvalidSetting, match="The arrow m -> y is on no chosen path"):
        identify_path_specific(graph, "x", "y", [("m", "y"), ("x", "y")])
    for path in ("xm", ("x",)):
        with pytest.raises(InvalidSetting, match="needs paths of at least two nodes"):
            identify_path_specific(graph, "x", "y", [path])
    with pytest.raises(InvalidSetting, match="'u' is latent"):
        identify_natural_effects(graph, "x", "y", "u")
    with pytest.raises(UnknownNode, match="'n'"):
        identify_natural_effects(graph, "x", "y", "n")
    with pytest.raises(RoleConflict):
        identify_natural_effects(graph, "x", "y", "x")
    chosen = bf.CausalGraph(("x", "m", "y"), (("x", "m"), ("m", "y")), selected=frozenset("m"))
    with pytest.raises(InvalidSetting, match="The graph selects rows by m"):
        identify_natural_effects(chosen, "x", "y", "m")
