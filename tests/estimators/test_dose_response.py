"""Dose response: npcausal's curve, brute force, closed forms, double robustness, laws, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import ButforError, Collinear, InvalidSetting, MethodMismatch, StudySyntax, TooFewRows
from butfor.estimators.orthogonal.dose_response import DoseFit, DoseResponse
from butfor.inference.dose_curve import DosePredictions, rule_of_thumb, smooth_curve
from butfor.nuisance.constant import ConstantModel
from butfor.study_file.registry import estimator

Frame = dict[str, np.ndarray]
LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LinearModel()}
ROLES: dict[str, Any] = {"treatment": "dose", "outcome": "y", "covariates": ["x"]}
DOSES = (-1.0, -0.5, 0.0, 0.5, 1.0)


def world(n: int = 400, seed: int = 4242, noise: float = 1.0) -> Frame:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    dose = x + rng.normal(size=n) * (1 + 0.3 * x)
    return {"x": x, "dose": dose, "y": np.sin(dose) + x + noise * rng.normal(size=n)}


def fit(frame: Frame, **settings: Any) -> DoseFit:
    found = DoseResponse(**({**LINEAR, "doses": DOSES} | settings)).fit(frame, **ROLES)
    assert isinstance(found, DoseFit)
    return found


def levels(found: DoseFit) -> bf.Estimate:
    assert found.curve is not None
    return found.curve


# --- numbers ---------------------------------------------------------------------------------------------------------


def fitted(columns: np.ndarray, target: np.ndarray, new: np.ndarray) -> np.ndarray:
    beta = np.linalg.lstsq(np.column_stack([np.ones(len(columns)), columns]), target, rcond=None)[0]
    return np.column_stack([np.ones(len(new)), new]) @ beta


def density_model() -> tuple[Callable[[float], np.ndarray], np.ndarray]:
    """π(t | x) of every row by least squares and a normal kernel with R's nrd0 bandwidth, and at the row's own dose."""
    frame = world()
    dose, columns = frame["dose"], np.column_stack([frame["x"], frame["x"] ** 2])
    mean = fitted(columns, dose, columns)
    spread = np.sqrt(fitted(columns, (dose - mean) ** 2, columns))
    z = (dose - mean) / spread
    low, high = np.quantile(z, [0.25, 0.75])
    width = 0.9 * min(z.std(ddof=1), (high - low) / 1.34) * len(z) ** -0.2

    def density(at: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * ((at[:, None] - z) / width) ** 2).mean(axis=1) / width / np.sqrt(2 * np.pi)

    return lambda t: density((t - mean) / spread) / spread, density(z) / spread


def predictions(size: int = 801) -> DosePredictions:
    frame = world()
    x, dose, y = frame["x"], frame["dose"], frame["y"]
    columns = np.column_stack([x, x**2])
    grid = np.linspace(dose.min(), dose.max(), size)
    given, own = density_model()
    everything = np.column_stack([columns, dose])
    return DosePredictions(
        dose=dose,
        weights=np.ones(len(x)),
        residual=y - fitted(everything, y, everything),
        ratio=np.interp(dose, grid, [given(t).mean() for t in grid]) / own,
        grid=grid,
        means=np.column_stack([fitted(everything, y, np.column_stack([columns, np.full(len(x), t)])) for t in grid]),
    )


class Modelled(DosePredictions):
    """The same with the modelled density of the dose, by trapezes."""

    @property
    def mass(self) -> np.ndarray:
        given, _ = density_model()
        density = np.array([given(t).mean() for t in self.grid])
        step = self.grid[1] - self.grid[0]
        return density * step * np.r_[0.5, np.ones(len(self.grid) - 2), 0.5]


def test_a_local_line_is_that_of_npcausal() -> None:
    # npcausal 0.1.0 in R 4.2.2: ctseff(bw.seq = .4, n.pts = 801) with lm() as its learner and exact local lines, and
    # with its density read at the points where R computed it: as published it takes heights from the density of the
    # residuals and places from that of all evaluation points, which moves the curve by up to a standard error.
    # Its local residuals are divided by one less hatvalues() of its own lm(), as ours are.
    # It integrates over the modelled density of the dose, where ours takes the doses as they are.
    at = np.array([-1.003985289124, -0.500924598322, 0.002136092479, 0.497082901170, 1.000143591972])
    value, influence = smooth_curve(predictions(), at, 0.4, 1)
    _, modelled = smooth_curve(Modelled(**vars(predictions())), at, 0.4, 1)
    curve = [-0.845166395081, -0.507865980686, -0.003908226474, 0.489691926898, 0.955427596680]
    errors = [0.10116559950, 0.09369409627, 0.09102331488, 0.09110942121, 0.31575864552]
    assert_allclose(value, curve, rtol=0, atol=1e-4)
    assert_allclose(np.sqrt((modelled**2).sum(axis=0)) / 400, errors, rtol=3e-3)
    assert_allclose(np.sqrt((influence**2).sum(axis=0)) / 400, errors, rtol=0.05)


@pytest.mark.parametrize("degree", [1, 2])
def test_the_smoother_is_its_formula(degree: int) -> None:
    """Row by row and grid point by grid point, with weights, in the words of the paper."""
    rng = np.random.default_rng(8)
    n, grid = 60, np.sort(rng.uniform(-3, 3, 25))
    dose = rng.uniform(grid[0], grid[-1], n)
    weights = rng.uniform(0.5, 2.0, n)
    weights /= weights.mean()
    means = rng.normal(size=(n, 25))
    found = DosePredictions(dose, weights, rng.normal(size=n), rng.uniform(0.2, 3.0, n), grid, means)
    value, influence = smooth_curve(found, np.array([0.4]), 0.8, degree)
    m = np.average(means, axis=0, weights=weights)
    xi = found.ratio * found.residual + np.interp(dose, grid, m)

    def local(at: float) -> tuple[np.ndarray, float]:
        u = (at - 0.4) / 0.8
        return u ** np.arange(degree + 1), np.exp(-u * u / 2) / np.sqrt(2 * np.pi) / 0.8

    gram, right = np.zeros((degree + 1, degree + 1)), np.zeros(degree + 1)
    for i in range(n):
        g, k = local(dose[i])
        gram += weights[i] * k * np.outer(g, g) / n
        right += weights[i] * k * g * xi[i] / n
    beta, first = np.linalg.solve(gram, right), np.linalg.inv(gram)[0]
    phi = np.zeros(n)
    for i in range(n):
        g, k = local(dose[i])
        leverage = weights[i] * k * g @ np.linalg.inv(gram) @ g / n
        phi[i] = weights[i] * k * (first @ g) * (xi[i] - g @ beta) / (1 - leverage)
    phi -= phi.mean()
    for i in range(n):
        for j in range(n):  # ∫ … dF(t): the average over the doses of all rows, means interpolated on the grid
            g, k = local(dose[j])
            right_place = int(np.clip(np.searchsorted(grid, dose[j]), 1, 24))
            share = (dose[j] - grid[right_place - 1]) / (grid[right_place] - grid[right_place - 1])
            for place, part in ((right_place - 1, 1 - share), (right_place, share)):
                g, k = local(grid[place])
                phi[i] += weights[i] * weights[j] / n * part * k * (first @ g) * (means[i, place] - m[place])
    assert_allclose(value, beta[0], rtol=1e-11)
    assert_allclose(influence[:, 0], phi, rtol=1e-9, atol=1e-11)


def test_a_parabola_without_noise_is_found() -> None:
    """Only the means on the grid are interpolated, which costs at most m'' step² / 8."""
    frame = world()
    frame["y"] = 1 + 2 * frame["dose"] - 0.5 * frame["dose"] ** 2 + frame["x"] * (1 + frame["dose"])
    found = fit(frame)
    truth = 1 + 2 * np.array(DOSES) - 0.5 * np.array(DOSES) ** 2 + frame["x"].mean() * (1 + np.array(DOSES))
    step = np.ptp(frame["dose"]) / 59
    assert_allclose(levels(found).value, truth, rtol=0, atol=step**2 / 8)
    assert_allclose(found.result.value, truth[1:] - truth[0], rtol=0, atol=step**2 / 8)


def test_the_bandwidth_of_a_known_curve() -> None:
    """Uniform doses on [0, 1], ξ = 10 t² + noise: h = .776 (σ² .9 / (.9 n 20²))^(1/5), with σ² and t² as drawn."""
    rng = np.random.default_rng(0)
    n, grid = 20_000, np.linspace(0, 1, 101)
    dose = rng.uniform(size=n)
    found = DosePredictions(dose, np.ones(n), rng.normal(size=n), np.ones(n), grid, np.tile(10 * grid**2, (n, 1)))
    # Noise in a quartic fit of 20,000 rows leaves the curvature known to a tenth, its fifth root to a fiftieth.
    assert_allclose(rule_of_thumb(found), 0.776 * (1 / (n * 400)) ** 0.2, rtol=0.05)


# --- double robustness -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["outcome_model", "treatment_model"])
def test_either_model_may_be_wrong(wrong: str) -> None:
    """A constant in place of one model: ten thousand rows are within four standard errors of the truth."""
    rng = np.random.default_rng(11)
    n = 10_000
    x = rng.uniform(-1, 1, n)
    dose = x + rng.normal(size=n)
    frame = {"x": x, "dose": dose, "y": dose**2 + 3 * x + rng.normal(size=n)}
    both = fit(frame, **{wrong: ConstantModel()})
    # Without x in either model the curve is confounded: E[x | dose = 1] is far from 0.
    neither = fit(frame, outcome_model=ConstantModel(), treatment_model=ConstantModel())
    truth = np.square(DOSES)
    assert np.all(np.abs(levels(both).value - truth) < 4 * levels(both).std_error)
    assert np.abs(levels(neither).value - truth).max() > 10 * levels(neither).std_error.max()


# --- laws ------------------------------------------------------------------------------------------------------------


def test_effects_compare_with_the_first_dose() -> None:
    found = fit(world())
    assert found.result.labels == ("dose: -0.5 - -1", "dose: 0 - -1", "dose: 0.5 - -1", "dose: 1 - -1")
    curve = levels(found)
    assert_allclose(found.result.value, curve.value[1:] - curve.value[0], rtol=1e-12)
    assert_allclose(found.result.influence, curve.influence[:, 1:] - curve.influence[:, :1], rtol=0, atol=1e-12)
    assert_allclose(curve.influence.mean(axis=0), 0.0, atol=1e-9)
    limits, alone = curve.bands(), curve.interval()
    assert np.all((limits[:, 0] < alone[:, 0]) & (alone[:, 1] < limits[:, 1]))


def test_the_order_of_rows_does_not_matter() -> None:
    frame = world()
    order = np.random.default_rng(1).permutation(400)
    one, two = fit(frame), fit({k: v[order] for k, v in frame.items()})
    assert_allclose(levels(two).value, levels(one).value, rtol=1e-8, atol=1e-10)
    assert_allclose(levels(two).influence, levels(one).influence[order], rtol=1e-6, atol=1e-8)


def test_units_of_measurement_scale_through() -> None:
    frame = world()
    scaled = {"x": frame["x"] * 12, "dose": 100 * frame["dose"] + 7, "y": 1000 * frame["y"] - 7}
    one = fit(frame)
    two = fit(scaled, doses=tuple(100 * d + 7 for d in DOSES))
    assert_allclose(two.bandwidth, 100 * one.bandwidth, rtol=1e-8)
    assert_allclose(levels(two).value, 1000 * levels(one).value - 7, rtol=1e-7)
    assert_allclose(two.result.std_error, 1000 * one.result.std_error, rtol=1e-7)


def test_the_same_weight_for_all_is_none() -> None:
    frame = world() | {"w": np.full(400, 3.0)}
    weighted = DoseResponse(**LINEAR, doses=DOSES).fit(frame, weights="w", **ROLES)
    assert_allclose(weighted.result.value, fit(frame).result.value, rtol=1e-9)


def test_clusters_change_the_uncertainty_only() -> None:
    frame = world() | {"village": np.repeat(np.arange(80), 5)}
    found = DoseResponse(**LINEAR, doses=DOSES).fit(frame, cluster="village", **ROLES)
    assert isinstance(found, DoseFit)
    assert levels(found).cluster_names == ("village",)
    again = levels(found).with_inference(cluster=frame["village"])
    assert_allclose(again.std_error, levels(found).std_error, rtol=1e-12)


def test_default_doses_and_default_models() -> None:
    frame = world(150)
    found = DoseResponse().fit(frame, **ROLES)
    assert isinstance(found, DoseFit)
    assert len(levels(found).labels) == 9
    assert np.isfinite(levels(found).std_error).all()
    assert "kernel" in found.nuisance_summary[-1]
    assert_array_equal(DoseResponse().fit(frame, **ROLES).result.value, found.result.value)


def test_a_randomised_dose_needs_no_covariates() -> None:
    rng = np.random.default_rng(2)
    dose = rng.uniform(0, 4, 3000)
    frame = {"dose": dose, "y": np.sqrt(dose) + rng.normal(size=3000)}
    found = DoseResponse(**LINEAR, doses=(1, 2, 3)).fit(frame, treatment="dose", outcome="y")
    assert isinstance(found, DoseFit)
    assert np.all(np.abs(levels(found).value - np.sqrt([1, 2, 3])) < 4 * levels(found).std_error)


def test_doses_that_the_covariates_nearly_decide_are_noted() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=600)
    dose = 3 * x + 0.3 * rng.normal(size=600)
    found = fit({"x": x, "dose": dose, "y": dose + rng.normal(size=600)})
    note = found.result.diagnostics[-1]
    # All but those with |3x − a| within 2.6 deviations of .3 or so.
    assert note.name == "dose-overlap"
    assert note.severity == "danger"
    assert note.value is not None
    assert 0.6 < note.value < 0.95


def test_a_dose_that_many_share_is_noted() -> None:
    frame = world()
    found = fit(frame | {"dose": np.where(np.arange(400) % 4 == 0, 0.0, frame["dose"])})
    assert found.result.diagnostics[0].name == "dose-lump"
    assert found.result.diagnostics[0].value == 0.25


def test_rare_doses_do_not_count_without_limit() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=600)
    dose = x + rng.standard_t(2, size=600)
    found = fit({"x": x, "dose": dose, "y": dose + rng.normal(size=600)}, floor=0.4)
    assert "density-floor" in {d.name for d in found.result.diagnostics}


# --- refusals --------------------------------------------------------------------------------------------------------

CASES: list[tuple[Any, type[ButforError]]] = [
    (lambda: DoseResponse(folds=2), InvalidSetting),
    (lambda: DoseResponse(degree=3), InvalidSetting),
    (lambda: DoseResponse(bandwidth=0.0), InvalidSetting),
    (lambda: DoseResponse(floor=0.6), InvalidSetting),
    (lambda: DoseResponse(doses=(1.0,)), InvalidSetting),
    (lambda: DoseResponse(doses=(1.0, 1.0)), InvalidSetting),
    (lambda: DoseResponse(doses=(1.0, float("nan"))), InvalidSetting),
    (lambda: fit(world(), doses=(0.0, 99.0)), InvalidSetting),
    (lambda: fit(world(), bandwidth=1e-4), TooFewRows),
    (lambda: fit(world() | {"dose": np.arange(400) % 5 + 0.0}, doses=None), InvalidSetting),
    (lambda: fit(world(), outcome_model=bf.OutOfFold(np.zeros(400))), InvalidSetting),
    (lambda: fit(world() | {"dose": world()["x"] * 2}, doses=None), Collinear),
    (lambda: fit(world() | {"dose": (world()["x"] > 0).astype(int)}, doses=None), MethodMismatch),
    (lambda: fit(world() | {"dose": np.r_[np.zeros(390), np.arange(10.0)]}, doses=None), InvalidSetting),
    (lambda: DoseResponse(**LINEAR).fit(world(), estimand=bf.ATT(), **ROLES), ButforError),
    (lambda: DoseResponse(**LINEAR).fit(world(), modifiers=["x"], **ROLES), MethodMismatch),
]


@pytest.mark.parametrize(("ask", "error"), CASES)
def test_every_refusal_has_its_error_and_a_hint(ask: Any, error: type[ButforError]) -> None:
    with pytest.raises(error) as caught:
        ask()
    assert caught.value.hint


def test_study_files_name_doses() -> None:
    assert estimator({"dose_response": {"doses": [0, 1.5]}}) == DoseResponse(doses=(0, 1.5))
    for wrong in ("all", ["a"], [True, 2]):
        with pytest.raises(StudySyntax):
            estimator({"dose_response": {"doses": wrong}})
