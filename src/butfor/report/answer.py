"""The answer in one sentence, and the four verdicts under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from butfor.core.diagnostic import Severity
from butfor.data.sample import Treatment
from butfor.decide.decision import HEADLINES
from butfor.estimators.base import Fit
from butfor.identify.identification import Status
from butfor.identify.strategies import Adjustment, Strategy
from butfor.question import LQTE, QTE, CVaRE, Estimand
from butfor.question.framing import Kind
from butfor.question.question import Level
from butfor.refute.refutation import Refutations, Verdict
from butfor.report.instrument import effect_limits, instrument_of, is_weak
from butfor.report.numbers import (
    count,
    decimals_of,
    interval,
    listed,
    number,
    p_value,
    percent,
    probability,
    sentence_case,
)
from butfor.report.reasons import used_strategy
from butfor.report.record import StudyRecord

LEVEL = "95\u00a0%"
MEANS = {
    "front_door": "Through what lies between treatment and outcome (front door).",
    "functional": "By an expression that the general algorithm derives from the graph.",
    "instrument": "By an instrument, under assumptions that no graph vouches for.",
    "randomization": "By randomisation.",
}
GLYPHS = {"good": "✓", "bad": "✕", "unsure": "!", "plain": "–", "info": "i"}


@dataclass(frozen=True)
class Answer:
    """The headline in parts, so that the number can stand out, and the lines under it."""

    before: str
    number: str
    after: str
    fine: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The headline as one sentence."""
        return f"{self.before}{self.number}{self.after}"


@dataclass(frozen=True)
class Mark:
    """A verdict or notice: its tone decides colour and glyph, its word says it without either."""

    stage: str
    tone: str
    word: str
    line: str = ""

    @property
    def glyph(self) -> str:
        """The sign that stands beside the word."""
        return GLYPHS[self.tone]


# --- the answer ----------------------------------------------------------------------------------------------------


def answer(record: StudyRecord) -> Answer:
    """The answer to the question with its uncertainty, whose effect it is, and what one would see without the study."""
    question = record.question
    if record.estimates is None:
        found = (
            "The way from data to effect is known, but nothing has been estimated yet."
            if record.identification.status is not Status.NOT_IDENTIFIED
            else "The effect does not follow from the data and the assumptions made so far."
        )
        return Answer(f"How {question.treatment} changes {question.outcome} is not answered. {found}", "", "", ())
    fit = record.estimates.primary
    if fit.strategy.kind == "bounds":
        return _bounded(record, fit)
    low, high = effect_limits(fit)
    value = float(fit.result.value[0])
    decimals = decimals_of(low, high)
    size = number(abs(value), decimals)
    who = f"For {fit.result.estimand.words}"
    change = comparison(fit.sample.treatment)
    if low > 0 or high < 0:
        verb = "raises" if value > 0 else "lowers"
        sides = (low, high) if value > 0 else (-high, -low)
        ends = f", with a {LEVEL} interval from {interval(*sides, decimals)}."
        return Answer(
            f"{who}, {change} {verb} {question.outcome} by ", size, f" {_manner(fit)}{ends}", _fine(record, fit)
        )
    before = f"{who}, the data do not settle whether {change} changes {question.outcome}: the {_kind(fit)} is "
    ends = f", with a {LEVEL} interval from {interval(low, high, decimals)} that includes no effect."
    return Answer(before, number(value, decimals), ends, _fine(record, fit))


def _kind(fit: Fit) -> str:
    what = fit.result.estimand.what
    return "average effect" if what == Estimand.what else what


def _manner(fit: Fit) -> str:
    """What of the outcome it is that changes."""
    if not isinstance(fit.result.estimand, QTE | LQTE | CVaRE):
        return "on average"
    return f"({fit.result.labels[0].rpartition(', ')[2]})"


def comparison(treatment: Treatment) -> str:
    """What is compared with what, as the subject of a sentence."""
    if treatment.kind == "amount":
        return f"{number(treatment.step)} more of {treatment.name}"
    treated, reference = treatment.contrasts[0]
    return f"{treatment.name} = {_level(treatment.levels[treated])} instead of {_level(treatment.levels[reference])}"


def _level(level: Level) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _uncertainty(fit: Fit) -> str:
    if fit.strategy.kind == "bounds":
        low, high = (float(v) for v in fit.interval()[0])
        return f"the {LEVEL} interval of the effect is {interval(low, high, decimals_of(low, high))}"
    if is_weak(fit):
        return "the interval is an Anderson–Rubin set, since the instrument is weak"
    return f"standard error {number(float(fit.result.std_error[0]))}, p {_p_words(float(fit.result.p_value[0]))}"


