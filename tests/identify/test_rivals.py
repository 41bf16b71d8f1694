"""What other programs get wrong, and what is right: each test names the program, its version and its mistake.

DoWhy 0.14, y0 of April 2026 (commit cc6644d), pgmpy 1.1.2 and antecedent 2.4.1 were run on these graphs; the answers
expected here follow from the cited papers, and the numbers from exact distributions.
"""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest

import butfor as bf
from butfor.identify.adjustment import AdjustmentProblem, minimal_adjustment_sets, optimal_adjustment_set
from butfor.identify.expression import Probability, evaluate, parse_expression
from butfor.identify.front_door import FrontDoorProblem, minimal_front_door_sets
from butfor.identify.general import identify_effect, is_hedge
from butfor.identify.identification import Identification
from butfor.identify.identify import identify
from butfor.identify.instruments import InstrumentProblem, instruments
from butfor.identify.query import Query
from tests.identify.exact import ExactModel
from tests.identify.test_general import CASES, graph_of, query_of
from tests.identify.truth import distance, error

NAMED = {c["name"]: c for c in CASES}
NAPKIN = "w -> z -> x -> y; w <-> x; w <-> y"


def graph(text: str) -> bf.CausalGraph:
    return bf.CausalGraph.from_any(text)


def whole(text: str, x: str = "x", y: str = "y") -> Identification:
    return identify(bf.Question(x, y), graph(text))


def with_hidden_nodes(drawn: bf.CausalGraph) -> bf.CausalGraph:
    """The same graph with a latent node for each bidirected edge."""
    hidden = [(f"U{k}", pair) for k, pair in enumerate(drawn.bidirected)]
    arrows = tuple((u, n) for u, pair in hidden for n in pair)
    return bf.CausalGraph(
        drawn.nodes, (*drawn.directed, *arrows), latent=drawn.latent | frozenset(u for u, _ in hidden)
    )


def adjustment_sets(drawn: bf.CausalGraph, x: list[str], y: list[str]) -> set[frozenset[str]]:
    return {frozenset(s) for s in minimal_adjustment_sets(AdjustmentProblem.of(drawn, x, y))}


# --- the general algorithm ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in CASES if c["bidirected"]], ids=lambda c: c["name"])
def test_hidden_causes_drawn_as_nodes_are_never_used(case: dict[str, list[str]]) -> None:
    """DoWhy 0.14 `identify_effect_id` ignores which nodes are observed: every effect comes back "identified", in terms
    of the hidden nodes. antecedent 2.4.1 does the same with a `Dag`: 20 wrong verdicts, 38 sets with hidden nodes."""
    drawn = with_hidden_nodes(graph_of(case))
    found = identify_effect(drawn, *query_of(case))
    assert found.identified is case["identifiable"]
    if found.expression is None:
        assert found.hedge is not None
        assert is_hedge(drawn, found.hedge, case["treatments"], case["outcomes"])
    else:
        assert (
            error(found.expression, ExactModel.random(graph_of(case), np.random.default_rng(0)), query_of(case)) < 1e-9
        )
    assert all(s <= set(case["nodes"]) for s in adjustment_sets(drawn, case["treatments"], case["outcomes"]))


def test_a_complete_graph_of_five_nodes_is_answered_at_once() -> None:
    """DoWhy 0.14 `identify_effect_id` hangs for ever (a bounded queue that blocks)."""
    names = ["a", "b", "x", "m", "y"]
    drawn = bf.CausalGraph(tuple(names), tuple(combinations(names, 2)))
    start = time.process_time()
    found = identify(bf.Question("x", "y"), drawn)
    assert time.process_time() - start < 0.5
    assert found.require().adjust_for == ("a", "b")


def test_schipf_2010_is_answered_at_once() -> None:
    """DoWhy 0.14 `identify_effect_id` hangs for ever on these seven nodes."""
    case = NAMED["schipf2010"]
    start = time.process_time()
    found = identify(bf.Question("TT", "T2DM"), graph_of(case))
    assert time.process_time() - start < 0.5
    sets = {frozenset(s.uses) for s in found.strategies if s.kind == "adjustment" and s.minimal}
    assert sets == {frozenset(s) for s in case["min_adjustment_sets"]}


def test_the_napkin_is_no_regression() -> None:
    """y0 (issues 372 and 404) returns P(Y | X): the wrong number in nearly every model."""
    expression = identify_effect(graph(NAPKIN), ["x"], ["y"]).expression
    assert expression is not None
    assert expression != Probability.of_names("y", given="x")
    rng = np.random.default_rng(0)
    for _ in range(20):
        model = ExactModel.random(graph(NAPKIN), rng)
        assert error(expression, model, (["x"], ["y"], [])) < 1e-9
        wrong = evaluate(parse_expression("P(y | x)"), model.table())
        assert distance(wrong, model.effect(["x"], ["y"])) > 1e-4


