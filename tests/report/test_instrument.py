"""Reports of effects by an instrument: whose effect it is, what the instrument did, and what holds when it is weak."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import butfor as bf
from butfor.cli.main import app
from butfor.core.errors import MethodMismatch
from butfor.report.answer import answer, verdicts
from butfor.report.instrument import effect_limits, instrument_facts, strength_words

SIMPLE = bf.InteractiveIV(
    outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel(), instrument_model=bf.LogisticModel()
)
QUESTION = bf.Question("taken", "better", decision="Offer it to everyone")


def frame(pull: float, n: int = 900) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    x, hidden = rng.normal(size=(2, n))
    offered = rng.integers(0, 2, n)
    taken = (hidden + pull * offered + 0.3 * x > 0).astype(int)
    return {"x": x, "offered": offered, "taken": taken, "better": taken + x + hidden + rng.normal(size=n)}


def study(pull: float) -> bf.Study:
    found = bf.Study(frame(pull), question=QUESTION, design=bf.Instrumented("offered", given="x"))
    found.estimate(SIMPLE)
    return found


def page(found: bf.Study, folder: Path) -> str:
    text = found.report(folder / "report.html").read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", text)


def test_a_report_says_whose_effect_it_is_and_what_the_instrument_did(tmp_path: Path) -> None:
    found = study(1.5)
    text = page(found, tmp_path)
    assert "For those whose treatment the instrument moves (compliers)" in text
    assert "The question asks for the ATE; this estimator answers the LATE." in text
    assert "What the instrument does" in text
    assert "Can the groups be compared?" not in text
    assert "bf.AIPW()" not in text
    assert "the user’s word says that offered reaches the outcome through the treatment alone" in text
    found.sensitivity()
    marks = {m.stage: m.word for m in verdicts(found.record())}
    assert marks["Causal?"] == "For some"
    assert marks["Hidden confounding"] == "Allowed for"


def test_the_facts_are_those_of_the_first_stage_and_of_the_offer() -> None:
    data = frame(1.5)
    fit = study(1.5).estimate().primary
    facts = {name: value for name, value, _ in instrument_facts(fit)}
    moved = data["taken"][data["offered"] == 1].mean() - data["taken"][data["offered"] == 0].mean()
    # x hardly differs between the offered and the others: the adjusted share is near the plain one.
    assert float(facts["Whom it moves"].split("\u00a0")[0]) == pytest.approx(100 * moved, abs=3)
    share, effect = float(facts["Whom it moves"].split("\u00a0")[0]) / 100, float(facts["What it does to better"])
    assert effect / share == pytest.approx(float(fit.result.value[0]), rel=0.03)  # as far as the printed digits go
    turned = bf.Study(
        data | {"offered": 1 - data["offered"]}, question=QUESTION, design=bf.Instrumented("offered", given="x")
    )
    assert {name: value for name, value, _ in instrument_facts(turned.estimate(SIMPLE).primary)} == facts


def test_a_weak_instrument_gives_the_headline_the_interval_that_holds(tmp_path: Path) -> None:
    found = study(0.02)
    fit = found.estimate().primary
    robust = fit.robust_interval()[0]  # type: ignore[attr-defined]
    assert effect_limits(fit) == (robust[0][0], robust[-1][1])
    assert effect_limits(fit) == (-np.inf, np.inf)
    assert "do not settle" in answer(found.record()).sentence
    assert "the instrument is weak" in str(strength_words(fit))
    text = page(found, tmp_path)
    assert "Weak instrument." in text
    assert "−∞ to ∞" in text
    assert "Anderson–Rubin set" in text


def test_two_instruments_are_told_apart() -> None:
    data = frame(1.5) | {"second": np.random.default_rng(9).integers(0, 2, 900)}
    data["taken"] = np.maximum(data["taken"], data["second"])
    graph = "x -> taken; x -> better; offered -> taken -> better; second -> taken; taken <-> better"
    found = bf.Study(data, question=QUESTION, graph=graph)
    found.estimate()
    from butfor.report.grids import estimates_grid

    names = [row[0].text for row in estimates_grid(found.record()).rows]
    assert names[:2] == ["Interactive IV", "Interactive IV by second"]


def test_a_study_file_with_an_instrument_runs(tmp_path: Path) -> None:
    data = frame(1.5)
    lines = [",".join(data), *(",".join(map(str, row)) for row in zip(*data.values(), strict=True))]
    (tmp_path / "d.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "study.yaml").write_text(
        "question: {treatment: taken, outcome: better}\ndata: {path: d.csv}\nrefute: {enabled: false}\n"
        "design: {kind: instrumented, instrument: offered, given: [x]}\n"
        "estimators: [interactive_iv: {outcome_model: linear, treatment_model: linear, instrument_model: logistic}]\n",
        encoding="utf-8",
    )
    found = CliRunner().invoke(app, ["run", str(tmp_path / "study.yaml"), "--json", str(tmp_path / "s.json")])
    assert found.exit_code == 0, found.output
    assert "LATE" in found.output
    first = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["estimates"][0]
    assert first["strategy"] == "instrument"
    assert first["estimate"] == pytest.approx(float(study(1.5).estimate().primary.result.value[0]), rel=1e-9)


def test_several_arms_are_refused_with_their_reason() -> None:
    data = frame(1.5)
    data["taken"] = np.array(["a", "b", "c"])[data["taken"] + (data["x"] > 1)]
    found = bf.Study(data, question=QUESTION, design=bf.Instrumented("offered", given="x"))
    with pytest.raises(MethodMismatch, match="several arms"):
        found.estimate()
