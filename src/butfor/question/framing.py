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
EFFECT_TALK = re.compile(
    r"\b(because of|caus(?:e|es|ed|al)|due to|effects?|impact|leads? to|pays? off|worth it|what if|would have|"
    r"would happen|if (?:we|i|they|you|one)|should (?:we|i|they|you|one)|(?:does|do|did|would)\b(?! not\b).*\b"
    r"(?:change|raise|lower|increase|reduce|help|improve|affect|work|prevent))",
    re.I,
)
FORECAST_TALK = re.compile(r"\b((?:who|what|when|where|which \w+|how (?:many|much)\b.*) will|likely to)\b", re.I)
CLAUSE_END = re.compile(r"[,;:.!?]|\b(?:but|instead|only)\b", re.I)
NEGATIONS = frozenset("don't doesn't didn't won't not never no nothing nobody without neither nor".split())
NEGATION_REACH = 3  # words: "not" in "do not yet change it"
ARTICLES = frozenset("the a an this that these those our their its".split())
MEASURED_SCORE = re.compile(r"(^|_)(test|exam|math|reading|writing|pain|apgar)_score(_|$)", re.I)
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
    It is a reading of words, not of minds: the reasons quote what it went by.

    >>> judge(Question("discount", "sales", decision="Offer the discount to everyone or to no one")).kind.value
    'causal'
    >>> judge(Question("season", "sales", decision="Plan the stock for next week")).kind.value
    'predictive'
    >>> judge(Question("price", "sales", decision="Do not change prices; forecast demand")).kind.value
    'predictive'
    """
    kind, reasons = _read_decision(question)
    if kind is Kind.UNCLEAR:
        kind, more = _read_text(question)
        reasons = [*reasons, *more]
    if not reasons:
        reasons.append("Nothing says what will be done with the answer.")
    return Framing(kind, tuple(reasons), ADVICE[kind])


def _read_decision(question: Question) -> tuple[Kind, list[str]]:
    decision = question.decision or ""
    if not decision:
        return Kind.UNCLEAR, []
    acting, foreseeing = _found(decision, ACTING, names_too=False), _found(decision, FORESEEING)
    talk = EFFECT_TALK.search(decision)
    reasons: list[str] = []
    if acting:
        reasons.append(f"The decision is to act: {decision!r} has {_quoted(acting)}.")
    if talk:
        reasons.append(f"The decision needs to know what the treatment does: {decision!r} has {talk[0]!r}.")
    if foreseeing:
        reasons.append(f"The decision is to prepare for what comes: {decision!r} has {_quoted(foreseeing)}.")
    name = re.escape(question.treatment.replace("_", " "))
    about = len(question.treatment) > 1 and re.search(rf"\b{name}\b", decision.replace("_", " "), re.I)
    if about and not foreseeing:
        reasons.append(f"The decision is about the treatment {question.treatment!r} itself.")
    if acting or talk or (about and not foreseeing):
        return Kind.CAUSAL, reasons
    if foreseeing:
        return Kind.PREDICTIVE, reasons
    return Kind.UNCLEAR, [f"{decision!r} does not say whether something will be changed."]


def _read_text(question: Question) -> tuple[Kind, list[str]]:
    text = question.text
    talk = EFFECT_TALK.search(text)
    if talk:
        return Kind.CAUSAL, [f"The question asks what the treatment does: {text!r} has {talk[0]!r}."]
    ahead = FORECAST_TALK.search(text)
    words = _found(text, FORESEEING) or ([ahead[0]] if ahead else [])
    if words:
        return Kind.PREDICTIVE, [f"The question asks what comes, not what changes it: {text!r} has {_quoted(words)}."]
    return Kind.UNCLEAR, []


def antipatterns(question: Question, *, covariates: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Mistakes that the question itself shows."""
    found: list[Diagnostic] = []
    roles = [("treatment", question.treatment), ("outcome", question.outcome), *(("covariate", c) for c in covariates)]
    for role, name in roles:
        if MODEL_OUTPUT.search(name) and not MEASURED_SCORE.search(name):
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


def _found(text: str, stems: Sequence[str], *, names_too: bool = True) -> list[str]:
    """Words of the text that are one of these verbs, in any common form, unless denied: "do not change it".

    With `names_too=False` words after an article do not count: "the price season" changes no price.
    """
    found: list[str] = []
    plain = re.sub(r"\bor not\b", " ", text.lower().replace("\u2019", "'"))
    for clause in CLAUSE_END.split(plain):
        words = re.findall(r"[a-z']+", clause)
        for place, word in enumerate(words):
            before = words[:place]
            named = not names_too and bool(before) and before[-1] in ARTICLES
            if not named and NEGATIONS.isdisjoint(before[-NEGATION_REACH:]):
                found.extend([word] if any(_is_form(word, stem) for stem in stems) else [])
    return list(dict.fromkeys(found))


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
