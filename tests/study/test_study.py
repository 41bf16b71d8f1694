"""The facade: every kind of question from the data to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import NotIdentified
from butfor.report.contract import contract

LINEAR = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())


def world(n: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    x = rng.normal(size=n)
    t = (x + rng.logistic(size=n) > 0).astype(int)
    level = np.digitize(x + 2 * rng.logistic(size=n), [-1.0, 1.0])
    dose = x + rng.normal(size=n)
    noise = rng.normal(size=n)
    return {
        "t": t,
        "arm": np.array(["a", "b", "c"])[level],
        "dose": dose,
        "x": x,
        "sex": rng.choice(["f", "m"], n),
        "y": 2 * t + x + noise,
        "y_arm": level + x + noise,
        "y_dose": 1.5 * dose + x + noise,
        "before": x + rng.normal(size=n),
    }


CASES: dict[str, dict[str, Any]] = {
    "one covariate": {"question": bf.Question("t", "y"), "graph": "x -> t; x -> y; t -> y"},
    "several arms": {"question": bf.Question("arm", "y_arm"), "graph": "x -> arm; x -> y_arm; arm -> y_arm"},
    "an amount": {"question": bf.Question("dose", "y_dose", contrast=(2, 0)), "covariates": ["x"]},
    "subgroups": {"question": bf.Question("t", "y", bf.ATT(), modifiers=("sex",)), "covariates": ["x"]},
    "randomised": {"question": bf.Question("t", "y"), "design": bf.Randomized(within="sex")},
    "negative outcome": {"question": bf.Question("t", "y"), "covariates": ["x"], "negative_outcomes": ["before"]},
    "trimmed": {"question": bf.Question("t", "y", bf.ATE(trim=0.1)), "covariates": ["x", "sex"]},
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_study_runs_to_the_end(name: str, tmp_path: Path) -> None:
    study = bf.Study(world(), seed=1, **CASES[name])
    kind = "OLS" if name == "an amount" else "DIM" if name == "randomised" else "AIPW"
    study.estimate({"OLS": bf.OLS(), "DIM": bf.DifferenceInMeans(), "AIPW": LINEAR}[kind])
    assert study.refute().results
    assert study.sensitivity().words
    assert study.decide(value_per_unit=1.0, cost_per_treated=0.5).reasons
    page = study.report(tmp_path / "r.html").read_text("utf-8")
    assert page.lower().startswith("<!doctype html>")
    found = json.loads(json.dumps(contract(study.record()), allow_nan=False))
    assert all(np.isfinite(e["estimate"]) and e["std_error"] > 0 for e in found["estimates"])
    assert found["refutations"]


def test_the_default_estimators_fit_the_question() -> None:
    chosen = bf.Study(world(), question=bf.Question("t", "y"), covariates=["x"]).estimate()
    assert [f.estimator.name for f in chosen.fits] == ["aipw", "ipw", "ols"]
    assert chosen.fits[2].result.estimand.code == "VWE"
    assert chosen.naive.result.estimand.code == "association"
    assert "AIPW" in chosen.reason
    amounts = bf.Study(world(), question=bf.Question("dose", "y_dose"), covariates=["x"]).estimate()
    assert [f.estimator.name for f in amounts.fits] == ["partially_linear", "ols"]


def test_several_valid_sets_are_compared() -> None:
    frame = world() | {"w": world()["x"] + np.random.default_rng(1).normal(size=400)}
    graph = "x -> w; w -> t; x -> y; t -> y"
    estimates = bf.Study(frame, question=bf.Question("t", "y"), graph=graph).estimate(bf.OLS())
    assert [f.strategy.adjust_for for f in estimates.fits] == [("x",), ("w",)]
    comparison = estimates.comparison()
    assert comparison.column("adjust_for") == ["w"]
    gap = estimates.fits[1].result.value[0] - estimates.fits[0].result.value[0]
    assert comparison.column("difference")[0] == pytest.approx(gap)


def test_stages_are_kept_and_new_settings_renew_them() -> None:
    study = bf.Study(world(), question=bf.Question("t", "y"), covariates=["x"])
    first = study.estimate(bf.OLS())
    assert study.estimate() is first
    assert study.estimate(bf.IPW()) is not first
    assert study.completed == ("identify", "estimate")


def test_notebooks_show_what_was_found() -> None:
    study = bf.Study(world(), question=bf.Question("t", "y", text="a < b?"), covariates=["x"])
    assert "a &lt; b?" in study._repr_html_()
    study.estimate(bf.OLS())
    assert "<table>" in study._repr_html_()


def test_what_is_not_identified_has_a_report_and_no_number(tmp_path: Path) -> None:
    study = bf.Study(world(), question=bf.Question("t", "y"), graph="u [latent]; u -> t; u -> y; t -> y")
    with pytest.raises(NotIdentified, match="t <- u -> y"):
        study.estimate()
    assert "t ← u → y" in study.report(tmp_path / "r.html").read_text("utf-8")


def test_declared_covariates_are_checked_against_the_graph() -> None:
    study = bf.Study(
        world() | {"m": world()["y"]},
        question=bf.Question("t", "y"),
        graph="x -> t; x -> y; t -> m -> y",
        covariates=["x", "m"],
    )
    assert "adjusts-for-mediator" in {d.name for d in study.antipatterns()}
    assert study.identify().require().adjust_for == ("x",)


def test_sensitivity_not_examined_is_said_on_the_first_page(tmp_path: Path) -> None:
    study = bf.Study(world(), question=bf.Question("t", "y"), covariates=["x"])
    study.estimate(bf.OLS())
    assert "Not examined" in study.report(tmp_path / "r.html").read_text("utf-8")
