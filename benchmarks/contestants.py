"""What is timed: one function per contestant; each returns the effect that it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.world import confounded, graph

Contestant = Callable[[], dict[str, Any]]
ROWS, WIDE_ROWS, CONFOUNDERS = 100_000, 1_000_000, 10
COVARIATES = [f"x{j}" for j in range(CONFOUNDERS)]
ROLES = {"treatment": "treatment", "outcome": "outcome", "covariates": COVARIATES}


def butfor_battery() -> dict[str, Any]:
    """Identify, AIPW with linear and logistic nuisances, and the battery (100 placebos, 30 noise refits)."""
    import butfor as bf

    study = bf.Study(confounded(ROWS), question=bf.Question("treatment", "outcome"), graph=graph())
    study.identify()
    linear = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    estimate = study.estimate(linear).primary.result
    refutations = study.refute()
    return {"effect": float(estimate.value[0])} | {r.check: r.refuted_estimate for r in refutations.results}


def butfor_battery_learned() -> dict[str, Any]:
    """The same with machine-learned nuisances on 10,000 rows."""
    import butfor as bf

    study = bf.Study(confounded(10_000), question=bf.Question("treatment", "outcome"), graph=graph())
    estimate = study.estimate(bf.AIPW()).primary.result
    study.refute()
    return {"effect": float(estimate.value[0])}


def butfor_fit_learned() -> dict[str, Any]:
    """One fit with machine-learned nuisances on 10,000 rows."""
    import butfor as bf

    return {"effect": float(bf.AIPW().fit(confounded(10_000), **ROLES).estimate().value[0])}


def _dowhy(method: str) -> dict[str, Any]:
    from dowhy import CausalModel

    names = "; ".join([*(f"{x} -> treatment; {x} -> outcome" for x in COVARIATES), "treatment -> outcome"])
    model = CausalModel(data=confounded(ROWS), treatment="treatment", outcome="outcome", graph=f"digraph {{ {names} }}")
    estimand = model.identify_effect(proceed_when_unidentifiable=True)
    estimate = model.estimate_effect(estimand, method_name=f"backdoor.{method}")
    found = {"effect": float(estimate.value)}
    for refuter in ("placebo_treatment_refuter", "random_common_cause", "data_subset_refuter"):
        options = {"placebo_type": "permute"} if refuter.startswith("placebo") else {}
        result = model.refute_estimate(
            estimand, estimate, method_name=refuter, num_simulations=100, random_seed=1, **options
        )
        found[refuter] = float(result.new_effect)
    return found


def dowhy_weighting() -> dict[str, Any]:
    """Identify, propensity weighting and three refuters with 100 simulations each."""
    return _dowhy("propensity_score_weighting")


def dowhy_regression() -> dict[str, Any]:
    """Identify, linear regression and three refuters with 100 simulations each."""
    return _dowhy("linear_regression")


def doubleml_aipw() -> dict[str, Any]:
    """IRM with linear and logistic nuisances, five folds, one fit."""
    from doubleml import DoubleMLData, DoubleMLIRM
    from sklearn.linear_model import LinearRegression, LogisticRegression

    data = DoubleMLData(confounded(ROWS), "outcome", "treatment")
    model = DoubleMLIRM(data, LinearRegression(), LogisticRegression(C=1e8, max_iter=1000), n_folds=5)
    model.fit()
    return {"effect": float(model.coef[0])}


def econml_aipw() -> dict[str, Any]:
    """LinearDRLearner with linear and logistic nuisances, five folds, one fit."""
    from econml.dr import LinearDRLearner
    from sklearn.linear_model import LinearRegression, LogisticRegression

    frame = confounded(ROWS)
    model = LinearDRLearner(
        model_propensity=LogisticRegression(C=1e8, max_iter=1000), model_regression=LinearRegression(), cv=5
    )
    model.fit(frame.outcome, frame.treatment, X=None, W=frame[COVARIATES])
    return {"effect": float(np.ravel(model.effect(None))[0])}


def butfor_aipw() -> dict[str, Any]:
    """AIPW with linear and logistic nuisances, five folds, one fit."""
    import butfor as bf

    linear = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    return {"effect": float(linear.fit(confounded(ROWS), **ROLES).estimate().value[0])}


def _wide() -> pd.DataFrame:
    return confounded(WIDE_ROWS)


def butfor_ols() -> dict[str, Any]:
    """OLS with HC2 on a million rows and eleven regressors."""
    import butfor as bf

    return _timed_inside(lambda frame: float(bf.OLS().fit(frame, **ROLES).estimate().std_error[0]))


def numpy_ols() -> dict[str, Any]:
    """The plain algebra of the same: normal equations, leverages, sandwich."""

    def run(frame: pd.DataFrame) -> float:
        x = np.column_stack([np.ones(len(frame)), frame[["treatment", *COVARIATES]].to_numpy(dtype=float)])
        y = frame["outcome"].to_numpy()
        bread = np.linalg.inv(x.T @ x)
        residual = y - x @ (bread @ (x.T @ y))
        leverage = np.einsum("ij,ij->i", x @ bread, x)
        meat = x.T @ (x * (residual**2 / (1 - leverage))[:, None])
        return float(np.sqrt((bread @ meat @ bread)[1, 1]))

    return _timed_inside(run)


def statsmodels_ols() -> dict[str, Any]:
    """statsmodels' OLS with HC2."""
    import statsmodels.api as sm

    def run(frame: pd.DataFrame) -> float:
        x = sm.add_constant(frame[["treatment", *COVARIATES]])
        return float(sm.OLS(frame["outcome"], x).fit(cov_type="HC2").bse["treatment"])

    return _timed_inside(run)


def _timed_inside(run: Callable[[pd.DataFrame], float]) -> dict[str, Any]:
    """CPU seconds of the computation alone, after one warm-up, without start-up and data generation."""
    import time

    frame = _wide()
    run(frame)
    times = []
    for _ in range(5):
        start = time.process_time()
        std_error = run(frame)
        times.append(time.process_time() - start)
    return {"std_error": std_error, "inside_cpu": float(np.median(times))}


def butfor_identify() -> dict[str, Any]:
    """Adjustment sets of a random graph with 100 nodes, 20 % latent."""
    import time

    import butfor as bf
    from butfor.identify.identify import identify

    rng = np.random.default_rng(5)
    names = [f"v{j}" for j in range(100)]
    edges = [(a, b) for j, b in enumerate(names) for a in names[:j] if rng.random() < 3 / 100]
    latent = [name for name in names[:-1] if rng.random() < 0.2 and name != "v50"]
    causal = bf.CausalGraph(names, edges, latent=latent)
    start = time.process_time()
    found = identify(bf.Question("v50", "v99"), causal)
    return {"strategies": len(found.strategies), "inside_cpu": time.process_time() - start}


SECTIONS: dict[str, tuple[Contestant, ...]] = {
    f"A study with its battery, {ROWS:,} × {CONFOUNDERS}": (butfor_battery, dowhy_weighting, dowhy_regression),
    f"One doubly robust fit, {ROWS:,} × {CONFOUNDERS}": (butfor_aipw, doubleml_aipw, econml_aipw),
    "Machine-learned nuisances, 10,000 rows": (butfor_fit_learned, butfor_battery_learned),
    f"OLS with HC2, {WIDE_ROWS:,} × 11": (butfor_ols, numpy_ols, statsmodels_ols),
    "Identification, 100 nodes": (butfor_identify,),
}
