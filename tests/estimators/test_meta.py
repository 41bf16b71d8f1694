"""Meta-learners: closed forms, no leakage, and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

import butfor as bf
from butfor.core.errors import (
    ButforError,
    InvalidSetting,
    MethodMismatch,
    MissingValues,
    SeparatedPropensity,
    TooFewRows,
    UnknownColumn,
)
from butfor.estimators.meta.dr_learner import DRLearner
from butfor.estimators.meta.learner import MetaFit
from butfor.estimators.meta.r_learner import RLearner
from butfor.estimators.meta.s_learner import SLearner
from butfor.estimators.meta.t_learner import TLearner
from butfor.estimators.meta.x_learner import XLearner
from butfor.nuisance.constant import ConstantModel

COVARIATES = ["x1", "x2", "group"]
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": COVARIATES, "arms": True}
LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
SAME = ConstantModel()
ALL = (
    SLearner(interactions=True, **LINEAR),
    TLearner(**LINEAR),
    XLearner(effect_model=bf.LinearModel(), **LINEAR),
    RLearner(effect_model=bf.LinearModel(), **LINEAR),
    DRLearner(effect_model=bf.LinearModel(), **LINEAR),
)
Frame = dict[str, np.ndarray]
every_learner = pytest.mark.parametrize("learner", ALL, ids=lambda learner: learner.title)


def world(n: int = 300, arms: int = 2, seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, n))
    group = rng.choice(["a", "b", "c"], n)
    noise = rng.gumbel(size=(n, arms))
    t = np.argmax(noise + 0.5 * np.outer(x1, np.arange(arms) % 3 - 1), axis=1)
    y = x1 + x2**2 + t * (1 + x1 - 0.5 * (group == "b")) + rng.normal(size=n)
    copies = rng.integers(1, 4, n).astype(float)
    return {"t": t, "y": y, "x1": x1, "x2": x2, "group": group, "copies": copies}


def design(frame: Frame) -> np.ndarray:
    return np.column_stack([frame["x1"], frame["x2"], frame["group"] == "b", frame["group"] == "c"]).astype(float)


def least_squares(columns: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(np.column_stack([np.ones(len(y)), columns]), y, rcond=None)[0]


def per_arm(frame: Frame, treated: int, reference: int, x: np.ndarray) -> np.ndarray:
    """The difference of two regressions, each on the rows of one arm."""
    fits = [least_squares(design(frame)[frame["t"] == a], frame["y"][frame["t"] == a]) for a in (treated, reference)]
    return np.column_stack([np.ones(len(x)), x]) @ (fits[0] - fits[1])


# --- closed forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arms", [2, 4])
def test_t_learners_with_linear_models_are_regressions_per_arm(arms: int) -> None:
    frame, new = world(arms=arms), world(50, seed=1)
    effects = TLearner(**LINEAR).fit(frame, **ROLES).effect(new)
    expected = [per_arm(frame, a, 0, design(new)) for a in range(1, arms)]
    assert_allclose(effects.value, np.column_stack(expected), rtol=0, atol=1e-10)
    assert effects.labels == tuple(f"t: {a} - 0" for a in range(1, arms))


def test_t_learners_with_linear_models_average_to_lins_estimate() -> None:
    frame = world()
    lin = bf.Lin().fit(frame, **ROLES).estimate().value
    effects = TLearner(**LINEAR).fit(frame, **ROLES).effect(frame).value
    assert_allclose(effects.mean(axis=0), lin, rtol=0, atol=1e-10)


@pytest.mark.parametrize("arms", [2, 4])
def test_s_learners_with_a_linear_model_give_the_slope_of_ols(arms: int) -> None:
    frame = world(arms=arms)
    ols = bf.OLS().fit(frame, **ROLES).estimate().value
    effects = SLearner(**LINEAR).fit(frame, **ROLES).effect(frame).value
    assert_allclose(effects, np.tile(ols, (300, 1)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("arms", [2, 4])
def test_s_learners_with_interactions_are_interacted_least_squares(arms: int) -> None:
    frame, new = world(arms=arms), world(50, seed=1)
    x, z = design(frame), design(new)
    arm = frame["t"][:, None] == np.arange(1, arms)
    beta = least_squares(np.column_stack([x, arm, *(x * d[:, None] for d in arm.T)]), frame["y"])
    start, p = 1 + x.shape[1], x.shape[1]
    slopes = [beta[start + arms - 1 + k * p : start + arms - 1 + (k + 1) * p] for k in range(arms - 1)]
    expected = [beta[start + k] + z @ slopes[k] for k in range(arms - 1)]
    effects = SLearner(interactions=True, **LINEAR).fit(frame, **ROLES).effect(new).value
    assert_allclose(effects, np.column_stack(expected), rtol=0, atol=1e-10)


def test_r_learners_with_a_constant_are_the_partially_linear_model() -> None:
    frame = world()
    plr = bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())
    theta = plr.fit(frame, rng=4, **ROLES).estimate().value
    effects = RLearner(effect_model=SAME, **LINEAR).fit(frame, rng=4, **ROLES).effect(frame).value
    assert_allclose(effects, np.tile(theta, (300, 1)), rtol=0, atol=1e-10)


def test_r_learners_with_a_linear_effect_solve_the_normal_equations_of_the_r_loss() -> None:
    """Residual on residual with interactions: Σ t̃ (1, x) (ỹ − t̃ (1, x)'β) = 0, with PLR's own residuals."""
    frame = world()
    plr = bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel()).fit(frame, **ROLES)
    assert plr.propensity is not None
    assert plr.residual is not None
    treatment = frame["t"] - plr.propensity[:, 1]
    outcome = plr.residual[:, 0] + treatment * plr.estimate().value[0]
    full = np.column_stack([np.ones(300), design(frame)])
    beta = np.linalg.lstsq(full * treatment[:, None], outcome, rcond=None)[0]
    effects = RLearner(effect_model=bf.LinearModel(), **LINEAR).fit(frame, **ROLES).effect(frame).value[:, 0]
    assert_allclose(effects, full @ beta, rtol=0, atol=1e-10)


@pytest.mark.parametrize("arms", [2, 4])
def test_dr_learners_with_a_constant_are_aipw(arms: int) -> None:
    frame = world(arms=arms)
    aipw = bf.AIPW(**LINEAR).fit(frame, **ROLES).estimate()
    effects = DRLearner(effect_model=SAME, **LINEAR).fit(frame, **ROLES).effect(frame).value
    assert_allclose(effects, np.tile(aipw.value, (300, 1)), rtol=0, atol=1e-10)


def test_dr_learners_with_a_linear_effect_regress_the_scores_of_aipw() -> None:
    frame = world(arms=3)
    scores = bf.AIPW(**LINEAR).fit(frame, **ROLES).scores
    assert scores is not None
    full = np.column_stack([np.ones(300), design(frame)])
    beta = least_squares(design(frame), scores[:, 1:] - scores[:, :1])
    effects = DRLearner(effect_model=bf.LinearModel(), **LINEAR).fit(frame, **ROLES).effect(frame).value
    assert_allclose(effects, full @ beta, rtol=0, atol=1e-10)


def test_x_learners_cross_the_arms() -> None:
    """From AIPW's own out-of-fold outcome models, two regressions by hand, blended by the logit of all rows."""
    frame, new = world(), world(50, seed=1)
    outcomes = bf.AIPW(**LINEAR).fit(frame, **ROLES).outcomes
    assert outcomes is not None
    x, t, y, z = design(frame), frame["t"], frame["y"], np.column_stack([np.ones(50), design(new)])
    of_treated = least_squares(x[t == 1], (y - outcomes[:, 0])[t == 1])
    of_reference = least_squares(x[t == 0], (outcomes[:, 1] - y)[t == 0])
    logit = bf.LogisticModel().fit(x, t.astype(float), None, rng=0)
    share = logit.predict(design(new))[:, 1]
    expected = share * (z @ of_reference) + (1 - share) * (z @ of_treated)
    effects = XLearner(effect_model=bf.LinearModel(), **LINEAR).fit(frame, **ROLES).effect(new).value[:, 0]
    assert_allclose(effects, expected, rtol=0, atol=1e-10)


@every_learner
@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATO()], ids=lambda e: e.label)
def test_every_average_is_aipws_with_the_same_models(learner: bf.Estimator, estimand: bf.Estimand) -> None:
    frame = world()
    aipw = bf.AIPW(**LINEAR).fit(frame, estimand=estimand, modifiers=["group"], **ROLES).estimate()
    meta = learner.fit(frame, estimand=estimand, modifiers=["group"], **ROLES).estimate()
    assert meta.labels == aipw.labels
    assert_array_equal(meta.value, aipw.value)
    assert_array_equal(meta.influence, aipw.influence)


