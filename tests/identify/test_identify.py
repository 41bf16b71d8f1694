"""Identification: what comes first, what is refused, what is said."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import NotIdentified, UnknownNode
from butfor.graph.marked_graph import MarkedGraph
from butfor.identify.antipatterns import check_adjustment
from butfor.identify.identification import Identification
from butfor.identify.identify import identify
from tests.identify.test_big_graphs import tower

QUESTION = bf.Question("x", "y")


def by(text: str, **settings: object) -> Identification:
    return identify(QUESTION, bf.CausalGraph.from_any(text), **settings)  # type: ignore[arg-type]


def test_the_optimal_set_comes_first_and_the_minimal_ones_follow() -> None:
    found = by("z -> w -> y; z -> x; x -> y; p -> y")
    assert [s.adjust_for for s in found.strategies if s.kind == "adjustment"] == [("w", "p"), ("z",), ("w",)]
    assert found.strategies[0].to_dict()["optimal"] is True
    assert found.strategies[0].estimand == "Σ_{w, p} P(y | x, w, p) P(w, p)"
    assert [s.minimal for s in found.strategies][:3] == [False, True, True]
    assert found.to_dict()["status"] == "identified"
    assert "x <- z" in " ".join(map(str, found.proof))


def test_what_is_not_identified_names_the_open_path() -> None:
    found = by("u [latent]; u -> x; u -> y; x -> y")
    assert found.to_dict()["status"] == "not_identified"
    assert found.open_path == "x <- u -> y"
    with pytest.raises(NotIdentified, match="x <- u -> y"):
        found.require()


def test_nodes_that_are_not_in_the_data_count_as_latent() -> None:
    assert by("z -> x; z -> y; x -> y", observed=["x", "y"]).strategies == ()


def test_a_list_of_independences_says_how_many_it_leaves_out() -> None:
    causes = "{" + " ".join(f"z{i}" for i in range(9)) + "} -> {x y}; x -> y"
    found = by(causes)
    assert len(found.implications) == 20
    assert found.left_out == found.to_dict()["implications_left_out"] == 9 * 8 // 2 - 20
    assert "- … and 16 more independences" in str(found)
    assert by(causes, limit=35).left_out == 1
    assert "- … and 1 more independence\n" in f"{by(causes, limit=35)}\n"
    assert by(causes, limit=36).left_out == 0
    assert "more independence" not in str(by(causes, limit=36))
    marked = MarkedGraph.from_text("pdag {" + " ".join(f"z{i} -> x" for i in range(9)) + " x -> y}")
    assert identify(QUESTION, marked).left_out == 9 * 8 // 2 + 9 - 20


def test_no_effect_by_the_graph() -> None:
    found = by("y -> x")
    assert found.to_dict()["status"] == "zero_effect"
    assert "zero" in found.explanation


def test_randomisation_needs_no_graph_and_uses_it_for_precision() -> None:
    bare = identify(QUESTION, design=bf.Randomized(within="clinic"))
    assert bare.require().to_dict() | {"assumptions": 0} == {
        "kind": "randomization",
        "adjust_for": ["clinic"],
        "minimal": True,
        "estimand": "Σ_{clinic} P(y | x, clinic) P(clinic)",
        "assumptions": 0,
        "implications": [],
        "within": ["clinic"],
        "precision": [],
    }
    helped = by("age -> y; x -> m -> y; x -> y", design=bf.Randomized())
    assert helped.require().precision == ("age",)
    assert by("cost -> x -> y; age -> y", design=bf.Randomized()).require().precision == ("age",)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("x -> y; x -> s; y -> s; selected s", "y -> s"),
        ("x -> y; x -> s; u -> s; u -> y; selected s", "y <- u -> s"),
        ("z -> x; z -> y; x -> y; x -> s; selected s", "x <- z -> y"),
        ("x -> y; selected y", None),
    ],
)
def test_rows_chosen_by_the_outcome_do_not_answer(text: str, path: str | None) -> None:
    found = by(text)
    assert found.status == "not_identified"
    assert found.open_path == path
    assert "chose" in found.explanation
    assert path == "x <- z -> y" or by(text, design=bf.Randomized()).status == "not_identified"


def test_rows_chosen_before_treatment_answer() -> None:
    found = by("s -> x; z -> x; z -> y; x -> y; selected s")
    assert found.require().adjust_for == ("z",)
    assert "selected rows speak for all" in " ".join(map(str, found.proof))
    assert "s ⊥ z" not in found.to_dict()["implications"]  # s is the same in all rows that are seen


def test_implications_are_those_of_the_graph() -> None:
    """dagitty's small model with mediator (its testable-implications.js): Y _||_ Z | I, X."""
    graph = bf.CausalGraph.from_any("Z -> X; Z -> I; X -> I; X -> Y; I -> Y")
    assert identify(bf.Question("X", "Y"), graph).to_dict()["implications"] == ["Y ⊥ Z | I, X"]


def test_covariates_on_the_users_word() -> None:
    found = identify(QUESTION, covariates=["age"])
    assert found.require().adjust_for == ("age",)
    assert "on your word" in found.require().describe()
    assert identify(QUESTION).strategies == ()


