"""Studies of every strategy that a graph can have: from the data to the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import MethodMismatch, NotIdentified
from butfor.report.contract import contract

SIMPLE = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
QUESTION = bf.Question("x", "y", decision="Change x")


def world(n: int = 1500) -> dict[str, np.ndarray]:
    """x acts on y through m alone, by 1; u is hidden, z an instrument, c a measured cause."""
    u, v, w, c = np.random.default_rng(3).normal(size=(4, n))
    z = (np.random.default_rng(4).random(n) < 0.5).astype(int)
    x = (u + 2 * z - 1 + v > 0).astype(int)
    m = (0.2 + 0.5 * x > np.random.default_rng(5).random(n)).astype(int)
    y = 2.0 * m + u + c + 0.5 * w
    return {"x": x, "m": m, "y": y, "z": z, "c": c, "big": (y > 1).astype(int)}


def study(graph: object, question: bf.Question = QUESTION, **settings: object) -> bf.Study:
    return bf.Study(world(), question=question, graph=graph, **settings)  # type: ignore[arg-type]


def is_near(estimate: bf.Estimate, truth: float) -> bool:
    """Four standard errors: fails by chance once in 16,000 worlds; this world is always the same."""
    return abs(float(estimate.value[0]) - truth) < 4 * float(estimate.std_error[0])


def test_a_front_door_is_estimated_and_reported(tmp_path: Path) -> None:
    found = study("x -> m -> y; x <-> y; z -> x; c -> y")
    fits = found.estimate(bf.AugmentedPrimalWeighting(**SIMPLE)).fits
    assert fits[0].strategy.kind == "front_door"
    assert is_near(fits[0].result, 1.0)
    assert not is_near(found.estimate().naive.result, 1.0)
    found.refute(bf.DataSubset(simulations=20))
    page = found.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Through what lies between treatment and outcome (front door)." in page
    assert "This path stays open" not in page


def test_a_functional_is_estimated_when_asked_for() -> None:
    found = study("x -> m -> y; x <-> y").estimate(bf.PlugIn())
    assert found.primary.strategy.kind == "functional"
    assert is_near(found.primary.result, 1.0)


def test_an_instrument_alone_answers_for_those_whom_it_moves() -> None:
    # Of the columns only x is moved by z, through u: those with −1 < u + v < 1, for whom y changes by 1 through m.
    by_graph = study("z -> x -> y; x <-> y")
    by_word = study(None, design=bf.Instrumented("z"))
    for found in (by_graph, by_word):
        primary = found.estimate().primary
        assert found.identify().status == "not_identified"
        assert isinstance(primary.estimator, bf.InteractiveIV)
        assert primary.result.estimand == bf.LATE()
        assert "those whom z moves, not on everyone" in found.estimate().reason
        assert is_near(primary.result, 1.0)
        with pytest.raises(NotIdentified):
            study("z -> x -> y; x <-> y").estimate(bf.AIPW(**SIMPLE))
    vouched, declared = (s.estimate().primary.result.assumptions[0].statement for s in (by_graph, by_word))
    assert "arrows" in vouched
    assert "You say so" in declared


def test_an_amount_or_many_levels_take_one_slope() -> None:
    frame = world()
    frame["dose"] = frame["x"] + 0.5 * frame["z"] + frame["c"]
    frame["level"] = np.array(["a", "b", "c"])[frame["z"] + np.random.default_rng(7).integers(0, 2, len(frame["z"]))]
    for question, design in (
        (bf.Question("dose", "y"), bf.Instrumented("z", given="c")),
        (bf.Question("x", "y"), bf.Instrumented("level", given="c")),
    ):
        estimates = bf.Study(frame, question=question, design=design).estimate()
        assert isinstance(estimates.primary.estimator, bf.PartiallyLinearIV)
        assert estimates.primary.result.estimand == bf.CWE()
        assert "one slope for all" in estimates.reason


def test_an_instrument_beside_adjustment_answers_only_if_asked() -> None:
    graph = "c -> x; c -> y; z -> x -> y"
    assert {f.strategy.kind for f in study(graph).estimate().fits} == {"adjustment"}
    asked = study(graph, bf.Question("x", "y", bf.LATE())).estimate()
    assert asked.primary.result.estimand == bf.LATE()
    declared = study(graph, design=bf.Instrumented("z")).estimate()
    assert [f.strategy.kind for f in declared.fits] == ["instrument", "adjustment"]
    assert declared.comparison().column("same_estimand") == [False]


def test_two_instruments_move_different_units() -> None:
    frame = world()
    frame["second"] = (np.random.default_rng(8).normal(size=len(frame["x"])) > 0).astype(int)
    frame["x"] = np.maximum(frame["x"], frame["second"])
    found = bf.Study(frame, question=QUESTION, graph="z -> x -> y; second -> x; x <-> y").estimate()
    assert [f.sample.instrument.name for f in found.fits if f.sample.instrument] == ["z", "second"]
    assert [f.result.estimand for f in found.fits] == [bf.LATE(), bf.LATE()]
    assert found.comparison().column("same_estimand") == [False]


def test_a_graph_that_contradicts_the_instrument_of_the_design_is_quoted() -> None:
    direct = study("z -> x -> y; z -> y; x <-> y", design=bf.Instrumented("z")).identify()
    assert "The graph does not have z as an instrument: one of the two is wrong." in direct.explanation
    agreed = study("z -> x -> y; x <-> y", design=bf.Instrumented("z")).identify()
    assert "wrong" not in agreed.explanation
    assert len(agreed.strategies) == 1


def test_everyone_is_not_treated_for_the_effect_on_some() -> None:
    found = study(None, design=bf.Instrumented("z"))
    assert found.decide(value_per_unit=1.0).recommendation == "experiment_first"
    asked = study(None, bf.Question("x", "y", bf.LATE(), decision="Offer x"), design=bf.Instrumented("z"))
    assert asked.decide(value_per_unit=1.0).recommendation == "treat_all"


def test_bounds_of_an_instrument_are_an_answer_for_everyone(tmp_path: Path) -> None:
    found = study("z -> x -> big; x <-> big", bf.Question("x", "big", decision="Change x"))
    bounded = found.estimate(bf.InstrumentBounds(), bf.NaturalBounds())
    low, high = bounded.primary.result.value
    assert -1 <= bounded.fits[1].result.value[0] <= low <= high <= bounded.fits[1].result.value[1] <= 1
    assert len(found.refute()) == 0
    assert all("bounds" in reason for reason in found.refute().skipped)
    with pytest.raises(MethodMismatch, match="pair of bounds"):
        found.decide(value_per_unit=1.0)
    page = found.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "changes big by something between" in page


def test_bounds_of_an_instrument_by_design_are_no_estimate_that_a_placebo_could_check() -> None:
    found = study(None, bf.Question("x", "big", decision="Change x"), design=bf.Instrumented("z"))
    assert [b.method for b in found.identify().bounds] == ["natural", "instrument"]
    bounded = found.estimate(bf.InstrumentBounds()).primary
    assert bounded.strategy.kind == "bounds"
    assert len(found.refute()) == 0
    by_graph = study("z -> x -> big; x <-> big", bf.Question("x", "big", decision="Change x"))
    np.testing.assert_allclose(
        bounded.result.value, by_graph.estimate(bf.InstrumentBounds()).primary.result.value, atol=1e-12
    )


@pytest.mark.parametrize("graph", ["x -> m; x -> y; m -> y; c -> y", None])
def test_an_effect_is_split_by_its_mediators(graph: str | None, tmp_path: Path) -> None:
    frame = world()
    chance = np.random.default_rng(6)
    frame["x"] = chance.integers(0, 2, len(frame["x"]))
    frame["m"] = (0.2 + 0.5 * frame["x"] > chance.random(len(frame["x"]))).astype(int)
    frame["y"] = 2.0 * frame["m"] + 0.5 * frame["x"] + frame["c"]
    covariates = ["c"] if graph is None else None
    found = bf.Study(frame, question=QUESTION, graph=graph, covariates=covariates, mediators=["m"])
    split = found.estimate(bf.MediationAnalysis(**SIMPLE)).primary.result
    values = dict(zip(split.labels, split.value, strict=True))
    # 2 · (.7 − .2) goes through m, .5 does not.
    direct, indirect = (next(v for k, v in values.items() if f"natural {w}" in k) for w in ("direct", "indirect"))
    assert abs(direct - 0.5) < 0.2
    assert abs(indirect - 1.0) < 0.2
    assert found.report(tmp_path / "report.html").exists()


def test_without_mediators_nothing_is_split() -> None:
    with pytest.raises(MethodMismatch, match="mediators"):
        study("x -> m -> y; c -> y").estimate(bf.MediationAnalysis(**SIMPLE))


def test_a_class_of_graphs_is_enough_when_all_of_it_agrees(tmp_path: Path) -> None:
    found = study("pag { z o-> m; x o-> m; m -> y; c o-> y; x -> y }", bf.Question("m", "y", decision="Change m"))
    assert found.identify().status == "identified"
    assert [s.adjust_for for s in found.identify().strategies] == [("x",)]
    found.estimate(bf.AIPW(**SIMPLE))
    assert "The drawing stands for every graph that has these marks." in found.report(tmp_path / "r.html").read_text(
        "utf-8"
    )


def test_a_learned_graph_is_called_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b, e, f = rng.normal(size=(4, 800))
    x = (a + b + e > 0).astype(int)
    frame = {"a": a, "b": b, "x": x, "y": x + b + f}
    proposal = bf.GraphProposal(
        graph=bf.MarkedGraph.from_text("pdag { a -> x; b -> x; x -> y; b -> y }"), method="PC of somebody", n=800
    )
    found = bf.Study(frame, question=QUESTION, graph=proposal)
    assert found.estimate(bf.AIPW(**SIMPLE)).primary.strategy.adjust_for == ("b",)
    record = found.record()
    assert {d.name for d in record.diagnostics} >= {"graph-learned"}
    assert contract(record)["provenance"]["learned_graph"]["method"] == "PC of somebody"
    page = found.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "This graph was learned, not drawn." in page


def test_chosen_rows_speak_for_all_where_the_graph_lets_them() -> None:
    rng = np.random.default_rng(1)
    z, e, f = rng.normal(size=(3, 4000))
    x = (z + e > 0).astype(int)
    y = x + z + f
    kept = x + rng.normal(size=4000) > 0
    graph = "z -> x; z -> y; x -> m -> y; x -> s; selected s"
    frame = {"x": x[kept], "y": y[kept], "z": z[kept]}
    with pytest.raises(NotIdentified, match="chose"):
        bf.Study(frame, question=QUESTION, graph=graph).estimate()


def test_two_designs_are_compared() -> None:
    frame = world()
    frame["y"] = frame["y"] - np.mean(frame["y"])
    found = bf.Study(frame, question=QUESTION, graph="x -> m -> y; c -> x; c -> y")
    fits = found.estimate(bf.AIPW(**SIMPLE), bf.AugmentedPrimalWeighting(**SIMPLE)).fits
    assert {"adjustment", "front_door"} <= {f.strategy.kind for f in fits}


def test_an_experiment_on_something_else_is_named_and_not_estimated() -> None:
    from butfor.identify.identify import identify

    graph = bf.CausalGraph.from_any("z -> x -> y; z <-> x; z <-> y")
    found = identify(bf.Question("x", "y"), graph, sources=[bf.Experiment(do=("z",))])
    assert found.status == "identified"
    assert found.to_dict()["strategies"][0]["sources"] == ["an experiment on z"]


def test_an_effect_that_is_zero_by_the_graph_is_reported_and_not_estimated(tmp_path: Path) -> None:
    found = study("z -> x -> y; x <-> y", bf.Question("x", "z", decision="Change x"))
    with pytest.raises(MethodMismatch, match="is zero"):
        found.estimate()
    assert "No directed path leads from x to z" in found.report(tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("graph", "question"),
    [("z -> x -> big; x <-> big", bf.Question("x", "big")), ("c -> m -> y; c <-> y", bf.Question("c", "y"))],
)
def test_what_no_default_method_estimates_has_a_report_all_the_same(
    tmp_path: Path, graph: str, question: bf.Question
) -> None:
    found = study(graph, question)
    page = found.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "is not answered" in page
    assert ("Not identified" in page) == (found.identify().status == "not_identified")
    assert len(found.record().identification.strategies) >= 1


def test_a_query_is_no_question() -> None:
    with pytest.raises(bf.ButforError, match="needs a Question"):
        bf.Study(world(), question=bf.Query("x", "y"))  # type: ignore[arg-type]
