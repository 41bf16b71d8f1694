"""Three tests of conditional independence, behind one protocol: for numbers, for categories, and for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from math import atanh, sqrt
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import TooFewRows
from butfor.core.rng import Seed, generator, seed_of
from butfor.core.serial import public_value
from butfor.inference.distribution import chi_square_tail, two_sided_p
from butfor.refute.graph.columns import MOST_LEVELS, Columns, FloatArray, column, is_text, level_codes, numbers

# A column with no more values than this counts as categories when a test is picked.
FEW_VALUES = 10
FEWEST_ROWS = 20
# What is left of a column that the given ones determine is rounding; after a kernel ridge, what the penalty shrank.
ROUNDING = 1e-10
SHRUNK = 1e-4
LANDMARKS = 100
# Of the Gaussian kernel, in squared standard deviations: from wiggles to gentle curves and interactions.
WIDTHS = (1.0, 10.0)
PENALTIES = np.logspace(-7, 1, 17)
DRAWS = 9_999
MIXED = "test=RegressionTest() takes numbers and text"


@public_value
@dataclass(frozen=True)
class TestResult:
    """What a test of an implication found.

    Attributes:
        statistic: the test statistic.
        p_value: probability of one at least as large if the graph is right.
        effect: how far the data are from the implication, on a scale that does not grow with the rows.
        n: rows.
        df: degrees of freedom, where the statistic has some.
    """

    statistic: float
    p_value: float
    effect: float
    n: int
    df: int | None = None

    __test__: ClassVar[bool] = False  # no case for pytest to collect


class IndependenceTest(Protocol):
    """Are two columns independent given others? Columns hold numbers or text, all complete and equally long."""

    name: ClassVar[str]

    def test(self, columns: Columns, first: str, second: str, given: Sequence[str] = ()) -> TestResult:
        """Test one independence."""
        ...


@dataclass(frozen=True)
class PartialCorrelation:
    """Fisher's z of the partial correlation: for numbers whose relations are linear.

    The effect is the partial correlation. Relations that are not linear can make it err in both directions: see
    `RegressionTest`.

    References:
        Fisher 1924, The distribution of the partial correlation coefficient (Metron 3, 329-332).

    >>> noise = np.random.default_rng(0).normal(size=(3, 500))
    >>> columns = {"x": noise[0], "m": noise[0] + noise[1], "y": noise[0] + noise[1] + noise[2]}
    >>> test = PartialCorrelation()
    >>> test.test(columns, "x", "y").p_value < 0.001, test.test(columns, "x", "y", ["m"]).p_value > 0.05
    (True, True)
    """

    name: ClassVar[str] = "partial correlation"

    def test(self, columns: Columns, first: str, second: str, given: Sequence[str] = ()) -> TestResult:
        """Test one independence.

        Raises:
            MethodMismatch: for a column of text.
            TooFewRows: with no row left over for the test.
            UnknownColumn: with the nearest name.
        """
        x, y, *z = (numbers(columns, name, method=self.name, hint=MIXED) for name in (first, second, *given))
        n = len(x)
        design = np.column_stack([np.ones(n), *z])
        targets = np.column_stack([x, y])
        coefficients, _, rank, _ = np.linalg.lstsq(design, targets, rcond=None)
        left = n - int(rank) - 2
        if left < 1:
            raise TooFewRows(
                f"The data have {n} rows; a partial correlation given {len(z)} columns needs at least {rank + 3}.",
                hint="use more rows, or a graph that implies independences given fewer columns",
            )
        correlation = _correlation(_cleaned(targets - design @ coefficients, targets, ROUNDING))
        # A correlation of one has an infinite z, which no result can carry.
        z_score = sqrt(left) * atanh(min(max(correlation, -1.0 + 1e-15), 1.0 - 1e-15))
        return TestResult(z_score, _normal_p(z_score), correlation, n)


@dataclass(frozen=True)
class MutualInformation:
    """The G-test of contingency tables, one for each combination of the given columns: for categories.

    The effect is the mutual information in nats. Levels that do not occur in a combination of the given columns take
    no degrees of freedom there; a combination with one row says nothing.

    References:
        Sokal and Rohlf 1995, Biometry, section 17.2; Neapolitan 2003, Learning Bayesian Networks, section 10.3.1.

    >>> columns = {"sex": np.array(["f", "m"] * 50), "dose": np.array([0.0, 0.0, 1.0, 1.0] * 25)}
    >>> MutualInformation().test(columns, "sex", "dose")
    TestResult(statistic=0.0, p_value=1.0, effect=0.0, n=100, df=1)
    """

    name: ClassVar[str] = "mutual information (G-test)"

    def test(self, columns: Columns, first: str, second: str, given: Sequence[str] = ()) -> TestResult:
        """Test one independence.

        Raises:
            MethodMismatch: for a column with more than 50 values.
            UnknownColumn: with the nearest name.
        """
        x, y, *rest = (level_codes(columns, name, method="G-test", hint=MIXED) for name in (first, second, *given))
        n = len(x)
        stratum = np.zeros(n, dtype=np.int64)
        for codes in rest:
            stratum = _joint(stratum, codes)
        rows, cols = _joint(stratum, x), _joint(stratum, y)
        # G = 2 Σ O ln(O / E) with E = row × column / total, written as sums of k ln k.
        whole = _k_log_k(_joint(rows, y)) - _k_log_k(rows) - _k_log_k(cols) + _k_log_k(stratum)
        statistic = 2.0 * whole if whole > n * ROUNDING else 0.0
        df = int(np.dot(_levels_within(rows, stratum) - 1, _levels_within(cols, stratum) - 1))
        p_value = chi_square_tail(statistic, df) if df else 1.0
        return TestResult(statistic, p_value, statistic / (2.0 * n), n, df)


@dataclass(frozen=True)
class RegressionTest:
    """The generalised covariance measure: for numbers and categories together, whatever the shape of the relations.

    Both columns are predicted from the given ones by kernel ridge regression (linear terms and a Gaussian kernel, its
    width and penalty by leave-one-out); the test asks whether the products of the residuals average zero. A column of
    text becomes one indicator per level but one, and the largest of the statistics is compared with what the
    multiplier bootstrap says of the largest. The effect is the correlation of the residuals.

    It needs regressions that are good, not models that are right: where several given columns act together and are
    shared by both, predictions stay rough and the test rejects too often. It cannot see a dependence without covariance
    given the others, such as one of spreads.

    Args:
        seed: of the landmarks of the kernel and of the bootstrap.

    References:
        Shah and Peters 2020 (doi:10.1214/19-AOS1857).

    >>> rng = np.random.default_rng(0)
    >>> m = rng.normal(size=400)
    >>> x, y = np.sin(2 * m) + rng.normal(size=400), np.where(m + rng.normal(size=400) > 0, "b", "a")
    >>> columns = {"m": m, "x": x, "y": y}
    >>> RegressionTest().test(columns, "x", "y").p_value < 0.01
    True
    >>> RegressionTest().test(columns, "x", "y", ["m"]).p_value > 0.05
    True
    """

    seed: int = 0

    name: ClassVar[str] = "generalised covariance measure"

    def test(self, columns: Columns, first: str, second: str, given: Sequence[str] = ()) -> TestResult:
        """Test one independence.

        Raises:
            TooFewRows: with fewer than 20 rows.
            UnknownColumn: with the nearest name.
        """
        x, y, *rest = (_features(columns, name) for name in (first, second, *given))
        n = len(x)
        if n < FEWEST_ROWS:
            raise TooFewRows(
                f"The data have {n} rows; the {self.name} needs at least {FEWEST_ROWS}.", hint="use more rows"
            )
        left = _residuals(np.hstack([x, y]), np.hstack([np.empty((n, 0)), *rest]), self.seed)
        pairs = [(i, x.shape[1] + j) for i in range(x.shape[1]) for j in range(y.shape[1])]
        products = np.column_stack([left[:, i] * left[:, j] for i, j in pairs] or [np.zeros(n)])
        spread = products.std(axis=0)
        moving = np.flatnonzero(spread > 0)
        if not len(moving):
            return TestResult(0.0, 1.0, 0.0, n)
        statistics = sqrt(n) * products[:, moving].mean(axis=0) / spread[moving]
        largest = int(np.argmax(np.abs(statistics)))
        statistic = float(statistics[largest])
        p_value = _largest_p(statistic, products[:, moving], self.seed) if len(moving) > 1 else _normal_p(statistic)
        return TestResult(statistic, p_value, _correlation(left[:, pairs[moving[largest]]]), n)


def default_test(columns: Columns, *, rng: Seed = 0) -> IndependenceTest:
    """The test for columns of these kinds.

    Categories only (text, or at most ten values): `MutualInformation`. Numbers with more values only:
    `PartialCorrelation`. Both: `RegressionTest`.

    >>> default_test({"x": np.arange(20.0), "y": np.arange(20.0) ** 2}).name
    'partial correlation'
    """
    few = [is_text(values) or len(np.unique(values)) <= FEW_VALUES for values in columns.values()]
    if not any(few):
        return PartialCorrelation()
    fits_tables = all(few) and all(len(np.unique(values)) <= MOST_LEVELS for values in columns.values())
    return MutualInformation() if fits_tables else RegressionTest(seed_of(rng))


# --- columns -----------------------------------------------------------------------------------------------------


def _features(columns: Columns, name: str) -> FloatArray:
    """A number as it is, a category as indicators of all levels but the first (rows × features)."""
    values = column(columns, name)
    if not is_text(values):
        return values.astype(np.float64)[:, None]
    levels, codes = np.unique(values, return_inverse=True)
    return (codes[:, None] == np.arange(1, len(levels))).astype(np.float64)


# --- counts ------------------------------------------------------------------------------------------------------


def _joint(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes of the pairs that occur."""
    return np.unique(first * (second.max(initial=0) + 1) + second, return_inverse=True)[1].astype(np.int64)


