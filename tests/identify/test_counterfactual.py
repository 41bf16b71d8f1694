"""Counterfactual queries: text, errors, published verdicts and formulas, what the answer says."""

from __future__ import annotations

import doctest
import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import InvalidSetting, NotIdentified, RoleConflict, UnknownNode
from butfor.core.serial import from_json, to_json
from butfor.identify.counterfactual.events import CounterfactualEvent, CounterfactualQuery, NaturalValue, Setting
from butfor.identify.counterfactual.identify import CounterfactualIdentification, identify_counterfactual
from butfor.identify.counterfactual.parsing import parse_counterfactual
from butfor.identify.counterfactual.queries import (
    effect_on_the_treated,
    probability_of_necessity,
    probability_of_necessity_and_sufficiency,
    probability_of_sufficiency,
)
from butfor.identify.expression import ONE, ZERO, Variable, parse_expression
from butfor.identify.general import Experiment
from butfor.identify.general.sources import OBSERVATION
from tests.graph.strategies import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "identification" / "counterfactuals.md"


def graph_of(text: str) -> bf.CausalGraph:
    return bf.CausalGraph.from_any(text)


def identified(text: str, query: str) -> CounterfactualIdentification:
    return identify_counterfactual(graph_of(text), query)


# --- text --------------------------------------------------------------------------------------------------------

PLAIN = "x -> m -> y; x -> y; a_ -> y; value_90d -> y"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("P(y_{x} | x')", "P(y_{x} | x')"),
        ("P( y_{x},y'_{x'} )", "P(y_{x}, y'_{x'})"),
        ("P(y_{x, m_{x'}})", "P(y_{m_{x'}, x})"),
        ("P(y_{x, m_{}})", "P(y_{m_{}, x})"),
        ("P(y''_{m'} | x, m)", "P(y''_{m'} | x, m)"),
        ("P(a__{x} | a_)", "P(a__{x} | a_)"),
        ("P(value_90d'_{x})", "P(value_90d'_{x})"),
        ("P(y′_{x’})", "P(y'_{x'})"),  # what word processors make of primes
        ('P("y"_{"x"})', "P(y_{x})"),
        ("P(y_{x, m_{m'}})", "P(y_{m', x})"),  # a natural value where it is set is what it is set to
        ("P(y, y | x)", "P(y | x)"),
    ],
)
def test_queries_are_read_and_written(text: str, written: str) -> None:
    found = parse_counterfactual(text, graph_of(PLAIN))
    assert str(found) == written
    assert parse_counterfactual(written, graph_of(PLAIN)) == found


