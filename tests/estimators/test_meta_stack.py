"""The stack: its shares against a solver, its doubt where effects are the same, its laws."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.estimators.meta.dr_learner import DRLearner
from butfor.estimators.meta.r_learner import RLearner
from butfor.estimators.meta.s_learner import SLearner
from butfor.estimators.meta.stack import EffectStack, q_aggregation
from butfor.estimators.meta.t_learner import TLearner
from butfor.estimators.meta.x_learner import XLearner
from butfor.nuisance.constant import ConstantModel
from tests.estimators.test_meta import LINEAR, ROLES, Frame, world

EFFECT = bf.LinearModel()
CANDIDATES = (
    TLearner(),
    XLearner(effect_model=EFFECT),
    RLearner(effect_model=EFFECT),
    DRLearner(effect_model=EFFECT),
)
STACKS = (EffectStack(candidates=CANDIDATES, **LINEAR), EffectStack(candidates=CANDIDATES, loss="DR", **LINEAR))
both_losses = pytest.mark.parametrize("stack", STACKS, ids=lambda stack: str(stack.loss))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), candidates=st.integers(2, 6), noise=st.floats(0.1, 10))
def test_the_shares_minimise_the_criterion_over_the_simplex(seed: int, candidates: int, noise: float) -> None:
    """SciPy's SLSQP, from the middle and from every corner, finds nothing lower."""
    rng = np.random.default_rng(seed)
    n = 40
    truth = rng.normal(size=n)
    effects = np.array([truth * rng.uniform(-0.5, 1.5) + rng.normal(size=n) * 0.5 for _ in range(candidates)])
    gap = effects - (truth + noise * rng.normal(size=n))
    gram = gap @ gap.T / n
    prior = np.full(candidates, 0.5 / (candidates - 1))
    prior[0] = 0.5

    def criterion(s: np.ndarray) -> float:
        price = 4 * gram[0, 0] / n * np.log(1 / prior)
        return float(0.5 * s @ gram @ s + 0.5 * s @ np.diag(gram) + price @ s)

    found = q_aggregation(gram, prior, n)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-12)
    starts = [np.full(candidates, 1 / candidates), *np.eye(candidates)]
    unit = {"type": "eq", "fun": lambda s: s.sum() - 1}
    for start in starts:
        other = minimize(criterion, start, bounds=[(0, 1)] * candidates, constraints=[unit], method="SLSQP")
        assert criterion(found) <= other.fun + 1e-6 * abs(other.fun)


@pytest.mark.parametrize("truth_among", [True, False])
def test_the_temperature_keeps_the_promise_that_it_is_derived_from(truth_among: bool) -> None:
    """E|η − f_s|² ≤ min_j (|η − f_j|² + 4σ² log(1/π_j)) with σ known, over 400 draws of the noise.

    The error has a Monte Carlo standard error of its own; three of them are allowed. With σ known, the constant's
    residual is not needed: its gram is set so that the criterion's σ² is the true one.
    """
    rng = np.random.default_rng(5)
    n, sigma = 50, 1.0
    effects = np.vstack([np.zeros(n), 0.3 * rng.normal(size=(4, n))])
    eta = effects[2] if truth_among else effects[1:3].sum(axis=0)
    prior = np.array([0.5, *[0.125] * 4])
    bound = np.min(np.sum((eta - effects) ** 2, axis=1) + 4 * sigma**2 * np.log(1 / prior))
    errors = []
    for _ in range(400):
        gap = effects - (eta + sigma * rng.normal(size=n))
        shares = q_aggregation(gap @ gap.T / n, prior, n, variance=sigma**2)
        errors.append(np.sum((eta - shares @ effects) ** 2))
    assert np.mean(errors) <= bound + 3 * np.std(errors) / 20


def flat(n: int, seed: int, slope: float = 0.0) -> Frame:
    """Confounded, with an effect of 1 + slope · x1."""
    rng = np.random.default_rng(seed)
    x1, x2, x3 = rng.normal(size=(3, n))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.7 * x1 + 0.5 * x2))).astype(int)
    y = x1 + 2 * x2 + t * (1 + slope * x1) + rng.normal(size=n)
    return {"t": t, "y": y, "x1": x1, "x2": x2, "x3": x3}


FLAT_ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x1", "x2", "x3"]}


@both_losses
def test_where_effects_do_not_differ_the_stack_says_the_same_for_all(stack: EffectStack) -> None:
    """Of 20 samples all but two give the constant nine tenths or more, and effects spread a tenth of what T's do.

    With three covariates a candidate seems better than the constant by the price of its prior, 4 log 8 = 8.3 in units
    of σ²/n, when a χ² variable with 3 degrees of freedom exceeds 8.3 or so: in 4 of 100 samples. P(Bin(20, .04) > 2)
    = .04, and these samples are fixed.
    """
    shares, spread, single = [], [], []
    for seed in range(20):
        frame = flat(400, seed)
        fit: Any = stack.fit(frame, **FLAT_ROLES)
        shares.append(fit.model.shares[0, 0])
        spread.append(fit.effect(frame).value.std())
        single.append(TLearner(**LINEAR).fit(frame, **FLAT_ROLES).effect(frame).value.std())
    assert np.sum(np.array(shares) > 0.9) >= 18
    assert np.mean(spread) < 0.1 * np.mean(single)