def _k_log_k(codes: NDArray[np.int64]) -> float:
    counts = np.bincount(codes)
    return float(np.dot(counts, np.log(counts)))


def _levels_within(cells: NDArray[np.int64], stratum: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the cells that occur lie in each stratum."""
    return np.bincount(stratum[np.unique(cells, return_index=True)[1]]).astype(np.int64)


# --- residuals ---------------------------------------------------------------------------------------------------


def _residuals(targets: FloatArray, given: FloatArray, seed: int) -> FloatArray:
    """Of each target, regressed on the given columns by the best of several kernel ridge regressions."""
    centred = targets - targets.mean(axis=0)
    given = given[:, given.std(axis=0) > 0]
    if not given.shape[1]:
        return centred
    scaled = (given - given.mean(axis=0)) / given.std(axis=0)
    out, lowest = centred.copy(), np.full(targets.shape[1], np.inf)
    for width in WIDTHS:
        basis, values, _ = np.linalg.svd(_kernel_features(scaled, width, seed), full_matrices=False)
        kept = values > values[0] * ROUNDING
        basis, squared = basis[:, kept], values[kept] ** 2
        weights, shares = basis.T @ centred, np.square(basis)
        for penalty in squared[0] * PENALTIES:
            shrink = squared / (squared + penalty)
            residuals = centred - basis @ (shrink[:, None] * weights)
            # Leave-one-out without refitting: the residual over one minus the row's own share in its prediction.
            left_out = residuals / (1.0 - 1.0 / len(scaled) - shares @ shrink)[:, None]
            error = np.square(left_out).sum(axis=0)
            better = error < lowest
            out[:, better], lowest[better] = residuals[:, better], error[better]
    return _cleaned(out, centred, SHRUNK)


def _kernel_features(scaled: FloatArray, width: float, seed: int) -> FloatArray:
    """The columns themselves and a Gaussian kernel at a hundred landmarks (Nyström), centred."""
    kernel = import_module("sklearn.kernel_approximation").Nystroem(
        gamma=1.0 / (width * scaled.shape[1]), n_components=min(LANDMARKS, len(scaled)), random_state=seed
    )
    features = np.hstack([scaled, kernel.fit_transform(scaled)])
    return features - features.mean(axis=0)


def _cleaned(residuals: FloatArray, targets: FloatArray, tolerance: float) -> FloatArray:
    """Zeros where the given columns determine the target."""
    return np.where(residuals.std(axis=0) <= tolerance * np.abs(targets).max(axis=0), 0.0, residuals)


def _correlation(pair: FloatArray) -> float:
    x, y = (pair - pair.mean(axis=0)).T
    scale = sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else 0.0


# --- tails -------------------------------------------------------------------------------------------------------


def _normal_p(statistic: float) -> float:
    return float(two_sided_p(np.array([statistic]), None)[0])


def _largest_p(statistic: float, products: FloatArray, seed: int) -> float:
    """Share of bootstrap draws whose largest statistic is as large.

    Given the data, sums of the centred products with normal multipliers are normal with the covariance of the
    products, so they are drawn from that.
    """
    values, vectors = np.linalg.eigh(np.corrcoef(products, rowvar=False))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = np.abs(generator(seed).standard_normal((DRAWS, len(values))) @ root.T).max(axis=1)
    return float((1 + np.count_nonzero(draws >= abs(statistic))) / (1 + DRAWS))