@st.composite
def worlds(draw: st.DrawFn, names: list[str], depth: int) -> tuple[Setting, ...]:
    chosen = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    natural = [depth > 0 and draw(st.booleans()) for _ in chosen]
    return tuple(
        NaturalValue(n, draw(worlds([o for o in names if o != n] or names, depth - 1)))
        if nested
        else Variable(n, draw(st.integers(0, 3)))
        for n, nested in zip(chosen, natural, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_query_is_read_back(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    graph = bf.CausalGraph(tuple(names))
    events = tuple(
        CounterfactualEvent(Variable(n, data.draw(st.integers(0, 2))), data.draw(worlds(names, 2)))
        for n in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    )
    query = CounterfactualQuery(events[:2], events[2:])
    assert parse_counterfactual(str(query), graph) == query
    assert from_json(to_json(query)) == query


@pytest.mark.parametrize(
    ("text", "error", "message", "hint"),
    [
        ("P(y_{discoutn})", UnknownNode, "'discoutn' is not in the graph", "did you mean 'discount'?"),
        ("P(Y_{x})", UnknownNode, "'Y' is not in the graph", "did you mean 'y'?"),
        ("P(y_x)", UnknownNode, "a subscript needs braces", "write y_{x}"),
        ("P(y_{u})", RoleConflict, "'u' is not measured", "proxy"),
        ("P(y, y')", InvalidSetting, "y and y' contradict each other", "one of them"),
        ("P(y_{x} | x, x')", InvalidSetting, "x and x' contradict each other", "one of them"),
        ("P(y_{x}, y'_{x})", InvalidSetting, "y_{x} and y'_{x} contradict each other", "world of its own"),
        ("P(y_{x, x'})", InvalidSetting, "'x' is set to x and to x' in one world", "one event in each world"),
        ("P(y_{x, x_{discount}})", InvalidSetting, "'x' is set to x and to x_{discount} in one world", "each world"),
        ("P(y | do(x))", InvalidSetting, "has do(…)", "P(y_{x})"),
        ("P(y{x})", InvalidSetting, "needs '_{' for a subscript near '{'", "P(y_{x}"),
        ("P(y_{x)", InvalidSetting, "needs ',' near ')'", "P(y_{x}"),
        ("P(y_{x} | )", InvalidSetting, "needs a name near ')'", "P(y_{x}"),
        ("P(y_{x_{x'}'})", InvalidSetting, 'has "\'})"', "P(y_{x}"),
        ("P(y_{x'_{discount}})", InvalidSetting, "needs x without a prime", "P(y_{x}"),
        ("P(y = 1)", InvalidSetting, "has '= 1)'", "x' is another value"),
        ("y_{x}", InvalidSetting, "needs 'P' near 'y'", "P(y_{x}"),
        ("P(y) P(x)", InvalidSetting, "needs nothing near 'P'", "P(y_{x}"),
        ("", InvalidSetting, "needs 'P' at its end", "P(y_{x}"),
        ("P(y_{" + "x_{" * 50, InvalidSetting, "fewer worlds inside worlds", "P(y_{x}"),
    ],
)
def test_what_is_no_query_is_refused(text: str, error: type[Exception], message: str, hint: str) -> None:
    graph = graph_of("u [latent]; discount -> x -> y; u -> y")
    with pytest.raises(error) as caught:
        parse_counterfactual(text, graph)
    assert message in caught.value.message  # type: ignore[attr-defined]
    assert hint in caught.value.hint  # type: ignore[attr-defined]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="Pxy_{}()|,' \"\\do1", max_size=40))
def test_garbage_is_read_or_refused(text: str) -> None:
    try:
        found = parse_counterfactual(text, graph_of("x -> y"))
    except (InvalidSetting, UnknownNode):
        return
    assert parse_counterfactual(str(found), graph_of("x -> y")) == found


def test_values_below_zero_and_queries_without_events_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="0 for y, 1 for y'"):
        CounterfactualEvent(Variable("y", -1))
    with pytest.raises(InvalidSetting, match="no events"):
        CounterfactualQuery(())


# --- published cases ---------------------------------------------------------------------------------------------

FIGURE_9 = "x -> w -> y; d -> z -> y; x <-> y"  # Shpitser and Pearl 2008, figure 9 (a)
WITH_ARROW = FIGURE_9 + "; x -> y"
CONFLICT = "x -> y <-> a; a <-> b; b <-> z; x -> z"
MEDIATED = "x -> z -> y; x <-> z"
TRANSPORT = "z -> x -> y; z -> y; x -> w -> y; z <-> x; w <-> y"  # Correa, Lee and Bareinboim 2022, figure 2 (a)


@pytest.mark.parametrize(
    ("text", "query", "verdict"),
    [
        # Shpitser and Pearl 2008; also in the tests of the R package cfid (test-algorithms.R).
        (FIGURE_9, "P(y_{x}, x', z_{d}, d)", True),
        (FIGURE_9, "P(y_{x} | x', z_{d}, d)", True),
        (FIGURE_9, "P(y_{x, z} | x')", True),
        (WITH_ARROW, "P(y_{x}, x', z_{d}, d)", False),
        (WITH_ARROW, "P(y_{x} | x', z_{d}, d)", False),
        # A test of cfid ("remove tautology") expects True; test_counterfactual_limits shows two models that differ.
        (FIGURE_9, "P(y_{x}, x', z_{d}, y_{y})", False),
        (CONFLICT, "P(y_{x}, a, b, z_{x'})", False),
        (MEDIATED, "P(y'_{z})", True),
        (MEDIATED, "P(y'_{z}, z_{x}, x)", True),
        ("c -> a -> y; c -> y", "P(y_{a'} | a)", True),
        # Shpitser and Pearl 2008: not even from all experiments.
        ("x -> y", "P(y_{x}, y'_{x'})", False),
        (TRANSPORT, "P(y_{x} | x')", True),
        # Pearl 2001, arXiv:1301.2300: natural effects need a mediator that shares no hidden cause with the outcome.
        ("x -> m -> y; x -> y", "P(y_{x, m_{x'}})", True),
        ("x -> m -> y; x -> y; m <-> y", "P(y_{x, m_{x'}})", False),
        # Avin, Shpitser and Pearl 2005: l is caused by x and causes both m and y, the recanting witness.
        ("x -> l -> m -> y; l -> y", "P(y_{x, m_{x'}})", False),
    ],
)
def test_published_verdicts(text: str, query: str, verdict: bool) -> None:
    assert identified(text, query).identified == verdict


@pytest.mark.parametrize(
    ("text", "query", "interventional", "expression"),
    [
        (
            FIGURE_9,
            "P(y_{x} | x', z_{d}, d)",
            "[sum_{w} P(y, x' | do(w, z)) P(w | do(x))] / [P(x')]",
            "sum_{w} P(y | x', w, z) P(w | x)",
        ),
        (MEDIATED, "P(y'_{z}, z_{x}, x)", "P(y' | do(z)) P(z, x)", "P(y' | z) P(z, x)"),
        # Back door and front door (Shpitser and Pearl 2009, arXiv:1205.2615, on effects on the treated).
        ("z -> x -> y; z -> y", "P(y_{x} | x')", None, "sum_{z} P(z | x') P(y | z, x)"),
        ("x -> m -> y; x <-> y", "P(y_{x} | x')", None, "sum_{m} P(y | x', m) P(m | x)"),
        # The mediation formula (Pearl 2001, arXiv:1301.2300).
        ("x -> m -> y; x -> y", "P(y_{x, m_{x'}})", None, "sum_{m} P(m | x') P(y | x, m)"),
        ("x -> y", "P(y_{x})", "P(y | do(x))", "P(y | x)"),
        ("x -> y", "P(y_{x} | x')", "P(y | do(x))", "P(y | x)"),
        ("x -> y", "P(y_{x}, x)", None, "P(x, y)"),
    ],
)
def test_published_formulas(text: str, query: str, interventional: str | None, expression: str) -> None:
    found = identified(text, query)
    assert found.expression == parse_expression(expression)
    if interventional is not None:
        assert found.interventional == parse_expression(interventional)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("x -> y", "P(y'_{y})"),  # what is set is so
        (FIGURE_9, "P(y_{x}, x', z_{d} | d, y_{x, z}, z'_{x})"),  # cfid 0.1.8: z cannot have two values
        (MEDIATED, "P(y'_{z}, z_{x}, x | y', z, x')"),
        ("d -> z -> y", "P(z_{d}, z', d)"),  # y0: under d, z is what it is where d happens
        ("x -> z -> y", "P(z'_{x} | z, x)"),
        ("x -> m -> y; x -> y", "P(y_{x, m_{x}}, y'_{x})"),  # composition
        ("x -> m -> y; x -> y", "P(y_{x, m}, y'_{x}, m_{x})"),
        ("x; y", "P(y_{x}, y')"),
    ],
)
def test_what_consistency_forbids_has_probability_zero(text: str, query: str) -> None:
    found = identified(text, query)
    assert found.expression == found.interventional == ZERO
    assert found.identified
    assert found.is_impossible
    assert "cannot happen together" in found.proof[0].words