@pytest.mark.parametrize("learner", [e for e in ALL if not isinstance(e, RLearner)], ids=lambda e: e.title)
def test_effects_of_outcomes_that_are_linear_per_arm_are_exact_without_noise(learner: Any) -> None:
    """The R-learner is left out: E[Y | X] is not linear here."""
    frame = world(arms=3)
    truth = np.column_stack([1 + frame["x1"], 3 - frame["x1"]])
    gains = np.column_stack([np.zeros(300), truth])
    noiseless = frame | {"y": frame["x2"] + gains[np.arange(300), frame["t"]]}
    fit = learner.fit(noiseless, **ROLES)
    assert_allclose(fit.effect(frame).value, truth, rtol=0, atol=1e-9)
    assert_allclose(fit.effect().value, truth, rtol=0, atol=1e-9)


def test_scikit_learn_regressors_serve_as_base_learners() -> None:
    frame = world()
    models: dict[str, Any] = {"outcome_model": LinearRegression(), "propensity_model": bf.LogisticModel()}
    ours = TLearner(**LINEAR).fit(frame, **ROLES).effect(frame).value
    assert_allclose(TLearner(**models).fit(frame, **ROLES).effect(frame).value, ours, rtol=0, atol=1e-9)
    tree: Any = DecisionTreeRegressor(max_depth=1, random_state=0)
    stump = DRLearner(effect_model=tree, **LINEAR).fit(frame, **ROLES).effect(frame).value
    assert len(np.unique(stump)) == 2


