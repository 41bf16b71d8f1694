"""E-values against R's EValue 4.1.4 and the paper's examples."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.refute.evalue import EValue, e_value
from tests.refute.worlds import confounded, fitted

# R 4.2.2, EValue 4.1.4; the inputs are those of its documentation.
REFERENCES = [
    (EValue.of_risk_ratio(10.73, 8.02, 14.36), 20.94777373, 15.52335925),
    (EValue.of_odds_ratio(3.9, 1.8, 8.7, rare=True), 7.263034344, 3.0),
    (EValue.of_hazard_ratio(0.56, 0.46, 0.69, rare=False), 2.3495312573, 1.9080039433),
    (EValue.of_standardized_difference(0.5, 0.25), 2.529141982, 1.110803197),
]


@pytest.mark.parametrize(("result", "point", "limit"), REFERENCES)
def test_e_values_are_those_of_r(result: EValue, point: float, limit: float) -> None:
    assert result.point == pytest.approx(point, abs=1e-7)
    assert result.limit == pytest.approx(limit, abs=1e-7)


def test_risk_differences_are_those_of_r() -> None:
    result = EValue.of_counts((397, 78557), (51, 108778))
    assert result.point == pytest.approx(20.94733418, abs=1e-7)
    # R searches the limit on a grid with steps of 1e-4 in the bias factor.
    assert result.limit == pytest.approx(15.95702613, abs=1e-3)
    flipped = EValue.of_counts((51, 108778), (397, 78557))
    assert (flipped.point, flipped.limit) == pytest.approx((result.point, result.limit))
    assert flipped.risk_ratio == pytest.approx(1.0 / result.risk_ratio)


def test_protective_effects_and_intervals_with_no_effect() -> None:
    assert e_value(0.5) == pytest.approx(e_value(2.0))
    assert e_value(1.0) == 1.0
    assert e_value(3.0, null=1.5) == pytest.approx(e_value(2.0))
    assert EValue.of_risk_ratio(0.8, 0.5, 1.2).limit == 1.0
    assert EValue.of_risk_ratio(1.2, 0.9, 1.5).limit == 1.0
    assert EValue.of_risk_ratio(2.0).limit is None
    assert EValue.of_odds_ratio(4.0, rare=False).point == pytest.approx(e_value(2.0))


def test_a_mean_difference_goes_by_the_standard_deviation_of_the_outcome() -> None:
    frame = confounded()
    fit = fitted(frame=frame)
    result = EValue.of_fit(fit)
    assert result is not None
    sd = float(np.std(frame["outcome"], ddof=1))
    effect, error = float(fit.result.value[0]) / sd, float(fit.result.std_error[0]) / sd
    assert result.risk_ratio == pytest.approx(exp(0.91 * effect))
    assert result.limit == pytest.approx(e_value(exp(0.91 * effect - 1.78 * error)))
    assert "times as likely" in result.words


def test_a_yes_or_no_outcome_goes_by_the_risks() -> None:
    # 60 of 100 against 30 of 100: a risk ratio of 2.
    treatment = np.repeat([1.0, 0.0], 100)
    outcome = np.concatenate([np.repeat([1.0, 0.0], [60, 40]), np.repeat([1.0, 0.0], [30, 70])])
    fit = bf.DifferenceInMeans().fit({"t": treatment, "y": outcome}, treatment="t", outcome="y")
    result = EValue.of_fit(fit)
    assert result is not None
    assert result.risk_ratio == pytest.approx(2.0)
    assert result.point == pytest.approx(2.0 + np.sqrt(2.0))
    assert result.limit == pytest.approx(e_value(1.0 + float(fit.result.interval()[0, 0]) / 0.3))
    assert bf.from_json(bf.to_json(result)) == result


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: EValue.of_risk_ratio(-1.0),
        lambda: EValue.of_risk_ratio(2.0, 3.0, 4.0),
        lambda: EValue.of_odds_ratio(0.0, rare=False),
        lambda: EValue.of_slope(1.0, 0.1, outcome_sd=0.0),
        lambda: EValue.of_counts((0, 10), (5, 5)),
    ],
)
def test_impossible_inputs_are_refused(wrong: object) -> None:
    with pytest.raises(InvalidSetting):
        wrong()  # type: ignore[operator]
