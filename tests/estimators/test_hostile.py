"""Data on which a method has no answer: an error that says so, never a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import (
    ButforError,
    Collinear,
    EmptyArm,
    InvalidSetting,
    MethodMismatch,
    RoleConflict,
    SeparatedPropensity,
    TooFewRows,
)

RNG = np.random.default_rng(0)
N = 200
X = RNG.normal(size=N)
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x"]}
LINEAR = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}


def frame(treatment: np.ndarray, **columns: np.ndarray) -> dict[str, np.ndarray]:
    return {"t": treatment, "y": X + RNG.normal(size=N), "x": X, **columns}


DECIDED = (X > 0).astype(int)
FREE = RNG.integers(0, 2, N)


@pytest.mark.parametrize("estimator", [bf.IPW(), bf.AIPW(), bf.AIPW(**LINEAR), bf.PartiallyLinear()], ids=repr)
def test_a_treatment_that_the_covariates_decide(estimator: bf.Estimator) -> None:
    with pytest.raises((SeparatedPropensity, Collinear), match=r"decide|predict"):
        estimator.fit(frame(DECIDED), **ROLES)


def test_the_logit_names_the_covariate() -> None:
    with pytest.raises(SeparatedPropensity, match="'x'"):
        bf.IPW().fit(frame(DECIDED), **ROLES)


CASES: list[tuple[bf.Estimator, dict[str, np.ndarray], dict[str, Any], type[ButforError]]] = [
    (bf.OLS(), frame(2 * X), {}, Collinear),
    (bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel()), frame(2 * X), {}, Collinear),
    (bf.IPW(), frame(RNG.normal(size=N)), {}, MethodMismatch),
    (bf.AIPW(), frame(RNG.normal(size=N)), {}, MethodMismatch),
    (bf.Lin(), frame(FREE), {"estimand": bf.ATO()}, MethodMismatch),
    (bf.OLS(), frame(FREE), {"covariates": ["t"]}, RoleConflict),
    (bf.OLS(), frame(FREE, w=X), {"weights": "w"}, InvalidSetting),
    (bf.OLS(), frame(FREE, g=DECIDED * 0), {"cluster": "g"}, InvalidSetting),
    (bf.OLS(powers=0), frame(FREE), {}, InvalidSetting),
    (bf.AIPW(outcome_model=3), frame(FREE), {}, InvalidSetting),  # type: ignore[arg-type]
    (bf.OLS(), frame(DECIDED, g=DECIDED), {"modifiers": ["g"]}, EmptyArm),
    (bf.AIPW(), {k: v[:8] for k, v in frame(np.arange(N) % 2).items()}, {}, TooFewRows),
]


@pytest.mark.parametrize(("estimator", "data", "roles", "error"), CASES)
def test_every_refusal_has_its_error_and_a_hint(
    estimator: bf.Estimator, data: dict[str, np.ndarray], roles: dict[str, Any], error: type[ButforError]
) -> None:
    with pytest.raises(error) as caught:
        _ = estimator.fit(data, **(ROLES | roles)).estimate().std_error
    assert caught.value.hint


def test_settings_out_of_range() -> None:
    for make in (lambda: bf.AIPW(folds=1), lambda: bf.AIPW(floor=0.7), lambda: bf.PartiallyLinear(folds=0)):
        with pytest.raises(InvalidSetting):
            make()


def test_a_large_mean_costs_no_digits() -> None:
    data = frame(FREE)
    near = bf.OLS().fit(data, **ROLES).estimate()
    far = bf.OLS().fit(data | {"x": X + 1e9}, **ROLES).estimate()
    # Adding 1e9 rounds x to 1e-7: what is left of its digits decides.
    assert far.value[0] == pytest.approx(near.value[0], abs=1e-6)


def test_weak_overlap_is_a_diagnostic_and_trimming_asks_another_question() -> None:
    treatment = (2.5 * X + RNG.logistic(size=N) > 0).astype(int)
    fit = bf.AIPW(**LINEAR).fit(frame(treatment), **ROLES)
    assert "propensity-floor" in {d.name for d in fit.estimate().diagnostics}
    trimmed = bf.AIPW(**LINEAR).fit(frame(treatment), estimand=bf.ATE(trim=0.1), **ROLES)
    assert trimmed.estimate().estimand.label == "ATE, trimmed to 0.1 ≤ e(X)"
    assert trimmed.estimate().std_error[0] < fit.estimate().std_error[0] * 2


def test_regressions_without_randomisation_are_not_called_the_ate() -> None:
    fitted = bf.OLS().fit(frame(FREE), **ROLES).estimate()
    assert fitted.estimand.code == "VWE"
    assert bf.OLS().fit(frame(FREE), treatment="t", outcome="y").estimate().estimand.code == "ATE"
    naive = bf.DifferenceInMeans().fit(frame(FREE), **ROLES).estimate()
    assert naive.estimand.code == "association"
    assert naive.diagnostics[0].name == "ignores-confounders"