@pytest.mark.parametrize(
    ("text", "query"), [("x -> y", "P(y_{y})"), (MEDIATED, "P(y'_{z}, z_{x}, x | y', z, x)"), ("x -> y", "P(y | y)")]
)
def test_what_must_happen_has_probability_one(text: str, query: str) -> None:
    assert identified(text, query).expression == ONE


@pytest.mark.parametrize("query", ["P(y | x'_{x})", "P(y_{x} | m, m'_{x}, x)"])
def test_a_condition_that_cannot_happen_is_refused(query: str) -> None:
    with pytest.raises(InvalidSetting, match="cannot happen") as caught:
        identified("x -> m -> y", query)
    assert "behind the bar" in caught.value.hint


# --- the queries that people ask ---------------------------------------------------------------------------------


def test_well_known_queries() -> None:
    assert str(effect_on_the_treated("x", "y")) == "P(y_{x} | x')"
    assert str(effect_on_the_treated(["a", "b"], "y")) == "P(y_{a, b} | a', b')"
    assert str(probability_of_necessity("x", "y")) == "P(y'_{x'} | x, y)"
    assert str(probability_of_sufficiency("x", "y")) == "P(y_{x} | x', y')"
    assert str(probability_of_necessity_and_sufficiency("x", "y")) == "P(y_{x}, y'_{x'})"


@pytest.mark.parametrize("text", ["x -> y", "x -> y; z -> x; z -> y", "x -> m -> y; x <-> y"])
def test_probabilities_of_causation_are_open_even_where_effects_are_known(text: str) -> None:
    for ask in (probability_of_necessity, probability_of_sufficiency, probability_of_necessity_and_sufficiency):
        found = identify_counterfactual(graph_of(text), ask("x", "y"))
        assert not found.identified
        assert found.interventional is None
        assert found.reason.startswith("The query needs ")


@pytest.mark.parametrize("text", ["x; y", "x -> z; x <-> y", "y -> x"])
def test_probabilities_of_causation_are_known_where_there_is_no_causation(text: str) -> None:
    necessity = identify_counterfactual(graph_of(text), probability_of_necessity("x", "y"))
    both = identify_counterfactual(graph_of(text), probability_of_necessity_and_sufficiency("x", "y"))
    assert necessity.expression == both.expression == ZERO