@every_learner
def test_effects_of_units_say_why_they_have_no_standard_error(learner: Any) -> None:
    effects = learner.fit(world(), **ROLES).effect()
    assert effects.std_error is None
    assert effects.tidy().names == ("row", "term", "estimate")
    assert [d.name for d in effects.diagnostics] == ["no-standard-error-of-units"]
    assert learner.title in effects.diagnostics[0].message


# --- nothing leaks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learner", [*ALL, XLearner(effect_model=SAME, **LINEAR)], ids=repr)
def test_the_effect_of_a_row_does_not_know_its_outcome(learner: Any) -> None:
    """Outcomes of one fold are replaced: effects of this fold stay to the bit, those of the others move."""
    fit = learner.fit(world(), **ROLES)
    before = fit.effect().value
    inside = fit.nuisances.folds.codes == 2
    other = fit.sample.with_outcome("y", np.where(inside, 100 * fit.sample.outcome[::-1], fit.sample.outcome))
    after = learner.fit_sample(other, fit.question, fit.strategy).effect().value
    assert_array_equal(after[inside], before[inside])
    assert np.all(np.abs(after[~inside] - before[~inside]) > 0)


# --- laws ------------------------------------------------------------------------------------------------------------


@every_learner
@pytest.mark.parametrize("arms", [2, 3])
def test_effects_do_not_depend_on_the_order_of_rows(learner: Any, arms: int) -> None:
    frame, new = world(arms=arms), world(50, seed=1)
    order = np.random.default_rng(1).permutation(300)
    one, two = learner.fit(frame, **ROLES), learner.fit({k: v[order] for k, v in frame.items()}, **ROLES)
    assert_allclose(two.effect(new).value, one.effect(new).value, rtol=0, atol=1e-8)
    assert_allclose(two.effect().value, one.effect().value[order], rtol=0, atol=1e-8)


@every_learner
def test_effects_have_the_unit_of_the_outcome(learner: Any) -> None:
    frame, new = world(), world(50, seed=1)
    scaled = frame | {"y": 1000 * frame["y"] - 7, "x1": frame["x1"] / 60}
    one, two = learner.fit(frame, **ROLES), learner.fit(scaled, **ROLES)
    assert_allclose(two.effect(new | {"x1": new["x1"] / 60}).value, 1000 * one.effect(new).value, rtol=0, atol=1e-5)


