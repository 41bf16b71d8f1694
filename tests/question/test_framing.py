"""Causal or predictive, and the mistakes that a question shows."""

from __future__ import annotations

import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting, RoleConflict
from butfor.question.framing import antipatterns


@pytest.mark.parametrize(
    ("decision", "kind", "word"),
    [
        ("Send the discount to everyone or to no one", "causal", "'send'"),
        ("Stop prescribing the drug", "causal", "'stop'"),
        ("Raise prices by 5 %", "causal", "'raise'"),
        ("Forecast next week's demand", "predictive", "'forecast'"),
        ("Rank customers by churn risk", "predictive", "'rank'"),
        ("Predict who will churn and offer them a rebate", "causal", "'offer'"),
        ("Do not change prices; forecast demand instead", "predictive", "'forecast'"),
        ("Nothing will be changed, we only want to forecast", "predictive", "'forecast'"),
        ("Don't send anything, rank customers", "predictive", "'rank'"),
        ("We will not forecast but treat", "causal", "'treat'"),
        ("Stop the drug or do not stop it", "causal", "'stop'"),
        ("Whether or not to launch", "causal", "'launch'"),
        ("Plan capacity for the price season", "predictive", "'plan'"),
        ("Estimate the effect of the discount", "causal", "'effect'"),
        ("If we raised prices, what would happen?", "causal", "'raised'"),
        ("We are curious", "unclear", "does not say"),
    ],
)
def test_the_decision_decides(decision: str, kind: str, word: str) -> None:
    framing = bf.judge(bf.Question("t", "y", decision=decision))
    assert framing.kind == kind
    assert any(word in reason for reason in framing.reasons)
    assert framing.advice


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        ("Does quitting smoking change weight?", "causal", "'Does quitting smoking change'"),
        ("What happens if we stop the mailing?", "causal", "'if we'"),
        ("Which customers will churn?", "predictive", "'Which customers will'"),
        ("Forecast sales", "predictive", "'forecast'"),
        ("Will demand increase next month?", "unclear", "Nothing says"),
        ("", "unclear", "Nothing says"),
    ],
)
def test_without_a_decision_the_text_must_do(text: str, kind: str, word: str) -> None:
    framing = bf.judge(bf.Question("t", "y", text=text))
    assert framing.kind == kind
    assert [reason for reason in framing.reasons if word in reason]


def test_a_decision_that_says_nothing_leaves_it_to_the_text() -> None:
    framing = bf.judge(bf.Question("t", "y", decision="We are curious", text="Forecast sales"))
    assert framing.kind == "predictive"
    assert "importances" in framing.advice


def test_a_measured_score_is_no_model_output() -> None:
    assert antipatterns(bf.Question("t", "test_score", decision="act"), covariates=["exam_score_before"]) == ()


def test_model_output_is_no_treatment() -> None:
    found = antipatterns(bf.Question("churn_score", "y", decision="act"), covariates=["predicted_value", "age"])
    assert [d.name for d in found] == ["prediction-as-effect", "prediction-as-effect"]
    talk = antipatterns(bf.Question("t", "y", decision="Change what has the highest feature importance"))
    assert talk[0].severity == "danger"
    assert "no-decision" in {d.name for d in antipatterns(bf.Question("t", "y"))}


def test_framing_survives_json() -> None:
    framing = bf.judge(bf.Question("t", "y", decision="send it"))
    assert bf.from_json(bf.to_json(framing)) == framing


def test_questions_with_conflicting_roles_are_refused() -> None:
    with pytest.raises(RoleConflict, match="both treatment and outcome"):
        bf.Question("y", "y")
    with pytest.raises(RoleConflict, match="modifier"):
        bf.Question("t", "y", modifiers=("t",))
    with pytest.raises(InvalidSetting, match="two different levels"):
        bf.Question("t", "y", contrast=(1, 1))
    with pytest.raises(InvalidSetting, match="trim"):
        bf.ATE(trim=0.6)


def test_questions_survive_json() -> None:
    question = bf.Question("t", "y", bf.ATT(trim=0.05), contrast=("b", "a"), modifiers="sex", decision="send it")
    assert bf.from_json(bf.to_json(question)) == question
    assert question.modifiers == ("sex",)