def test_the_napkin_is_written_without_do() -> None:
    """antecedent 2.4.1 prints "E[y|do(x=1)] - E[y|do(x=0)]" as its estimand, and no derivation."""
    found = whole(NAPKIN)
    functional = next(s for s in found.strategies if s.kind == "functional")
    assert "do(" not in functional.estimand
    assert len(found.proof) > 3


def test_shpitser_and_pearls_figure_1b_is_not_identified() -> None:
    """pgmpy issue 3465 claims that it is."""
    found = whole("x -> z -> y; x <-> z")
    assert found.status == "not_identified"
    assert found.hedge is not None
    assert set(found.hedge.outer) == {"x", "z"}


def test_a_joint_effect_is_that_on_all_outcomes() -> None:
    """antecedent 2.4.1 answers for the first outcome only; y0 raises NetworkXError on the second graph."""
    for name in ("sp08_fig3a_hedgeless_joint", "vdz14_fig2_two_treatments"):
        case = NAMED[name]
        expression = identify_effect(graph_of(case), *query_of(case)).expression
        assert expression is not None
        assert {v.name for v in expression.free} >= {*case["outcomes"]}
        assert error(expression, ExactModel.random(graph_of(case), np.random.default_rng(0)), query_of(case)) < 1e-9


@pytest.mark.parametrize("name", ["dowhy_multi_treatment_one_null", "tk17_fig8_two_treatments", "perkovic18_ex8"])
def test_an_effect_of_one_of_several_treatments_is_not_zero(name: str) -> None:
    """DoWhy 0.14 wants a path from every treatment to every outcome, else "Causal effect is zero" (6 cases)."""
    case = NAMED[name]
    found = identify(Query(tuple(case["treatments"]), tuple(case["outcomes"])), graph_of(case))
    assert found.status == "identified"
    assert {frozenset(s.adjust_for) for s in found.strategies if s.kind == "adjustment" and s.minimal} == {
        frozenset(s) for s in case["min_adjustment_sets"]
    }


# --- adjustment --------------------------------------------------------------------------------------------------


def test_a_mediator_is_no_adjustment_set() -> None:
    """DoWhy 0.14 `optimize_backdoor=True` returns the mediator of dagitty's small model."""
    case = NAMED["dagitty_small_mediator"]
    assert adjustment_sets(graph_of(case), ["X"], ["Y"]) == {frozenset("Z")}
    assert not AdjustmentProblem.of(graph_of(case), {"X"}, {"Y"}).is_valid({"I"})


def test_pearls_graph_needs_two_covariates() -> None:
    """DoWhy 0.14 `optimize_backdoor=True` returns Z5 alone, which leaves X <- Z3 <- Z1 -> Z4 -> Y open."""
    drawn = graph_of(NAMED["pearl_331"])
    assert not AdjustmentProblem.of(drawn, {"X"}, {"Y"}).is_valid({"Z5"})
    assert adjustment_sets(drawn, ["X"], ["Y"]) == {frozenset(("Z4", z)) for z in ("Z1", "Z2", "Z3", "Z5")}


def test_nothing_to_adjust_for_is_an_answer() -> None:
    """DoWhy 0.14 `optimize_backdoor=True` returns nothing where the empty set does (32 cases)."""
    assert adjustment_sets(graph("x -> y"), ["x"], ["y"]) == {frozenset()}
    assert whole("x -> y").require().describe().startswith("Nothing needs adjustment")


def test_a_set_that_is_no_back_door_set_can_be_valid() -> None:
    """DoWhy 0.14 back-door search misses it (Perković and others 2018, example 8): V1 and V2 are effects of X1."""
    case = NAMED["perkovic18_ex8"]
    assert adjustment_sets(graph_of(case), case["treatments"], case["outcomes"]) == {frozenset(("V1", "V2"))}


def test_a_collider_alone_is_no_adjustment_set() -> None:
    """pgmpy 1.1.2 asserts in its tests that {z2} is valid (van der Zander and others 2014, figure 2)."""
    case = NAMED["vdz14_fig2_two_treatments"]
    task = AdjustmentProblem.of(graph_of(case), case["treatments"], case["outcomes"])
    assert not task.is_valid({"Z2"})
    assert task.is_valid({"Z1", "Z2"})