def _fine(record: StudyRecord, fit: Fit) -> tuple[str, ...]:
    result = fit.result
    lines = [
        f"Estimand: {result.estimand.label}, the {_kind(fit)} for {result.estimand.words}. "
        f"Estimated by {fit.estimator.title} from {count(result.n, 'row')}; {_uncertainty(fit)}."
    ]
    if result.estimand != record.question.estimand:
        lines.append(
            f"The question asks for the {record.question.estimand.label}; this estimator answers the "
            f"{result.estimand.label}."
        )
    others = len(result.labels) - (2 if fit.strategy.kind == "bounds" else 1)
    if others:
        lines.append(f"{count(others, 'more effect')} by arm or subgroup: see the estimates.")
    if record.question.population:
        lines.append(f"Population: {record.question.population}")
    if record.estimates is not None:
        naive = record.estimates.naive.result
        low, high = (float(v) for v in naive.interval()[0])
        decimals = decimals_of(low, high)
        lines.append(
            f"The naive difference between the groups, which adjusts for nothing, is "
            f"{number(float(naive.value[0]), decimals)} ({interval(low, high, decimals)})."
        )
    return tuple(lines)


def _p_words(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"


def _bounded(record: StudyRecord, fit: Fit) -> Answer:
    """The headline for an effect that is known up to an interval."""
    low, high = (float(v) for v in fit.result.value[:2])
    decimals = decimals_of(low, high)
    change = comparison(fit.sample.treatment)
    before = f"For {fit.result.estimand.words}, {change} changes {record.question.outcome} by something between "
    certain = fit.interval()[0]
    settled = "no effect and either direction are possible"
    if certain[0] > 0 or certain[1] < 0:
        settled = "its direction is settled"
    return Answer(before, interval(low, high, decimals).replace(" to ", " and "), f": {settled}.", _fine(record, fit))


# --- the verdicts --------------------------------------------------------------------------------------------------


def verdicts(record: StudyRecord) -> tuple[Mark, Mark, Mark, Mark]:
    """Identified? Survived the checks? Hidden confounding examined? What to do?"""
    return (_identified(record), _checked(record.refutations), _examined(record), _decided(record))


def _identified(record: StudyRecord) -> Mark:
    stage = "Causal?"
    chosen = used_strategy(record)
    if chosen is None:
        return Mark(stage, "bad", "Not identified", "No valid route from these data to the effect.")
    if record.estimates is None and record.identification.status is Status.NOT_IDENTIFIED:
        return Mark(stage, "bad", "Not identified", "The graph has no answer; further assumptions would give one.")
    if chosen.kind == "bounds":
        return Mark(stage, "unsure", "Bounded", "No single number follows from these data, but an interval does.")
    return _followed(record, chosen)


def _followed(record: StudyRecord, chosen: Strategy) -> Mark:
    stage, means = "Causal?", _means(chosen)
    if record.identification.status is Status.ZERO_EFFECT:
        return Mark(stage, "unsure", "Zero by the graph", "The graph has no way from treatment to outcome.")
    if chosen.kind == "instrument":
        return Mark(stage, "unsure", "For some", f"{means} It is about those whom {chosen.uses[0]} moves.")
    if isinstance(chosen, Adjustment) and record.identification.graph is None:
        return Mark(stage, "unsure", "On your word", f"{means} No graph says that this suffices.")
    return Mark(stage, "good", "Identified", f"{means} The assumptions are listed below.")


def _means(strategy: Strategy) -> str:
    if not isinstance(strategy, Adjustment):
        return MEANS.get(strategy.kind, f"By {strategy.kind.replace('_', ' ')}.")
    if not strategy.adjust_for:
        return "Nothing had to be adjusted for."
    return f"By adjustment for {count(len(strategy.adjust_for), 'covariate')}."


def _checked(refutations: Refutations | None) -> Mark:
    stage = "Checks"
    if refutations is None or not len(refutations):
        return Mark(stage, "unsure", "Not checked", "Nobody has tried to break this estimate yet.")
    failed = [r.check for r in refutations.failed]
    if failed:
        word = f"{len(failed)} of {len(refutations)} failed"
        return Mark(stage, "bad", word, f"{sentence_case(listed(failed))}.")
    unsure = [r.check for r in refutations if r.verdict is Verdict.INCONCLUSIVE]
    if unsure:
        word = f"{len(refutations) - len(unsure)} of {len(refutations)} passed"
        return Mark(stage, "unsure", word, f"Inconclusive: {listed(unsure)}.")
    word = "Passed" if len(refutations) == 1 else f"All {len(refutations)} passed"
    return Mark(stage, "good", word, "No check found a reason to distrust the estimate.")


def _examined(record: StudyRecord) -> Mark:
    stage = "Hidden confounding"
    if record.sensitivity is None:
        return Mark(stage, "unsure", "Not examined", "How much a hidden confounder could change is unknown.")
    bounds, evalue = record.sensitivity.omitted_variable, record.sensitivity.evalue
    if record.estimates is not None and instrument_of(record.estimates.primary) is not None:
        return Mark(stage, "plain", "Allowed for", "Hidden causes of treatment and outcome do no harm here.")
    if bounds is not None:
        share = percent(bounds.robustness_value_significant, 1)
        line = f"One that explains {share} of what is left of treatment and outcome would undo significance."
        return Mark(stage, "info", "Examined", line)
    if evalue is not None:
        return Mark(stage, "info", "Examined", f"E-value {number(evalue.point)}.")
    return Mark(stage, "plain", "Examined", "No analysis applies to this estimate.")


def _decided(record: StudyRecord) -> Mark:
    stage = "Decision"
    if record.decision is None:
        return Mark(stage, "plain", "Not asked", "No value and cost were given.")
    chance = probability(record.decision.probability_positive)
    pays = f"Pays with a probability of {chance}, taking the estimate at face value."
    return Mark(stage, "info", HEADLINES[record.decision.recommendation].rstrip("."), pays)


# --- what the first page must not hide -----------------------------------------------------------------------------


def notices(record: StudyRecord) -> tuple[Mark, ...]:
    """What a reader must know before believing the answer."""
    found: list[Mark] = []
    if record.framing.kind is not Kind.CAUSAL:
        why = " ".join(record.framing.reasons)
        word = "This is a predictive question" if record.framing.kind is Kind.PREDICTIVE else "Is the question causal?"
        found.append(
            Mark("", "unsure", word if word.endswith("?") else f"{word}.", f"{why} {record.framing.advice}".strip())
        )
    if record.sensitivity is None and record.estimates is not None:
        found.append(
            Mark(
                "",
                "unsure",
                "Sensitivity not yet examined.",
                "Nobody has asked how strong a hidden confounder would have to be to change this answer. "
                "Read it as if there were none.",
            )
        )
    found.extend(
        Mark("", "bad", f"{sentence_case(d.name.replace('-', ' '))}.", d.message)
        for d in record.diagnostics
        if d.severity is Severity.DANGER
    )
    return tuple(found)


# --- what would change it ------------------------------------------------------------------------------------------


def what_would_change(record: StudyRecord) -> tuple[tuple[str, str], ...]:
    """Findings that would turn the conclusion, each with how far away they are."""
    if record.estimates is None:
        return ()
    fit = record.estimates.primary
    if fit.strategy.kind == "bounds":
        ways = [("A single number", r.describe()) for r in record.identification.remedies]
        return (
            *ways,
            *((sentence_case(a.name), f"Evidence against this: {a.statement}") for a in fit.result.assumptions),
        )
    low, high = effect_limits(fit)
    decimals = decimals_of(low, high)
    found: list[tuple[str, str]] = []
    if low <= 0 <= high:
        found.append(
            ("More data", "The interval includes no effect: a larger sample or an experiment could settle the sign.")
        )
    found.append(("A hidden confounder", _confounder(record)))
    found.extend(_break_even(record, low, high, decimals))
    found.extend(_disagreement(record.estimates.comparison().to_dicts()))
    if record.refutations is not None and record.refutations.failed:
        names = [r.check for r in record.refutations.failed]
        found.append(("The failed checks", f"{sentence_case(listed(names))}: explain why, or do not use the estimate."))
    found.extend((a.name, f"Evidence against this: {a.statement}") for a in fit.result.assumptions)
    return tuple((sentence_case(name.replace("_", " ").replace("-", " ")), text) for name, text in found)


def _confounder(record: StudyRecord) -> str:
    instrument = None if record.estimates is None else instrument_of(record.estimates.primary)
    if instrument is not None:
        return (
            f"One of treatment and outcome does no harm. One of {instrument} and the outcome does, and so does any "
            f"other way from {instrument} to the outcome."
        )
    if record.sensitivity is None:
        return "Not examined: no one knows how weak a hidden confounder could turn this around."
    bounds, evalue = record.sensitivity.omitted_variable, record.sensitivity.evalue
    if bounds is not None:
        first, all_of_it = percent(bounds.robustness_value_significant, 1), percent(bounds.robustness_value, 1)
        return (
            f"One that explains {first} of what the covariates leave of both treatment and outcome brings the interval "
            f"to no effect; {all_of_it} takes the whole effect away."
        )
    if evalue is not None:
        times = number(evalue.point)
        return f"One that makes both treatment and outcome {times} times as likely explains the effect away."
    return record.sensitivity.words


def _break_even(record: StudyRecord, low: float, high: float, decimals: int | None) -> list[tuple[str, str]]:
    if record.decision is None:
        return []
    even = record.decision.break_even_effect
    where = "inside the interval, so the decision is open" if low <= even <= high else "outside the interval"
    side = "above" if record.decision.value_per_unit > 0 else "below"
    effect = number(even, None if decimals is None else decimals + 1)
    return [("The price", f"Treatment pays where the effect is {side} {effect}, which is {where}.")]


def _disagreement(rows: Sequence[Mapping[str, object]]) -> list[tuple[str, str]]:
    far = [
        str(r["estimator"])
        for r in rows
        if r["same_estimand"] and isinstance(r["p_value"], float) and r["p_value"] < 0.05
    ]
    if not far:
        return []
    text = f"{listed(far)} differ{'s' if len(far) == 1 else ''} from the primary estimate by more than chance explains."
    return [("Estimators that disagree", text)]