@both_losses
def test_where_effects_differ_the_stack_finds_them(stack: EffectStack) -> None:
    """Its error exceeds the best candidate's by no more than the price of the prior, on average over 10 samples.

    The price is (4σ²/n) log(1/π) with σ = 1, n = 400 and π = 1/8, in units of the loss. The R-loss counts a squared
    error of the effect by e(1 − e), .21 on average here; the DR-loss has σ² above 1/.21 and counts it in full.
    """
    new = flat(500, 99)
    truth = 1 + 1.0 * new["x1"]
    errors = []
    for seed in range(10):
        frame = flat(400, seed, slope=1.0)
        learners = (stack, *(type(c)(**LINEAR, **_effect(c)) for c in CANDIDATES))
        errors.append([np.mean((e.fit(frame, **FLAT_ROLES).effect(new).value[:, 0] - truth) ** 2) for e in learners])
    mean = np.mean(errors, axis=0)
    assert mean[0] < mean[1:].min() + 4 / 400 * np.log(8) / 0.21
    assert mean[0] < 0.1 * truth.var()


def _effect(candidate: Any) -> dict[str, Any]:
    return {"effect_model": candidate.effect_model} if hasattr(candidate, "effect_model") else {}


@both_losses
def test_shares_are_reported_and_sum_to_one(stack: EffectStack) -> None:
    fit: Any = stack.fit(world(arms=3), **ROLES)
    assert fit.model.shares.shape == (5, 2)
    assert_allclose(fit.model.shares.sum(axis=0), 1.0, rtol=0, atol=1e-12)
    table = fit.model.tidy()
    assert table.names == ("candidate", "term", "share")
    assert table.column("candidate")[:2] == ["same for all"] * 2
    assert_array_equal(table.column("share"), fit.model.shares.reshape(-1))


def test_the_constant_of_each_loss_is_the_estimate_of_its_own_kind() -> None:
    """A stack with a share of one for the constant is PLR's effect (R) or AIPW's (DR), for every unit."""
    frame = flat(400, 3)
    plr = bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())
    aipw = bf.AIPW(**LINEAR)
    for stack, estimator in zip(STACKS, (plr, aipw), strict=True):
        fit: Any = stack.fit(frame, **FLAT_ROLES)
        constant = fit.model.models[0].predict(np.zeros((1, 3)))[0]
        assert_allclose(constant, estimator.fit(frame, **FLAT_ROLES).estimate().value, rtol=0, atol=1e-10)


@both_losses
def test_the_stack_obeys_the_laws(stack: EffectStack) -> None:
    frame, new = world(), world(50, seed=1)
    fit = stack.fit(frame, **ROLES)
    one, own = fit.effect(new).value, fit.effect().value
    order = np.random.default_rng(1).permutation(300)
    shuffled = stack.fit({k: v[order] for k, v in frame.items()}, **ROLES)
    assert_allclose(shuffled.effect(new).value, one, rtol=0, atol=1e-6)
    assert_allclose(shuffled.effect().value, own[order], rtol=0, atol=1e-6)
    swapped = stack.fit(frame | {"t": 1 - frame["t"]}, **ROLES)
    assert_allclose(swapped.effect(new).value, -one, rtol=0, atol=1e-6)
    scaled = stack.fit(frame | {"y": 1000 * frame["y"]}, **ROLES)
    assert_allclose(scaled.effect(new).value, 1000 * one, rtol=0, atol=1e-3)
    weighted, source = (
        stack.fit(frame, weights="copies", **ROLES),
        np.repeat(np.arange(300), frame["copies"].astype(int)),
    )
    repeated = stack.fit({k: v[source] for k, v in frame.items()}, **ROLES)
    assert_allclose(repeated.effect(new).value, weighted.effect(new).value, rtol=0, atol=1e-6)
    twice = stack.fit(frame | {"copies": 7 * frame["copies"]}, weights="copies", **ROLES)
    assert_allclose(twice.effect(new).value, weighted.effect(new).value, rtol=0, atol=1e-6)


def test_candidates_keep_models_of_their_own() -> None:
    frame = world()
    own = TLearner(outcome_model=ConstantModel())
    fit: Any = EffectStack(candidates=(own, SLearner()), **LINEAR).fit(frame, **ROLES)
    gap = frame["y"][frame["t"] == 1].mean() - frame["y"][frame["t"] == 0].mean()
    assert_allclose(fit.model.models[1].predict(np.zeros((2, 4))), gap, rtol=0, atol=1e-12)


def test_more_agreement_never_costs_the_constant_its_share() -> None:
    """The noisier the target, the more the constant gets."""
    rng = np.random.default_rng(0)
    effects = np.vstack([np.zeros(200), rng.normal(size=200)])
    noise = rng.normal(size=200)
    shares = []
    for size in (0.1, 1.0, 4.0, 16.0):
        gap = effects - (effects[1] + size * noise)
        shares.append(q_aggregation(gap @ gap.T / 200, np.array([0.5, 0.5]), 200)[0])
    assert all(low <= high + 1e-9 for low, high in pairwise(shares))


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": ()},
        {"candidates": (3,)},
        {"candidates": (EffectStack(),)},
        {"candidates": (TLearner(),) * 10},
        {"loss": "T"},
        {"folds": 2},
    ],
)
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting) as caught:
        EffectStack(**wrong)
    assert caught.value.hint
