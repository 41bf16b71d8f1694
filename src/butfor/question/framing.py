"""Is the question causal at all? And does it carry one of the known mistakes?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.serial import public_value
from butfor.question.question import Question


class Kind(StrEnum):
    """What kind of answer the decision needs."""

    CAUSAL = "causal"
    PREDICTIVE = "predictive"
    UNCLEAR = "unclear"


ACTING = """
    adopt allocate allow approve assign ban buy campaign change charge close contact cut deploy discontinue
    discount drop encourage expand extend fund give hire implement increase install intervene introduce invest
    invite launch limit lower mail mandate market move nudge offer open operate pay personalise personalize
    prescribe prevent price promote provide quit raise recommend reduce remove replace require restrict retain
    reward roll run screen send spend start stop subsidise subsidize support switch target tax teach train treat
    vaccinate withdraw
""".split()
FORESEEING = """
    anticipate capacity classify detect diagnose estimate expect flag forecast foresee identify inventory
    monitor plan predict prioritise prioritize rank reserve schedule score sort staff stock triage
""".split()
CAUSAL_WORDS = ("because", "cause", "causes", "effect", "impact", "lead to", "would have", "what if", "due to", "worth")
MODEL_OUTPUT = re.compile(r"(^|_)(pred(icted|iction)?|score|proba?|probability|yhat|logit|risk_score|shap)(_|$)", re.I)
MODEL_TALK = re.compile(
    r"feature importance|shap|coefficients? of (the|our) model|model('s)? (output|prediction)", re.I
)


@public_value
@dataclass(frozen=True)
class Framing:
    """The verdict on a question, its reasons, and what to do next."""

    kind: Kind
    reasons: tuple[str, ...]
    advice: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Kind(self.kind))

    def __str__(self) -> str:
        return "\n".join([f"This question is {self.kind}.", *(f"- {r}" for r in self.reasons), self.advice])


ADVICE = {
    Kind.CAUSAL: "Draw what causes what, and identify the effect before estimating it.",
    Kind.PREDICTIVE: (
        "A predictive model answers this: forecast the outcome as it comes, and judge it by its errors on new data. "
        "Its importances and coefficients are not effects."
    ),
    Kind.UNCLEAR: (
        "Say what will be done with the answer, as in decision='send the discount to everyone or to no one': if "
        "something is changed because of it the question is causal, if one only prepares it is predictive."
    ),
}


def judge(question: Question) -> Framing:
    """Causal or predictive, from what will be done with the answer.

    A decision that changes the treatment needs to know what happens *because* of it; a decision that prepares for the
    outcome as it comes needs a forecast. The words of `question.decision` tell which, failing that those of its text.

    >>> judge(Question("discount", "sales", decision="Offer the discount to everyone or to no one")).kind.value
    'causal'
    >>> judge(Question("season", "sales", decision="Plan the stock for next week")).kind.value
    'predictive'
    """
    decision = question.decision or ""
    acting, foreseeing = _found(decision, ACTING), _found(decision, FORESEEING)
    reasons = [f"The decision is to act: {decision!r} has {_quoted(acting)}."] if acting else []
    reasons += (
        [f"The decision is to prepare for what comes: {decision!r} has {_quoted(foreseeing)}."] if foreseeing else []
    )
    name = re.escape(question.treatment.replace("_", " "))
    if re.search(rf"\b{name}\b", decision.replace("_", " "), re.I) and len(question.treatment) > 1 and not foreseeing:
        acting = [*acting, question.treatment]
        reasons.append(f"The decision is about the treatment {question.treatment!r} itself.")
    if not decision:
        words = [w for w in CAUSAL_WORDS if re.search(rf"\b{w}\b", question.text, re.I)]
        changing = bool(
            re.search(
                r"\b(does|do|did|would|will)\b.*\b(change|raise|lower|increase|reduce|help|improve|affect|work)",
                question.text,
                re.I,
            )
        )
        if words or changing:
            reasons = [f"The question asks what the treatment does: {question.text!r}."]
            return Framing(Kind.CAUSAL, tuple(reasons), ADVICE[Kind.CAUSAL])
        reasons.append("Nothing says what will be done with the answer.")
        return Framing(Kind.UNCLEAR, tuple(reasons), ADVICE[Kind.UNCLEAR])
    if acting:
        return Framing(Kind.CAUSAL, tuple(reasons), ADVICE[Kind.CAUSAL])
    if foreseeing:
        return Framing(Kind.PREDICTIVE, tuple(reasons), ADVICE[Kind.PREDICTIVE])
    reasons.append(f"{decision!r} does not say whether something will be changed.")
    return Framing(Kind.UNCLEAR, tuple(reasons), ADVICE[Kind.UNCLEAR])


def antipatterns(question: Question, *, covariates: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Mistakes that the question itself shows."""
    found: list[Diagnostic] = []
    roles = [("treatment", question.treatment), ("outcome", question.outcome), *(("covariate", c) for c in covariates)]
    for role, name in roles:
        if MODEL_OUTPUT.search(name):
            message = (
                f"The {role} {name!r} looks like the output of a predictive model: what a model predicts is not what a "
                "treatment does. Use what was done and what happened."
            )
            found.append(Diagnostic("prediction-as-effect", Severity.CAUTION, message))
    if MODEL_TALK.search(f"{question.decision or ''} {question.text}"):
        message = "A model's importances or coefficients say what predicts the outcome, not what changes it."
        found.append(Diagnostic("prediction-as-effect", Severity.DANGER, message))
    if question.decision is None:
        message = (
            "Nobody said what will be done with the answer; without a decision there is no reason to be this careful."
        )
        found.append(Diagnostic("no-decision", Severity.NOTE, message))
    return tuple(found)


def _found(text: str, stems: Sequence[str]) -> list[str]:
    """Words of the text that are one of these verbs, in any common form."""
    words = re.findall(r"[a-z]+", text.lower())
    return [w for w in dict.fromkeys(words) if any(_is_form(w, stem) for stem in stems)]


def _is_form(word: str, stem: str) -> bool:
    base = stem[:-1] if stem.endswith("e") else stem
    return word in {
        stem,
        f"{stem}s",
        f"{stem}es",
        f"{base}ing",
        f"{base}ed",
        f"{stem}{stem[-1]}ing",
        f"{stem}{stem[-1]}ed",
    }


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"{w!r}" for w in words)