@every_learner
def test_swapped_labels_turn_the_sign(learner: Any) -> None:
    frame, new = world(), world(50, seed=1)
    one, two = learner.fit(frame, **ROLES), learner.fit(frame | {"t": 1 - frame["t"]}, **ROLES)
    assert_allclose(two.effect(new).value, -one.effect(new).value, rtol=0, atol=1e-8)
    assert_allclose(two.effect().value, -one.effect().value, rtol=0, atol=1e-8)


@every_learner
def test_weights_are_repeated_rows(learner: Any) -> None:
    frame, new = world(), world(50, seed=1)
    source = np.repeat(np.arange(300), frame["copies"].astype(int))
    weighted = learner.fit(frame, weights="copies", **ROLES)
    repeated = learner.fit({k: v[source] for k, v in frame.items()}, **ROLES)
    assert_allclose(repeated.effect(new).value, weighted.effect(new).value, rtol=0, atol=1e-7)
    assert_allclose(repeated.effect().value, weighted.effect().value[source], rtol=0, atol=1e-7)


@pytest.mark.parametrize("learner", [ALL[0], ALL[1], ALL[4]], ids=lambda learner: learner.title)
def test_the_contrast_that_is_asked_for_is_a_difference_of_the_others(learner: Any) -> None:
    """τ_21 = τ_20 − τ_10 for learners whose arms have models or scores of their own."""
    frame = world(arms=3)
    both, one = learner.fit(frame, **ROLES), learner.fit(frame, contrast=(2, 1), **ROLES)
    assert one.effect(frame).labels == ("t: 2 - 1",)
    difference = both.effect(frame).value @ np.array([-1.0, 1.0])
    assert_allclose(one.effect(frame).value[:, 0], difference, rtol=0, atol=1e-9)


@pytest.mark.parametrize("learner", [ALL[2], ALL[3]], ids=lambda learner: learner.title)
def test_pairwise_learners_see_the_rows_of_their_two_arms_only(learner: Any) -> None:
    """With outcome models and propensities that do not depend on the third arm, its outcomes do not matter."""
    frame = world(arms=3)
    other = frame | {"y": np.where(frame["t"] == 2, -frame["y"], frame["y"])}
    fit = learner.fit(frame, contrast=(1, 0), **ROLES)
    again = learner.fit_sample(fit.sample.with_outcome("y", other["y"]), fit.question, fit.strategy)
    assert_allclose(again.effect(frame).value, fit.effect(frame).value, rtol=0, atol=1e-10)


MIXED = bf.Mix(learners=(SAME, bf.LinearModel(penalty=None)))
BLENDED: dict[str, Any] = {"outcome_model": MIXED, "propensity_model": bf.LogisticModel(penalty=None)}


@pytest.mark.parametrize(
    "learner",
    [
        SLearner(**BLENDED),
        TLearner(**BLENDED),
        XLearner(effect_model=MIXED, **BLENDED),
        RLearner(effect_model=MIXED, **BLENDED),
        DRLearner(effect_model=MIXED, **BLENDED),
        DRLearner(),
    ],
    ids=repr,
)
def test_mixes_give_the_same_bits_for_the_same_seed(learner: Any) -> None:
    frame = world(120)
    one, two = learner.fit(frame, rng=7, **ROLES), learner.fit(frame, rng=7, **ROLES)
    assert_array_equal(one.effect(frame).value, two.effect(frame).value)
    assert np.isfinite(one.effect(frame).value).all()


# --- refusals --------------------------------------------------------------------------------------------------------

