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
        ("We are curious", "unclear", "does not say"),
    ],
)
def test_the_decision_decides(decision: str, kind: str, word: str) -> None:
    framing = bf.judge(bf.Question("t", "y", decision=decision))
    assert framing.kind == kind
    assert any(word in reason for reason in framing.reasons)
    assert framing.advice


def test_without_a_decision_the_text_must_do() -> None:
    assert bf.judge(bf.Question("t", "y", text="Does quitting smoking change weight?")).kind == "causal"
    assert bf.judge(bf.Question("t", "y")).kind == "unclear"


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
