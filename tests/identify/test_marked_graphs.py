"""Classes of graphs as input: what is identified whichever graph is true, and what is said when nothing is."""

from __future__ import annotations

import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.graph.formats import read_graph
from butfor.identify.identification import Identification
from butfor.identify.identify import identify
from butfor.identify.query import Query


def by(text: str, x: str = "x", y: str = "y", **settings: object) -> Identification:
    return identify(Query(x, y), read_graph(text), **settings)  # type: ignore[arg-type]


def test_a_pag_with_a_visible_edge_identifies_by_adjustment() -> None:
    """dagitty's notation; z is a collider for x and closes nothing unless it causes y as well."""
    found = by("pag { a o-> x -> y; x <-> z; b o-> z -> y }")
    assert found.status == "identified"
    assert [s.to_dict()["adjust_for"] for s in found.strategies] == [["z"]]
    assert "every graph that the PAG stands for" in found.explanation
    assert found.proof[0].rule == "amenability"


def test_a_pdag_of_dagitty() -> None:
    """dagitty test/test/adjustment-other.js: pdag {X->W->Y; F->W--Z; X<-F->Z} has the minimal set {F}."""
    found = by("pdag { X -> W -> Y ; F -> W -- Z ; X <- F -> Z }", "X", "Y")
    assert [s.adjust_for for s in found.strategies] == [("F",)]
    assert found.strategies[0].minimal


@pytest.mark.parametrize(
    ("text", "why", "remedy"),
    [
        ("mag { x -> y }", "may hide a common cause", "Find out whether x and y have a hidden common cause."),
        ("cpdag { x -- y }", "does not say whether x causes y", "Find out which of x and y causes the other."),
        ("pag { x o-o y }", "does not say whether x causes y", "Find out which of x and y causes the other."),
    ],
)
def test_what_the_class_leaves_open_is_named_and_so_is_what_would_help(text: str, why: str, remedy: str) -> None:
    found = by(text)
    assert found.status == "not_identified"
    assert why in found.explanation
    assert [r.describe() for r in found.remedies] == [remedy, "Randomise x and observe the rest."]


def test_zero_by_every_graph_of_the_class() -> None:
    assert by("pdag { y -> x }").status == "zero_effect"
    assert by("pdag { y -> c <- x }").status == "zero_effect"


def test_a_confounder_that_was_not_measured_leaves_a_path_open() -> None:
    found = by("pdag { z -> x -> y; z -> y; c -> z; d -> z }", observed=["x", "y"])
    assert found.status == "not_identified"
    assert found.open_path == "x <- z -> y"


def test_declared_covariates_come_first_when_they_are_valid_in_every_graph() -> None:
    text = "pdag { z -> x -> y; z -> y; c -> z; d -> z; c -> x }"
    assert by(text, covariates=["z", "c"]).strategies[0].adjust_for == ("z", "c")
    assert by(text, covariates=["c"]).strategies[0].adjust_for == ("z",)


def test_conditions_need_one_graph() -> None:
    with pytest.raises(InvalidSetting, match="need one causal graph"):
        identify(Query("x", "y", "z"), read_graph("pdag { z -> x -> y }"))


def test_chance_needs_no_graph() -> None:
    assert by("pag { x o-o y }", design=bf.Randomized()).status == "identified"


def test_json_round_trip() -> None:
    found = by("pag { a o-> x -> y; x <-> z; b o-> z -> y }")
    assert bf.from_json(bf.to_json(found)).to_dict() == found.to_dict()