CASES: list[tuple[Any, dict[str, Any], dict[str, Any], type[ButforError]]] = [
    (TLearner(), {}, {"covariates": []}, InvalidSetting),
    (TLearner(), {"t": np.linspace(0, 1, 300)}, {"arms": False}, MethodMismatch),
    (TLearner(outcome_model=3), {}, {}, InvalidSetting),  # type: ignore[arg-type]
    (DRLearner(effect_model="x", **LINEAR), {}, {}, InvalidSetting),  # type: ignore[arg-type]
    (RLearner(effect_model=KNeighborsRegressor(), **LINEAR), {}, {}, InvalidSetting),  # type: ignore[arg-type]
    (XLearner(**LINEAR), {"t": (world()["x1"] > 0).astype(int)}, {}, SeparatedPropensity),
    (DRLearner(**LINEAR), {"t": np.arange(300) // 298}, {}, TooFewRows),
    (DRLearner(**LINEAR), {"x1": np.where(np.arange(300) == 5, np.nan, 1.0)}, {}, MissingValues),
    (TLearner(outcome_model=bf.OutOfFold(np.zeros((300, 2)))), {}, {}, InvalidSetting),
]


@pytest.mark.parametrize(("learner", "data", "roles", "error"), CASES)
def test_every_refusal_has_its_error_and_a_hint(
    learner: Any, data: dict[str, Any], roles: dict[str, Any], error: type[ButforError]
) -> None:
    with pytest.raises(error) as caught:
        learner.fit(world() | data, **(ROLES | roles)).effect(world())
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"x1": np.array([np.nan] * 50)}, MissingValues),
        ({"x1": np.array(["a"] * 50)}, ButforError),
        ({"group": np.array(["d", "e"] * 25)}, InvalidSetting),
        ({"x1": np.array([np.inf] * 50)}, ButforError),
    ],
)
def test_new_rows_that_cannot_be_read_are_refused(change: Frame, error: type[ButforError]) -> None:
    fit = TLearner(**LINEAR).fit(world(), **ROLES)
    with pytest.raises(error):
        fit.effect(world(50) | change)


def test_a_covariate_that_new_rows_lack_is_named() -> None:
    fit = TLearner(**LINEAR).fit(world(), **ROLES)
    new = world(50)
    del new["x2"]
    with pytest.raises(UnknownColumn, match="x2"):
        fit.effect(new)


def test_settings_out_of_range() -> None:
    for make in (lambda: TLearner(folds=2), lambda: DRLearner(floor=0.5), lambda: XLearner(floor=0.0)):
        with pytest.raises(InvalidSetting):
            make()


def test_effects_that_need_more_rows_per_arm_say_so() -> None:
    """Three treated rows in three folds suffice for the average, not for effects that leave two folds out."""
    frame = world(60)
    models: dict[str, Any] = {"outcome_model": SAME, "propensity_model": bf.LogisticModel(penalty=1.0)}
    folds = TLearner(**LINEAR).fit(frame, **ROLES).nuisances.folds.codes  # type: ignore[attr-defined]
    frame["t"] = np.zeros(60, dtype=int)
    frame["t"][[np.flatnonzero(folds == k)[0] for k in range(3)]] = 1
    fit: Any = DRLearner(effect_model=SAME, **models).fit(frame, **ROLES)
    assert np.isfinite(fit.estimate().std_error).all()
    assert np.isfinite(fit.effect(frame).value).all()
    with pytest.raises(TooFewRows, match="outside of two of 5 folds"):
        fit.effect()


def test_a_fit_without_its_nuisances_says_so() -> None:
    fit = TLearner(**LINEAR).fit(world(), **ROLES)
    assert isinstance(fit, MetaFit)
    for ask in (lambda f: f.effect(), lambda f: f.effect(world(20))):
        with pytest.raises(MethodMismatch):
            ask(replace(fit, nuisances=None))


def test_predictions_made_elsewhere_go_with_their_rows() -> None:
    """With given nuisances the DR-learner regresses the same scores, whichever fold is left out."""
    frame = world()
    aipw = bf.AIPW(**LINEAR).fit(frame, **ROLES)
    given: dict[str, Any] = {
        "outcome_model": bf.OutOfFold(aipw.outcomes),
        "propensity_model": bf.OutOfFold(aipw.propensity),
    }
    fit: Any = DRLearner(effect_model=bf.LinearModel(), **given).fit(frame, **ROLES)
    assert_allclose(fit.estimate().value, aipw.estimate().value, rtol=0, atol=1e-12)
    scores = aipw.scores[:, 1] - aipw.scores[:, 0]  # type: ignore[index]
    inside = fit.nuisances.folds.codes == 0
    beta = least_squares(design(frame)[~inside], scores[~inside])
    expected = np.column_stack([np.ones(inside.sum()), design(frame)[inside]]) @ beta
    assert_allclose(fit.effect().value[inside, 0], expected, rtol=0, atol=1e-10)
