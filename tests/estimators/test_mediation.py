"""Natural direct and indirect effects: exact on exact distributions, multiply robust, AIPW in total."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, LogisticRegression

import butfor as bf
from butfor.core.errors import (
    ButforError,
    ConstantColumn,
    InvalidSetting,
    MethodMismatch,
    MissingValues,
    NumericalFailure,
    RoleConflict,
    SeparatedPropensity,
    TooFewRows,
    UnknownColumn,
)
from butfor.data.sample import Sample
from butfor.estimators.mediation import natural
from butfor.estimators.mediation.natural import EFFECTS, MediationAnalysis, MediationFit
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.expression import Expression, Factor, Variable, evaluate
from butfor.identify.mediation import (
    MediationStrategy,
    identify_interventional_effects,
    identify_natural_effects,
    mediation_strategy,
)
from butfor.nuisance.folds import Folds, sample_folds
from butfor.nuisance.learner import Learner
from butfor.refute.battery import refute
from tests.estimators.by_graph import fit_strategy
from tests.estimators.saturated import CellMeans, CellShares
from tests.identify.exact import ExactModel
from tests.identify.functional_models import FunctionalModel

EXACT = MediationAnalysis(outcome_model=CellMeans(), propensity_model=CellShares(), folds=2, floor=1e-6)
LINEAR = MediationAnalysis(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())

ONE = ("c -> x; c -> m; c -> y; x -> m -> y; x -> y", ("m",))
BARE = ("x -> m -> y; x -> y", ("m",))
TIED = ("c -> x; c -> m; c -> y; x -> m -> n -> y; x -> n; m -> y; x -> y; m <-> n", ("m", "n"))


@pytest.fixture
def halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each half of the rows is predicted by models of the other half, which is the same distribution."""

    def fold(sample: Sample, *_: object) -> Folds:
        return Folds((np.arange(sample.n) >= sample.n // 2).astype(np.int32), 2)

    monkeypatch.setattr(natural, "sample_folds", fold)


def strategy_of(graph: CausalGraph, mediators: tuple[str, ...]) -> MediationStrategy:
    found = mediation_strategy(identify_natural_effects(graph, "x", "y", mediators))
    assert found is not None
    assert found.formula
    return found


def rows_of(joint: Factor, names: list[str]) -> dict[str, np.ndarray]:
    """Every combination of values as a row with its probability as weight, twice: once in each of two folds."""
    table = joint.arranged(names)
    cells = np.indices(table.shape).reshape(len(names), -1)
    kept = table.reshape(-1) > 0
    frame = {name: np.tile(cells[i][kept], 2) for i, name in enumerate(names)}
    return frame | {"weight": np.tile(table.reshape(-1)[kept], 2) * kept.sum()}


def fit_table(
    graph: CausalGraph, joint: Factor, mediators: tuple[str, ...], estimator: MediationAnalysis = EXACT, **how: Any
) -> MediationFit:
    frame = rows_of(joint, list(graph.observed))
    strategy, question = strategy_of(graph, mediators), bf.Question("x", "y", arms=True)
    return fit_strategy(estimator, frame, question, strategy, weights="weight", **how)  # type: ignore[return-value]


def five_effects(mean: dict[tuple[int, int], float], a: int = 1, b: int = 0) -> list[float]:
    """Total, natural direct, natural indirect, total direct, total indirect."""
    pairs = (((a, a), (b, b)), ((a, b), (b, b)), ((b, a), (b, b)), ((a, a), (b, a)), ((a, a), (a, b)))
    return [mean[one] - mean[two] for one, two in pairs]


def nested_means(model: FunctionalModel, mediators: tuple[str, ...]) -> dict[tuple[int, int], float]:
    """E[Y(d, M(m))], added up over all units."""
    found = {}
    for d in (0, 1):
        for m in (0, 1):
            other = model.world({"x": m})
            found[d, m] = model.mean(model.world({"x": d, **{k: other[k] for k in mediators}})["y"])
    return found


@pytest.mark.usefixtures("halves")
@pytest.mark.parametrize(("text", "mediators"), [ONE, BARE, TIED])
@pytest.mark.parametrize("seed", range(4))
def test_exact_nuisances_give_the_nested_counterfactuals(text: str, mediators: tuple[str, ...], seed: int) -> None:
    graph = CausalGraph.from_any(text)
    model = FunctionalModel.random(graph, np.random.default_rng(seed))
    fit = fit_table(graph, model.table(), mediators)
    truth = nested_means(model, mediators)
    assert fit.result.labels == tuple(f"x: 1 - 0, {name}" for name in EFFECTS)
    assert_allclose(fit.result.value, five_effects(truth), atol=1e-10)
    assert fit.means is not None
    named = {f"x = {d}, mediators as under {m}": value for (d, m), value in truth.items()}
    assert_allclose(fit.means.value, [named[label] for label in fit.means.labels], atol=1e-10)


@dataclass(frozen=True)
class BlindWith(Learner):
    """Knows nothing when it is shown this many columns, and everything otherwise."""

    inner: Any
    blind: Any
    columns: int
    for_numbers: ClassVar[bool] = True
    for_classes: ClassVar[bool] = True

    def fit(self, matrix: np.ndarray, target: np.ndarray, weights: np.ndarray | None, *, rng: Any) -> Any:
        chosen = self.blind if matrix.shape[1] == self.columns else self.inner
        return chosen.fit(matrix, target, weights, rng=rng)


MEANS_WITH_C = BlindWith(CellMeans(), CellMeans(blind=True), 1)
SHARES_WITH_CM = BlindWith(CellShares(), CellShares(blind=True), 2)
ROBUST = {
    "both expectations": (CellMeans(), CellShares(blind=True)),
    "both chances": (CellMeans(blind=True), CellShares()),
    "the outcome given mediators, and chances without": (MEANS_WITH_C, SHARES_WITH_CM),
}
WRONG = {
    "the outcome given mediators alone": (MEANS_WITH_C, CellShares(blind=True)),
    "chances without mediators alone": (CellMeans(blind=True), SHARES_WITH_CM),
}


def _errors(models: tuple[Any, Any]) -> list[float]:
    graph = CausalGraph.from_any(ONE[0])
    found = []
    for seed in range(4):
        model = ExactModel.random(graph, np.random.default_rng(seed))
        estimator = replace(EXACT, outcome_model=models[0], propensity_model=models[1])
        fit = fit_table(graph, model.table(), ONE[1], estimator)
        exact = fit_table(graph, model.table(), ONE[1])
        found.append(float(np.abs(fit.result.value[1:] - exact.result.value[1:]).max()))
    return found


@pytest.mark.usefixtures("halves")
@pytest.mark.parametrize("right", ROBUST)
def test_effects_are_right_when_these_models_are(right: str) -> None:
    assert max(_errors(ROBUST[right])) < 1e-10


@pytest.mark.usefixtures("halves")
@pytest.mark.parametrize("right", WRONG)
def test_one_right_model_is_not_enough(right: str) -> None:
    assert max(_errors(WRONG[right])) > 1e-3


def formula_means(expression: Expression, joint: Factor, levels: int) -> dict[tuple[int, int], float]:
    """Σ_y y P(y(x, M(x'))) by the mediation formula."""
    x, y = Variable("x"), Variable("y")
    table = evaluate(expression, joint).arranged([x, x.primed(), y])
    outcome = np.arange(table.shape[2])
    return {(d, m): float(table[d, m] @ outcome) for d in range(levels) for m in range(levels)}


@pytest.mark.usefixtures("halves")
def test_three_arms_and_levels_follow_the_mediation_formula() -> None:
    graph = CausalGraph.from_any(ONE[0])
    joint = ExactModel.random(graph, np.random.default_rng(5), levels=3).table()
    fit = fit_table(graph, joint, ONE[1])
    mean = formula_means(strategy_of(graph, ONE[1]).expression, joint, 3)
    assert_allclose(fit.result.value, [*five_effects(mean, 1), *five_effects(mean, 2)], atol=1e-10)


@pytest.mark.usefixtures("halves")
def test_the_influence_function_is_the_derivative_of_the_mediation_formula() -> None:
    graph = CausalGraph.from_any(ONE[0])
    joint = ExactModel.random(graph, np.random.default_rng(8)).table()
    names = list(graph.observed)
    fit = fit_table(graph, joint, ONE[1])
    expression, table, step = strategy_of(graph, ONE[1]).expression, joint.arranged(names), 1e-6
    assert fit.result.influence is not None
    assert fit.sample.weights is not None
    influence = fit.result.influence / fit.sample.weights[:, None]
    for row, cell in enumerate(np.ndindex(table.shape)):
        point = np.zeros(table.shape)
        point[cell] = 1.0
        sides = [
            np.array(five_effects(formula_means(expression, Factor.table(names, table + s * (point - table)), 2)))
            for s in (step, -step)
        ]
        assert_allclose(influence[row], (sides[0] - sides[1]) / (2 * step), rtol=1e-6, atol=1e-7)


def mediated(n: int = 400, seed: int = 0, **changed: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    c = rng.normal(size=n)
    x = (0.5 * c + rng.logistic(size=n) > 0).astype(int)
    m = x + 0.5 * c + rng.normal(size=n)
    y = 0.5 * x + m + c + 0.4 * x * m + rng.normal(size=n)
    return {"x": x, "m": m, "y": y, "c": c, "id": np.arange(n) // 4} | changed


def fit(frame: dict[str, np.ndarray], estimator: MediationAnalysis = LINEAR, **how: Any) -> MediationFit:
    settings: dict[str, Any] = {"treatment": "x", "outcome": "y", "mediators": ["m"], "covariates": ["c"]} | how
    return estimator.fit(frame, **settings)  # type: ignore[return-value]


def test_the_total_effect_is_that_of_aipw_on_the_same_folds() -> None:
    aipw = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    whole = fit(mediated())
    sample = whole.sample.with_covariates(whole.sample.covariates.without("m"))
    other = aipw.fit_sample(sample, whole.question, bf.Adjustment(adjust_for=("c",)), rng=0).result
    found = whole.result.select("x: 1 - 0, total effect")
    assert_allclose(found.value, other.value, rtol=1e-12)
    assert_allclose(found.std_error, other.std_error, rtol=1e-10)


def by_hand(sample: Sample, folds: Folds, direct: int, mediated_by: int) -> np.ndarray:
    """The score of Farbmacher et al. 2022 (equation 6, densities of the mediator by Bayes), one fold after another."""
    c, m = sample.covariates.matrix[:, :1], sample.covariates.matrix
    t, y = sample.treatment.codes, sample.outcome
    plain, chance, chance_m = (np.empty(sample.n) for _ in range(3))
    mean, chance_d = np.empty(sample.n), np.empty(sample.n)
    for inside, train in ((folds.codes == k, folds.codes != k) for k in range(folds.count)):
        logit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(c[train], t[train])
        chance[inside] = logit.predict_proba(c[inside])[:, mediated_by]
        logit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(m[train], t[train])
        chance_d[inside], chance_m[inside] = logit.predict_proba(m[inside])[:, [direct, mediated_by]].T
        arm = train & (t == direct)
        mean[inside] = LinearRegression().fit(m[arm], y[arm]).predict(m[inside])
    for inside, train in ((folds.codes == k, folds.codes != k) for k in range(folds.count)):
        arm = train & (t == mediated_by)
        plain[inside] = LinearRegression().fit(c[arm], mean[arm]).predict(c[inside])
    outside = (t == direct) * chance_m / (chance_d * chance) * (y - mean)
    return outside + (t == mediated_by) / chance * (mean - plain) + plain


def test_the_score_is_that_of_farbmacher_and_others() -> None:
    found = fit(mediated(600))
    folds = sample_folds(found.sample, 5, 0)
    assert found.means is not None
    for d, m in ((1, 0), (0, 1)):
        one = found.means.select(f"x = {d}, mediators as under {m}")
        score = by_hand(found.sample, folds, d, m)
        assert_allclose(one.value[0], score.mean(), rtol=1e-6)
        assert_allclose(one.std_error[0], score.std() / np.sqrt(600), rtol=1e-5)


def test_both_decompositions_add_up_to_the_total() -> None:
    result = fit(mediated()).result
    total, direct, indirect, total_direct, total_indirect = result.value
    assert_allclose([direct + total_indirect, indirect + total_direct], total, rtol=1e-12)
    sums = result.contrast([[0, 1, 0, 0, 1], [0, 0, 1, 1, 0]])
    assert_allclose(sums.std_error, result.std_error[0], rtol=1e-10)


def test_a_graph_and_the_users_word_give_the_same_numbers() -> None:
    strategy = strategy_of(CausalGraph.from_any(ONE[0]), ("m",))
    frame = mediated()
    by_graph = fit_strategy(LINEAR, frame, bf.Question("x", "y"), strategy)
    assert_array_equal(by_graph.result.value, fit(frame).result.value)
    assert [a.name for a in by_graph.result.assumptions][:2] == ["graph", "cross-world independence"]
    assert fit(frame).result.assumptions[0].name == "no hidden confounding"


def test_a_category_is_its_indicators() -> None:
    frame = mediated()
    thirds = np.digitize(frame["m"], [0.0, 1.0])
    text = fit(frame | {"m": np.array(["a", "b", "c"])[thirds]})
    frame |= {"m1": (thirds == 1).astype(int), "m2": (thirds == 2).astype(int)}
    numbers = fit(frame, mediators=["m1", "m2"])
    assert_allclose(text.result.value, numbers.result.value, rtol=1e-9)


def test_proportions_mediated_are_ratios_with_the_delta_method_and_fieller() -> None:
    found = fit(mediated(4000))
    share = found.proportion_mediated
    value = found.result.value
    assert share.labels == (
        "x: 1 - 0, total indirect effect / total effect",
        "x: 1 - 0, natural indirect effect / total effect",
    )
    assert_allclose(share.value, [value[4] / value[0], value[2] / value[0]], rtol=1e-12)
    slope = np.array([1.0, -share.value[0]]) / value[0]
    covariance = found.result.covariance[np.ix_([4, 0], [4, 0])]
    assert_allclose(share.std_error[0], np.sqrt(slope @ covariance @ slope), rtol=1e-10)
    ((low, high),) = found.proportion_intervals()[0]
    # Both intervals have the same limit; here the total effect is some 40 standard errors from zero.
    assert_allclose([low, high], share.interval()[0], atol=0.05 * (high - low))


def test_a_total_effect_that_may_be_zero_leaves_its_shares_open() -> None:
    rng = np.random.default_rng(3)
    frame = mediated(y=rng.normal(size=400))
    found = fit(frame)
    assert [d.name for d in found.proportion_mediated.diagnostics if d.name == "unclear-total"] == ["unclear-total"]
    assert all(np.isinf(ends).any() for part in found.proportion_intervals() for ends in part)


def test_a_total_effect_of_exactly_zero_has_no_shares() -> None:
    found = fit(mediated())
    zero = replace(found, result=replace(found.result, value=np.array([0.0, 1.0, 1.0, -1.0, -1.0])))
    with pytest.raises(NumericalFailure, match="total effect is zero"):
        _ = zero.proportion_mediated


def test_subgroups_by_a_covariate_average_to_everyone() -> None:
    frame = mediated()
    frame |= {"g": np.where(frame["c"] > 0.3, "old", "young")}
    found = fit(frame, covariates=["c", "g"], modifiers=["g"]).result
    assert found.labels[5:7] == ("x: 1 - 0, total effect | g = old", "x: 1 - 0, natural direct effect | g = old")
    share = np.mean(frame["g"] == "old")
    assert_allclose(share * found.value[5:10] + (1 - share) * found.value[10:], found.value[:5], rtol=1e-10)


def test_clusters_and_proportions_by_subgroup_are_there() -> None:
    frame = mediated()
    frame |= {"g": np.where(frame["c"] > 0.3, "old", "young")}
    found = fit(frame, covariates=["c", "g"], modifiers=["g"], cluster="id")
    assert found.result.cluster_names == ("id",)
    assert len(found.proportion_mediated.labels) == 6
    assert found.proportion_mediated.labels[2] == "x: 1 - 0, total indirect effect / total effect | g = old"


REFUSED: tuple[tuple[dict[str, np.ndarray], dict[str, Any], type[ButforError], str], ...] = (
    (mediated(), {"mediators": []}, InvalidSetting, "no mediators"),
    (mediated(), {"mediators": ["c"]}, RoleConflict, "'c' is mediator and covariate"),
    (mediated(), {"mediators": ["x"]}, RoleConflict, "'x' is treatment and mediator"),
    (mediated(), {"mediators": ["mm"]}, UnknownColumn, "'mm'"),
    (mediated(), {"instrument": "c", "covariates": []}, MethodMismatch, "has no use"),
    (mediated(), {"estimand": bf.ATT()}, MethodMismatch, "answers for everyone"),
    (mediated(), {"modifiers": ["id"]}, MethodMismatch, "modifiers among the covariates"),
    (mediated(m=np.full(400, 2.0)), {}, ConstantColumn, "'m' has one value"),
    (mediated(m=mediated()["x"] * 2.0), {}, SeparatedPropensity, "m"),
    (mediated(m=np.r_[np.nan, np.arange(399.0)]), {}, MissingValues, "'m'"),
    (mediated(x=mediated()["c"], c=mediated()["m"]), {}, MethodMismatch, "is an amount"),
    (mediated(8, x=np.array([1, 0, 0, 0, 0, 0, 0, 0])), {}, ButforError, "row"),
)


@pytest.mark.parametrize(("frame", "how", "error", "words"), REFUSED)
def test_every_refusal_has_its_error_and_a_hint(
    frame: dict[str, np.ndarray], how: dict[str, Any], error: type[ButforError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        fit(frame, **how)
    assert caught.value.hint


def test_predictions_made_elsewhere_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="several with the same model"):
        fit(mediated(), MediationAnalysis(outcome_model=bf.OutOfFold(np.zeros((400, 2)))))


def test_other_effects_and_methods_are_told_apart() -> None:
    graph = CausalGraph.from_any(ONE[0])
    drawn = mediation_strategy(identify_interventional_effects(graph, "x", "y", "m"))
    assert drawn is not None
    assert not LINEAR.accepts(drawn)
    with pytest.raises(MethodMismatch, match="has interventional effects by the general formula"):
        fit_strategy(LINEAR, mediated(), bf.Question("x", "y"), drawn)
    with pytest.raises(MethodMismatch, match="names no mediators"):
        fit_strategy(LINEAR, mediated(), bf.Question("x", "y"), bf.Adjustment(adjust_for=("c",)))
    with pytest.raises(MethodMismatch, match="has no use for them"):
        bf.AIPW().fit(mediated(), treatment="x", outcome="y", covariates=["c"], mediators=["m"])


@pytest.mark.parametrize("settings", [{"floor": 0.0}, {"floor": 0.5}, {"folds": 1}])
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        MediationAnalysis(**settings)


def test_arms_with_few_rows_are_named() -> None:
    frame = mediated(40, x=np.r_[np.ones(2, dtype=int), np.zeros(38, dtype=int)])
    with pytest.raises(TooFewRows):
        fit(frame)


def test_checks_refit_every_effect() -> None:
    found = fit(mediated())
    checks = (bf.RandomCommonCause(simulations=5), bf.PlaceboTreatment(simulations=5), bf.DataSubset(simulations=5))
    refuted = refute(found, refuters=checks, rng=0)
    assert [r.check for r in refuted] == ["random common cause", "placebo treatment", "data subset"]
    assert all(r.table is not None and len(r.table) == 5 for r in refuted)


@pytest.mark.slow
def test_the_learned_default_and_the_simple_models_agree() -> None:
    frame = mediated(1000)
    learned, simple = fit(frame, MediationAnalysis()).result, fit(frame).result
    gap = learned.difference(simple)
    assert np.all(np.abs(gap.value) < 4 * gap.std_error + 0.1 * simple.std_error)
