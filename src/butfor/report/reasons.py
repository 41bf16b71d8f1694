"""Why the estimate is an effect: the argument, and what was done about each thing it assumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from butfor.core.diagnostic import Assumption
from butfor.identify.proof import ProofStep
from butfor.identify.strategies import Strategy
from butfor.report.instrument import strength_words
from butfor.report.numbers import listed, number, percent, sentence_case
from butfor.report.record import StudyRecord

NOT_PROBED = "Not probed here."
BY_KNOWLEDGE = "No data can tell; it rests on knowledge of the field."


@dataclass(frozen=True)
class Probed:
    """An assumption, how it can be probed, and what the probe found here."""

    name: str
    statement: str
    probe: str
    found: str


@dataclass(frozen=True)
class Why:
    """The argument from assumptions to effect."""

    summary: str
    steps: tuple[ProofStep, ...]
    assumptions: tuple[Probed, ...]
    others: tuple[str, ...]
    implications: tuple[str, ...]
    remedies: tuple[str, ...]
    bounds: tuple[str, ...]


def why(record: StudyRecord) -> Why:
    """The argument of the strategy that the primary estimate used."""
    found = record.identification
    strategy = used_strategy(record)
    return Why(
        summary=found.explanation,
        steps=found.proof,
        assumptions=() if strategy is None else tuple(_probed(record, a) for a in strategy.assumptions),
        others=tuple(s.describe() for s in found.strategies if s != strategy),
        implications=found.implications if strategy is None else strategy.implications,
        remedies=tuple(r.describe() for r in found.remedies),
        bounds=tuple(b.describe() for b in found.bounds),
    )


def used_strategy(record: StudyRecord) -> Strategy | None:
    """The strategy behind the primary estimate, or the recommended one before there is an estimate."""
    if record.estimates is not None:
        return record.estimates.primary.strategy
    return record.identification.strategies[0] if record.identification.strategies else None


def _probed(record: StudyRecord, assumption: Assumption) -> Probed:
    probe = _PROBES.get(assumption.name, _knowledge)
    return Probed(sentence_case(assumption.name), assumption.statement, assumption.probe, probe(record))


def _knowledge(_: StudyRecord) -> str:
    return BY_KNOWLEDGE


def _hidden_confounding(record: StudyRecord) -> str:
    found: list[str] = []
    bounds = None if record.sensitivity is None else record.sensitivity.omitted_variable
    evalue = None if record.sensitivity is None else record.sensitivity.evalue
    if bounds is not None:
        found.append(f"Robustness value {percent(bounds.robustness_value, 1)}.")
    if evalue is not None:
        found.append(f"E-value {number(evalue.point)}.")
    results = () if record.refutations is None else record.refutations.results
    found.extend(f"{sentence_case(r.check)}: {r.verdict}." for r in results if r.check.startswith("placebo outcome"))
    return " ".join(found) or f"{NOT_PROBED} Run study.sensitivity()."


def _overlap(record: StudyRecord) -> str:
    if record.overlap is None:
        return f"{NOT_PROBED} The primary estimator models no propensity."
    rows = record.overlap.summary.to_dicts()
    kept = min(float(row["effective_share"] or 0.0) for row in rows)
    return f"After weighting at least {percent(kept)} of the rows of each arm still count; see the overlap plot."


def _consistency(record: StudyRecord) -> str:
    names = () if record.estimates is None else record.estimates.primary.result.cluster_names
    return f"Standard errors are clustered by {listed(names)}. {BY_KNOWLEDGE}" if names else BY_KNOWLEDGE


def _randomisation(record: StudyRecord) -> str:
    if record.balance is None:
        return f"{NOT_PROBED} The arms were not compared in columns known before."
    worst = max((abs(float(v or 0.0)) for v in record.balance.column("standardised_before")), default=0.0)
    return f"The largest standardised difference between the arms is {number(worst, 2)}."


def _exclusion(record: StudyRecord) -> str:
    results = () if record.refutations is None else record.refutations.results
    found = [f"{sentence_case(r.check)}: {r.verdict}." for r in results if r.check.startswith("placebo outcome")]
    return " ".join(found) or f"{NOT_PROBED} {BY_KNOWLEDGE}"


def _relevance(record: StudyRecord) -> str:
    words = None if record.estimates is None else strength_words(record.estimates.primary)
    return words or NOT_PROBED


_PROBES: dict[str, Callable[[StudyRecord], str]] = {
    "no hidden confounding": _hidden_confounding,
    "overlap": _overlap,
    "exclusion": _exclusion,
    "relevance": _relevance,
    "consistency": _consistency,
    "randomisation": _randomisation,
}
