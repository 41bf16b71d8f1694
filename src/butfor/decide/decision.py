"""Treat all, treat none, or run an experiment first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from butfor.core.errors import InvalidSetting
from butfor.core.figure import Figure
from butfor.core.serial import encode, public_value
from butfor.core.table import Table, format_number
from butfor.inference.distribution import critical_value, normal_cdf, normal_pdf
from butfor.inference.estimate import Estimate

SURE = 0.95


class Recommendation(StrEnum):
    """What to do."""

    TREAT_ALL = "treat_all"
    TREAT_NONE = "treat_none"
    EXPERIMENT_FIRST = "experiment_first"


HEADLINES = {
    Recommendation.TREAT_ALL: "Treat everyone.",
    Recommendation.TREAT_NONE: "Treat no one.",
    Recommendation.EXPERIMENT_FIRST: "Run an experiment first.",
}


@public_value
@dataclass(frozen=True)
class Decision:
    """What the estimate is worth, and what to do with it.

    Money is in the units of `value_per_unit`; everything is per treated unit unless it says total.

    Attributes:
        recommendation: treat all, treat none, or experiment first.
        reasons: why, in sentences.
        net_value: value_per_unit · effect − cost_per_treated, with its standard error and 95 % interval.
        probability_positive: probability that the net value is above zero, given the estimate and a flat prior.
        break_even_effect: the effect at which treating pays for itself.
        value_of_perfect_information: what knowing the effect exactly would be worth before deciding.
        total_value_of_information: the same for all `units`, where their number is known.
    """

    recommendation: Recommendation
    reasons: tuple[str, ...]
    term: str
    value_per_unit: float
    cost_per_treated: float
    units: int | None
    net_value: float
    net_std_error: float
    net_low: float
    net_high: float
    probability_positive: float
    break_even_effect: float
    value_of_perfect_information: float
    total_value_of_information: float | None
    words: str
    figure: Figure | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "recommendation", Recommendation(self.recommendation))

    def tidy(self) -> Table:
        """One row per figure."""
        rows: list[tuple[Any, ...]] = [
            ("net value per treated unit", self.net_value),
            ("95 % interval, low", self.net_low),
            ("95 % interval, high", self.net_high),
            ("probability that it is positive", self.probability_positive),
            ("break-even effect", self.break_even_effect),
            ("value of perfect information per unit", self.value_of_perfect_information),
        ]
        if self.total_value_of_information is not None:
            rows.append((f"value of perfect information, {self.units:,} units", self.total_value_of_information))
        return Table(("figure", "value"), tuple(rows))

    def to_dict(self) -> dict[str, Any]:
        """The record of the JSON contract."""
        record: dict[str, Any] = encode(self)
        return {name: value for name, value in record.items() if name not in ("type", "figure")}

    def __str__(self) -> str:
        return "\n".join([self.words, *(f"- {reason}" for reason in self.reasons)])

    def _repr_html_(self) -> str:
        return f"<p>{self.words}</p>{self.tidy().to_html()}"


def decide(
    estimate: Estimate,
    *,
    value_per_unit: float,
    cost_per_treated: float = 0.0,
    units: int | None = None,
    experiment_cost: float | None = None,
    doubts: tuple[str, ...] = (),
) -> Decision:
    """Turn the first effect of an estimate into a decision.

    The net value of treating one unit is value_per_unit · effect − cost_per_treated. With a normal estimate and a flat
    prior it is normal, and the value of perfect information has the closed form ``s (φ(z) − |z| Φ(−|z|))`` with
    ``z = net / s``.

    Recommended is to treat (or not) when the probability that this is right is at least 95 % or when an experiment
    costs more than perfect information is worth; otherwise, and whenever a check cast doubt on the estimate, to
    experiment first.

    Args:
        value_per_unit: what one unit more of the outcome is worth; negative when the outcome is bad.
        cost_per_treated: what treating one unit costs.
        units: how many units the decision is about.
        experiment_cost: what an experiment would cost in total.
        doubts: failed checks, in words.

    Raises:
        InvalidSetting: for a value of zero, or figures that are not finite.
    """
    _check(value_per_unit, cost_per_treated, units, experiment_cost)
    effect, error = float(estimate.value[0]), float(estimate.std_error[0])
    net, spread = value_per_unit * effect - cost_per_treated, abs(value_per_unit) * error
    half = float(np.ravel(critical_value(0.95, estimate.degrees_of_freedom))[0]) * spread
    z = net / spread if spread > 0 else float(np.sign(net)) * np.inf
    positive = normal_cdf(z) if np.isfinite(z) else float(net > 0)
    worth = spread * (normal_pdf(z) - abs(z) * normal_cdf(-abs(z))) if np.isfinite(z) else 0.0
    total = None if units is None else worth * units
    recommendation, reasons = _recommend(positive, total, experiment_cost, doubts)
    low, high = net - half, net + half
    words = (
        f"{HEADLINES[recommendation]} Treating one unit is worth {format_number(net, 3)} net "
        f"(95 % interval {format_number(low, 3)} to {format_number(high, 3)}); "
        f"the probability that it pays is {positive:.0%}."
    )
    return Decision(
        recommendation,
        reasons,
        estimate.labels[0],
        value_per_unit,
        cost_per_treated,
        units,
        net,
        spread,
        low,
        high,
        positive,
        cost_per_treated / value_per_unit,
        worth,
        total,
        words,
        _figure(net, spread),
    )


def _check(value: float, cost: float, units: int | None, experiment: float | None) -> None:
    if value == 0 or not np.isfinite(value):
        raise InvalidSetting(
            f"value_per_unit is {value}; a decision needs a value other than 0.", hint="value_per_unit=1.0"
        )
    if not np.isfinite(cost):
        raise InvalidSetting(f"cost_per_treated is {cost}; a decision needs a number.", hint="cost_per_treated=0.0")
    if units is not None and units < 1:
        raise InvalidSetting(f"units is {units}; a decision is about 1 unit or more.", hint="units=10_000")
    if experiment is not None and not experiment >= 0:
        raise InvalidSetting(f"experiment_cost is {experiment}; it needs 0 or more.", hint="experiment_cost=5000.0")


def _recommend(
    positive: float, total: float | None, experiment_cost: float | None, doubts: tuple[str, ...]
) -> tuple[Recommendation, tuple[str, ...]]:
    leaning = Recommendation.TREAT_ALL if positive >= 0.5 else Recommendation.TREAT_NONE
    right = max(positive, 1 - positive)
    action = "treating everyone" if positive >= 0.5 else "treating no one"
    reasons = [f"The probability that {action} is the better choice is {right:.0%}, taking the estimate at face value."]
    if doubts:
        reasons += [f"A check cast doubt on the estimate. {doubt}" for doubt in doubts]
        return Recommendation.EXPERIMENT_FIRST, tuple(reasons)
    if right >= SURE:
        reasons.append(f"That is at least {SURE:.0%}: more evidence is unlikely to change the decision.")
        return leaning, tuple(reasons)
    if total is not None and experiment_cost is not None and total <= experiment_cost:
        reasons.append(
            f"Knowing the effect exactly would be worth {format_number(total, 3)}, less than the "
            f"{format_number(experiment_cost, 3)} that an experiment costs."
        )
        return leaning, tuple(reasons)
    reasons.append(f"That is less than {SURE:.0%}: an experiment may change the decision.")
    if total is not None:
        reasons.append(f"An experiment is worth at most {format_number(total, 3)}.")
    return Recommendation.EXPERIMENT_FIRST, tuple(reasons)


def _figure(net: float, spread: float) -> Figure | None:
    """Density of the net value, the losing part in another colour."""
    if spread <= 0:
        return None
    x = np.linspace(net - 4 * spread, net + 4 * spread, 161)
    density = np.exp(-0.5 * ((x - net) / spread) ** 2)
    values = [
        {"net": a, "density": b, "side": "pays" if a >= 0 else "loses"}
        for a, b in zip(x.tolist(), density.tolist(), strict=True)
    ]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 560,
        "height": 160,
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.75},
                "encoding": {
                    "x": {"field": "net", "type": "quantitative", "title": "net value per treated unit"},
                    "y": {"field": "density", "type": "quantitative", "axis": None},
                    "color": {
                        "field": "side",
                        "type": "nominal",
                        "title": None,
                        "scale": {"domain": ["pays", "loses"], "range": ["#1f6f8b", "#d98e04"]},
                    },
                },
            },
            {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": {"datum": 0}}},
        ],
    }
    return Figure("Net value", "How likely each net value per treated unit is, given the estimate.", spec)
