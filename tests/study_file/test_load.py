"""Study files: what they take, and how they say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting, StudySyntax
from butfor.study_file.load import build_study, estimators_of, question_of, read_study_file
from butfor.study_file.model import StudyModel
from butfor.study_file.template import TEMPLATE

GOOD = "question: {treatment: t, outcome: y}\ndata: {path: d.csv}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_template_is_a_study(tmp_path: Path) -> None:
    model = read_study_file(write(tmp_path, TEMPLATE))
    study = build_study(model, tmp_path)
    assert study.question.treatment == "discount"
    assert study.causal_graph is not None
    assert study.causal_graph.children("discount") == ("value_90d",)
    assert str(study.source) == str(tmp_path / "customers.parquet")


def test_names_become_objects(tmp_path: Path) -> None:
    text = (
        GOOD
        + "estimators: [aipw: {outcome_model: linear, propensity_model: logistic, folds: 3}, ols, ipw: {powers: 2}]"
    )
    chosen = estimators_of(read_study_file(write(tmp_path, text)))
    assert chosen == [
        bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel(), folds=3),
        bf.OLS(),
        bf.IPW(powers=2),
    ]


def test_a_question_about_times_names_its_event(tmp_path: Path) -> None:
    model = read_study_file(write(tmp_path, GOOD.replace("question: {", "question: {event: died, ")))
    assert question_of(model).event == "died"


def test_mediators_are_columns_of_the_study(tmp_path: Path) -> None:
    model = read_study_file(write(tmp_path, GOOD + "mediators: [m]\nestimators: [natural_effects]"))
    assert build_study(model, tmp_path).mediators == ("m",)
    assert estimators_of(model) == [bf.MediationAnalysis()]


def test_names_have_synonyms(tmp_path: Path) -> None:
    text = GOOD + "estimators: [plr, aipw: {outcome_model: mix, floor: 0.05}]"
    assert estimators_of(read_study_file(write(tmp_path, text))) == [bf.PartiallyLinear(), bf.AIPW(floor=0.05)]


def test_settings_that_are_words_or_true_and_false(tmp_path: Path) -> None:
    text = "estimators: [effect_stack: {loss: DR, folds: 3}, s_learner: {interactions: true}, "
    text += "r_learner: {effect_model: constant}, linear_effects: {along: [age], powers: 2}, "
    text += "linear_effects: {along: age}]"
    assert estimators_of(read_study_file(write(tmp_path, GOOD + text))) == [
        bf.EffectStack(loss="DR", folds=3),
        bf.SLearner(interactions=True),
        bf.RLearner(effect_model=bf.ConstantModel()),
        bf.LinearEffects(along=("age",), powers=2),
        bf.LinearEffects(along=("age",)),
    ]
    with pytest.raises(InvalidSetting, match="loss is 'T'"):
        estimators_of(read_study_file(write(tmp_path, GOOD + "estimators: [effect_stack: {loss: T}]")))


def test_designs(tmp_path: Path) -> None:
    text = GOOD + "design: {kind: instrumented, instrument: z, given: [x]}"
    study = build_study(read_study_file(write(tmp_path, text)), tmp_path)
    assert study.design == bf.Instrumented("z", given=("x",))
    for wrong in ("{kind: instrumented}", "{instrument: z}"):
        with pytest.raises(StudySyntax, match="needs both") as caught:
            build_study(read_study_file(write(tmp_path, GOOD + f"design: {wrong}")), tmp_path)
        assert "instrument: offered" in str(caught.value.hint)


def test_questions(tmp_path: Path) -> None:
    text = (
        "question: {treatment: t, outcome: y, estimand: {kind: ATT, trim: 0.1}, contrast: [2, 0]}\ndata: {path: d.csv}"
    )
    assert question_of(read_study_file(write(tmp_path, text))) == bf.Question(
        "t", "y", bf.ATT(trim=0.1), contrast=(2, 0)
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("question: {treatmnt: t, outcome: y}\ndata: {path: d}", r"question\.treatmnt \(line 1\)", "'treatment'"),
        (GOOD + "grpah: a -> b", r"grpah \(line 3\)", "'graph'"),
        (GOOD + "decision: {value_per_unit: 1, cost_per_treatd: 2}", "cost_per_treatd", "'cost_per_treated'"),
        ("question: {treatment: t}\ndata: {path: d}", r"question\.outcome is missing", "outcome:"),
        ("question: {treatment: t, outcome: y, estimand: ATX}\ndata: {path: d}", "ATE", "schema"),
        (GOOD + "seed: -1", r"seed \(line 3\) is -1", "schema"),
        (GOOD + "strategy: x", r"strategy \(line 3\) is not a key", "choose one of"),
        (GOOD + "dictionary: 1", r"dictionary \(line 3\) is not a key", "choose one of"),
        ("question: {treatment: t, outcome: y, estimand: {knd: ATT}}\ndata: {path: d}", r"estimand\.knd", "'kind'"),
        (GOOD + "graph: a -> b\ngraph: b -> a", r"graph stands twice in one section \(line 4\)", "remove"),
        (GOOD + "estimators: [aipw: 3]", r"estimators\.0\.aipw .* is 3; it should be settings", "schema"),
        (GOOD + "covariates: x", r"covariates .* it should be a list", "schema"),
        (GOOD + "seed: x", r"it should be a whole number\.", "schema"),
        (GOOD + "1: x", r"a key in letters", "schema"),
        (GOOD + "seed: [", "breaks at line", "indentation"),
        ("- 1", "no keys", "butfor new"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(StudySyntax, match=message) as caught:
        read_study_file(write(tmp_path, text))
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("apiw", "'apiw'", "'aipw'"),
        ("aipw: {fold: 3}", r"estimators\.aipw\.fold", "'folds'"),
        ("aipw: {outcome_model: linar}", "'linar'", "'linear'"),
        ("ipw: {powers: two}", "'two'", "powers"),
        ("aipw: {folds: 2.5}", "2.5; this setting needs a whole number", "folds: 2"),
        ("s_learner: {interactions: 1}", "1; this setting needs true or false", "interactions: true"),
        ("linear_effects: {along: 3}", "3; this setting needs names of columns", "along: [age]"),
        ("effect_stack: {candidates: [t_learner]}", "holds objects", "candidates"),
    ],
)
def test_estimators_are_checked(tmp_path: Path, entry: str, message: str, hint: str) -> None:
    with pytest.raises(StudySyntax, match=message) as caught:
        estimators_of(read_study_file(write(tmp_path, GOOD + f"estimators: [{entry}]")))
    assert hint in caught.value.hint


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(StudySyntax) as caught:
        read_study_file(tmp_path / "studdy.yaml")
    assert "'study.yaml'" in caught.value.hint


def test_every_key_is_described_or_plain() -> None:
    schema = json.dumps(StudyModel.model_json_schema())
    for key in ("question", "data", "graph", "design", "estimators", "negative_outcomes", "decision", "seed"):
        assert f'"{key}"' in schema