# --- what the answer says ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query", "reason", "component"),
    [
        ("x -> y", "P(y_{x}, y'_{x'})", "y of the same units twice, under x and under x'", ("y_{x}", "y'_{x'}")),
        ("x -> y; x <-> y", "P(y_{x} | x')", "units with x' and how y responds to x", ("x'", "y_{x}")),
        ("x -> m -> y; x -> y; m <-> y", "P(y_{x, m_{x'}})", "m under x' and y under x in", ("m_{x'}", "y_{m, x}")),
        ("x -> y; x <-> y", "P(y_{x})", "setting x does not part them", ("y_{x}",)),
    ],
)
def test_the_reason_names_what_conflicts(text: str, query: str, reason: str, component: tuple[str, ...]) -> None:
    found = identified(text, query)
    assert reason in found.reason
    assert sorted(found.component) == sorted(component)
    assert found.proof[-1].words == found.reason
    with pytest.raises(NotIdentified, match="is not identified"):
        found.require()


def test_what_experiments_would_give_is_said() -> None:
    found = identified("x -> y; x <-> y", "P(y_{x})")
    assert found.interventional == parse_expression("P(y | do(x))")
    assert "Experiments would give it: P(y_{x}) = P(y | do(x))" in str(found)
    with pytest.raises(NotIdentified) as caught:
        found.require()
    assert "run the experiments of P(y | do(x))" in caught.value.hint


def test_sources_that_do_not_suffice_are_named() -> None:
    graph = graph_of("x -> m -> y; x <-> m; m <-> y")
    found = identify_counterfactual(graph, "P(y_{x})", [OBSERVATION, Experiment(do=("y",))])
    assert "P(y, m | do(x)) does not follow from what is at hand (observation; an experiment on y)" in found.reason
    assert identify_counterfactual(graph, "P(y_{x})", []).reason.endswith("(nothing).")


def test_proofs_name_worlds_parts_experiments_and_the_result() -> None:
    found = identify_counterfactual(graph_of("u [latent]; u -> x; u -> y; x -> m -> y; z -> y"), "P(y_{x} | x', z)")
    words = [step.words for step in found.proof]
    assert words[0] == "What was not measured (u) is replaced by what it does to the measured."
    assert words[1] == "The query speaks of 2 worlds of the same units: the one with x set; the one that is."
    assert found.proof[2].symbols == "P(y_{x}, x', z) = Σ_{m} P(y_{m, z}, m_{x}, z, x')"
    assert words[3].startswith("What decides z has no bearing on the outcome")
    assert found.proof[4].symbols == "P(y_{m, z}, x') P(m_{x}) / P(x')"
    assert "an experiment that sets z and m shows x' and y" in words[5]
    assert words[-1] == "Hence P(y_{x} | x', z) = Σ_{m} P(y | x', z, m) P(m | x)."
    assert all(step.rule for step in found.proof)
    assert str(found).startswith("P(y_{x} | x', z) = Σ_{m}")


@pytest.mark.parametrize("query", ["P(y_{x} | x')", "P(y_{x}, y'_{x'})", "P(y_{x, m_{x'}})", "P(x | x'_{m})"])
def test_answers_survive_json(query: str) -> None:
    found = identified("x -> m -> y; x <-> y", query)
    assert from_json(to_json(found)) == found
    assert found.to_dict()["identified"] == found.identified
    assert found.to_dict()["query"] == str(found.query)


# --- edges -------------------------------------------------------------------------------------------------------


def test_queries_about_other_graphs_are_refused() -> None:
    query = effect_on_the_treated("discount", "bought")
    with pytest.raises(UnknownNode, match="'bought' is not in the graph"):
        identify_counterfactual(graph_of("x -> y"), query)


def test_selected_rows_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="needs all rows"):
        identified("x -> y -> s; s [selected]", "P(y_{x} | x')")


def test_indices_of_sums_avoid_the_values_that_are_asked_about() -> None:
    found = identified("z -> x -> y; z -> y; z -> w", "P(y_{x}, w_{z})")
    assert not found.expression or "sum_{z'}" in str(found.expression)
    assert found.expression == parse_expression("P(w | z) [sum_{z'} P(y | z', x) P(z')]")


def test_large_graphs_take_seconds_and_larger_ones_are_refused() -> None:
    def chain(length: int) -> bf.CausalGraph:
        names = tuple(f"v{i}" for i in range(length))
        return bf.CausalGraph(names, tuple(itertools.pairwise(names)), ((names[0], names[-1]),))

    start = time.perf_counter()
    assert identify_counterfactual(chain(100), "P(v99_{v0} | v0')").identified
    many = ", ".join(f"v30_{{v{i}}}" for i in range(10))
    assert identify_counterfactual(chain(40), f"P({many} | v39)").reason
    with pytest.raises(InvalidSetting, match="depends on 700 nodes"):
        identify_counterfactual(chain(700), "P(v699_{v0} | v0')")
    assert time.perf_counter() - start < 20


def test_the_examples_of_the_page_run() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 5
    assert result.failed == 0
