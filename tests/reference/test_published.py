"""Numbers printed by R packages and books, on data that come with PyPI packages."""

from __future__ import annotations

from typing import Any

import causaldata
import numpy as np
import pandas as pd
import pytest
from linearmodels.datasets import card

import butfor as bf

NSW_COVARIATES = ("age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75")
# The package rounds earnings to seven digits, which moves R's numbers in the sixth.
ROUNDED = 2e-6


@pytest.fixture(scope="module")
def nsw() -> pd.DataFrame:
    """The experimental sample of Dehejia and Wahba, 445 rows."""
    return causaldata.nsw_mixtape.load_pandas().data


@pytest.fixture(scope="module")
def nhefs() -> pd.DataFrame:
    """Hernán and Robins, What If: 1,566 smokers followed from 1971 to 1982."""
    frame = causaldata.nhefs_complete.load_pandas().data
    categories = ["sex", "race", "education", "exercise", "active"]
    return frame.assign(**{name: frame[name].astype(str) for name in categories}, qsmk=frame["qsmk"].astype(int))


def experiment(frame: pd.DataFrame, estimator: bf.Estimator, design: bf.Randomized, graph: str | None = None) -> Any:
    study = bf.Study(frame, question=bf.Question("treat", "re78"), design=design, graph=graph)
    return study.estimate(estimator).primary.result


def test_difference_in_means_of_estimatr(nsw: pd.DataFrame) -> None:
    """R estimatr: difference_in_means(re78 ~ treat) and lm_robust(re78 ~ treat, se_type = "HC1")."""
    estimate = experiment(nsw, bf.DifferenceInMeans(), bf.Randomized())
    assert estimate.value[0] == pytest.approx(1794.343085, rel=ROUNDED)
    assert estimate.std_error[0] == pytest.approx(670.9967296585, rel=ROUNDED)
    assert estimate.with_inference(covariance="HC1").std_error[0] == pytest.approx(670.8246759, rel=ROUNDED)


def test_blocked_difference_in_means_of_estimatr(nsw: pd.DataFrame) -> None:
    """R estimatr: difference_in_means(re78 ~ treat, blocks = black)."""
    estimate = experiment(nsw, bf.DifferenceInMeans(), bf.Randomized(within="black"))
    assert estimate.value[0] == pytest.approx(1824.817605, rel=ROUNDED)
    assert estimate.std_error[0] == pytest.approx(666.5552655, rel=ROUNDED)


def test_lins_regression_of_estimatr(nsw: pd.DataFrame) -> None:
    """R estimatr: lm_lin(re78 ~ treat, ~ age + educ + black + hisp + married + nodegr + re74 + re75), HC2."""
    graph = "; ".join([*(f"{name} -> re78" for name in NSW_COVARIATES), "treat -> re78"])
    estimate = experiment(nsw, bf.Lin(), bf.Randomized(), graph)
    assert estimate.value[0] == pytest.approx(1621.583624, rel=ROUNDED)
    assert estimate.std_error[0] == pytest.approx(694.7217163642, rel=ROUNDED)


@pytest.mark.parametrize(("kind", "std_error"), [("HC1", 0.003646247706), ("HC2", 0.003647401953)])
def test_returns_to_schooling_of_r(kind: str, std_error: float) -> None:
    """R lm and sandwich on Card (1995): lwage on educ, exper, expersq, black, south, smsa, reg661-reg668, smsa66."""
    frame = card.load()
    regions = [f"reg66{j}" for j in range(1, 9)]
    covariates = ["exper", "expersq", "black", "south", "smsa", *regions, "smsa66"]
    fit = bf.OLS().fit(frame, treatment="educ", outcome="lwage", covariates=covariates)
    estimate = fit.estimate().with_inference(covariance=kind)
    # The package holds log wages with seven digits; R's data have more.
    assert estimate.value[0] == pytest.approx(0.0746932556, rel=1e-7)
    assert estimate.std_error[0] == pytest.approx(std_error, rel=1e-7)


WHAT_IF = ("sex", "race", "age", "education", "smokeintensity", "smokeyrs", "exercise", "active", "wt71")


def test_weighting_of_what_if(nhefs: pd.DataFrame) -> None:
    """What If, program 12.2: 3.4 kg (95 % confidence interval 2.4 to 4.5), logit with squares.

    The book's interval treats the propensities as known, which is conservative; ours lies inside it.
    """
    fit = bf.IPW(powers=2).fit(nhefs, treatment="qsmk", outcome="wt82_71", covariates=WHAT_IF)
    estimate = fit.estimate()
    low, high = estimate.interval()[0]
    assert round(float(estimate.value[0]), 1) == 3.4
    assert low > 2.4
    assert high < 4.5


def test_standardisation_of_what_if(nhefs: pd.DataFrame) -> None:
    """What If, program 13.3: 3.5 kg (2.6 to 4.5) with one product term; a model per arm is within a tenth."""
    fit = bf.Lin(powers=2).fit(nhefs, treatment="qsmk", outcome="wt82_71", covariates=WHAT_IF)
    low, high = fit.estimate().interval()[0]
    assert float(fit.estimate().value[0]) == pytest.approx(3.5, abs=0.1)
    assert low == pytest.approx(2.6, abs=0.15)
    assert high == pytest.approx(4.5, abs=0.15)


def test_outcome_regression_of_what_if(nhefs: pd.DataFrame) -> None:
    """What If, section 15.1: outcome regression without product terms, 3.5 kg (2.6 to 4.3)."""
    estimate = bf.OLS(powers=2).fit(nhefs, treatment="qsmk", outcome="wt82_71", covariates=WHAT_IF).estimate()
    classic = estimate.with_inference(covariance="HC0").interval()[0]
    assert round(float(estimate.value[0]), 1) == 3.5
    np.testing.assert_allclose(classic, [2.6, 4.3], atol=0.1)