def test_optimal_sets_where_paths_share_an_edge_and_graphs_are_large() -> None:
    """DoWhy 0.14 crashes when causal paths share their first edge, needs 15 s for 16 nodes, changes the graph."""
    drawn = graph("x -> m; m -> a -> y; m -> b -> y; z -> x; z -> y")
    text = drawn.to_text()
    assert optimal_adjustment_set(AdjustmentProblem.of(drawn, {"x"}, {"y"})) == ("z",)
    names = [f"v{i}" for i in range(16)]
    dense = bf.CausalGraph(tuple(names), tuple(combinations(names, 2)))
    start = time.process_time()
    assert optimal_adjustment_set(AdjustmentProblem.of(dense, {"v2"}, {"v15"})) == ("v0", "v1")
    assert time.process_time() - start < 0.5
    assert drawn.to_text() == text


def test_several_valid_sets_are_all_listed_and_the_first_is_taken() -> None:
    """antecedent 2.4.1 refuses to go on where there is more than one minimal set."""
    found = whole("a -> b -> x; b -> y; a -> c -> y; x -> y")
    assert len([s for s in found.strategies if s.kind == "adjustment"]) > 1
    assert found.require().kind == "adjustment"


# --- front door --------------------------------------------------------------------------------------------------


def test_front_door_sets_are_the_smallest() -> None:
    """DoWhy 0.14 returns the largest set, here {M1, M2}."""
    drawn = graph_of(NAMED["taheri_graph1"])
    found = set(minimal_front_door_sets(FrontDoorProblem(drawn, frozenset("X"), frozenset("Y"))))
    assert found == {("M1",), ("M2",)}


def test_the_front_door_of_two_mediators() -> None:
    """DoWhy 0.14 estimates front doors with a single mediator only (issue 284)."""
    found = whole("x -> a -> y; x -> b -> y; x <-> y")
    assert [set(s.uses) for s in found.strategies if s.kind == "front_door"] == [{"a", "b"}]


def test_a_claim_of_dowhys_issue_971_is_refused() -> None:
    """{M, R} is said to be a front-door set there: R shares a hidden cause with the treatment."""
    drawn = graph_of(NAMED["fd_none_E_latent"])
    assert not FrontDoorProblem(drawn, frozenset("X"), frozenset("Y")).is_valid({"M", "R"})


# --- instruments -------------------------------------------------------------------------------------------------


def test_a_hidden_node_is_no_instrument() -> None:
    """DoWhy 0.14 lists latent nodes as instruments (18 cases)."""
    drawn = graph("z [latent]; u [latent]; z -> x -> y; u -> x; u -> y; v -> z")
    assert list(instruments(InstrumentProblem(drawn, "x", "y"))) == [("v", ())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w -> i -> x -> y; w -> y; x <-> y", [("i", ("w",))]),  # dagitty testInstruments.R, conditional instrument
        ("a -> z -> x -> y; x <-> y", [("a", ()), ("z", ())]),  # not a parent of the treatment
        ("z <-> x; x -> y; x <-> y", [("z", ())]),  # no cause of the treatment at all
        ("x -> z -> y; x <-> y", []),  # StatsPAI 1.40.2 lists effects of the treatment
    ],
)
def test_conditional_and_indirect_instruments(text: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    """DoWhy 0.14 looks at unconditional parents of the treatment only and misses 26 cases."""
    assert list(instruments(InstrumentProblem(graph(text), "x", "y"))) == expected


def test_an_instrument_given_an_ancestor_of_the_treatment() -> None:
    """dagitty omits Z given X (issue 99): U is a cause of both ends of the chain."""
    drawn = graph("E -> D; U -> D; U -> X; X -> Z; Z -> E")
    assert ("Z", ("X",)) in set(instruments(InstrumentProblem(drawn, "E", "D")))


# --- names and sizes ---------------------------------------------------------------------------------------------


def test_columns_may_be_called_p_and_q() -> None:
    """y0 refuses variables named P or Q."""
    expression = identify_effect(graph("P -> M -> Q; P <-> Q"), ["P"], ["Q"]).expression
    assert expression is not None
    assert parse_expression(str(expression)) == expression


def test_fifty_nodes_take_no_time() -> None:
    """DoWhy issue 1818: fifty nodes, seconds to hours, no time limit."""
    rng = np.random.default_rng(0)
    names = [f"v{i}" for i in range(50)]
    edges = tuple(p for p in combinations(names, 2) if rng.random() < 0.1)
    drawn = bf.CausalGraph(tuple(names), edges)
    start = time.process_time()
    found = identify(bf.Question("v10", "v49"), drawn)
    assert time.process_time() - start < 2
    assert found.status == "identified"


def test_an_effect_that_is_not_identified_is_a_value_that_says_why() -> None:
    """DoWhy 0.14 returns `None` (issues 309, 569, 1521, 1551)."""
    found = whole("x -> y; x <-> y")
    assert found.status == "not_identified"
    assert found.hedge is not None
    assert found.remedies