def test_valid_covariates_lead_and_invalid_ones_do_not() -> None:
    text = "z -> x; z -> y; x -> m -> y"
    assert by(text + "; w -> z", covariates=["w", "z"]).require().adjust_for == ("w", "z")
    assert by(text, covariates=["z", "m"]).require().adjust_for == ("z",)


@pytest.mark.parametrize(
    ("text", "match"), [("a -> y", "treatment"), ("x -> a", "outcome"), ("x [latent]; x -> y", "not measured")]
)
def test_treatment_and_outcome_must_be_there(text: str, match: str) -> None:
    with pytest.raises(UnknownNode, match=match):
        by(text)


def test_the_list_is_bounded() -> None:
    chain = "; ".join(f"z{i} -> x; z{i} -> w{i} -> y" for i in range(6))
    found = by(chain + "; x -> y", limit=10)
    assert not found.complete
    assert sum(s.kind == "adjustment" for s in found.strategies) <= 11


@pytest.mark.parametrize(
    ("text", "covariates", "names"),
    [
        ("x -> m -> y", ["m"], {"adjusts-for-mediator"}),
        ("x -> y; x -> d", ["d"], {"adjusts-for-descendant"}),
        ("a -> c <- b; a -> x; b -> y; x -> y", ["c"], {"adjusts-for-collider"}),
        ("x -> y; x -> c <- y", ["c"], {"adjusts-for-collider", "adjusts-for-descendant"}),
        ("z -> x -> y", ["z"], {"instrument-as-covariate"}),
        ("z -> x; z -> y; x -> y", ["z"], set()),
    ],
)
def test_antipatterns_are_called_by_name(text: str, covariates: list[str], names: set[str]) -> None:
    found = check_adjustment(bf.CausalGraph.from_any(text), QUESTION, covariates)
    assert {d.name for d in found} == names
    assert all(repr(covariates[0]) in d.message for d in found)


def test_no_graph_is_said() -> None:
    assert [d.name for d in check_adjustment(None, QUESTION, ["z"])] == ["no-graph"]


def test_json_round_trip() -> None:
    found = by("z -> x; z -> y; x -> y")
    back = bf.from_json(bf.to_json(found))
    assert back.to_dict() == found.to_dict()
    assert back.question == found.question


def test_a_hundred_nodes() -> None:
    rng = np.random.default_rng(5)
    names = [f"v{j}" for j in range(100)]
    edges = [(a, b) for j, b in enumerate(names) for a in names[:j] if rng.random() < 3 / 100]
    hidden = frozenset(n for n in names[:-1] if rng.random() < 0.2 and n != "v50")
    found = identify(bf.Question("v50", "v99"), bf.CausalGraph(tuple(names), tuple(edges), latent=hidden))
    assert found.status in ("identified", "zero_effect", "not_identified")


def test_what_a_condition_makes_zero_is_zero() -> None:
    """Given z, an effect of x alone, y tells nothing of what x was set to."""
    found = identify(bf.Query("x", "y", "z"), bf.CausalGraph.from_any("y -> x -> z"))
    assert found.status == "zero_effect"
    assert identify(bf.Query("x", "y", "z"), bf.CausalGraph.from_any("x -> y -> z")).status == "identified"


def test_a_treatment_that_chose_the_rows_shows_one_of_its_values() -> None:
    graph = bf.CausalGraph.from_any("x -> y; selected x")
    assert identify(QUESTION, graph).status == "not_identified"
    found = identify(QUESTION, graph, sources=[bf.Experiment(do=("x",))])
    assert found.strategies[0].estimand == "P(y | do(x))"


def test_remedies_of_chosen_rows_are_about_everyone() -> None:
    found = by("x -> y -> s; selected s")
    assert [r.action for r in found.remedies] == ["sample", "randomise in everyone"]
    assert found.proof[0].rule == "recovery from selection, which is complete"


def test_an_m_graph_is_blocked_and_says_so() -> None:
    found = by("u1 -> x; u1 -> m; u2 -> m; u2 -> y; x -> y")
    assert "No path between x and y is open but the causal ones, and u2 opens none" in found.proof[0].words


def test_many_hidden_causes_end_the_search_for_rarities() -> None:
    names = [f"v{i}" for i in range(60)]
    pairs = tuple((a, b) for i, a in enumerate(names) for b in names[:i])
    graph = bf.CausalGraph(tuple(names), tuple(pairwise(names)), pairs)
    found = identify(bf.Question("v1", "v59"), graph)
    assert found.status == "not_identified"
    assert not found.complete


def test_an_expression_that_nobody_could_read_is_still_an_answer() -> None:
    """A tower of districts: each step of the general algorithm more than doubles what would have to be written."""
    graph, treatments = tower(40)
    found = identify(bf.Query(tuple(treatments), "y"), graph)
    assert found.status == "identified"
    assert "too large to be written out" in found.explanation
    assert found.hedge is None
    with pytest.raises(NotIdentified, match="without a strategy that can be followed"):
        found.require()
