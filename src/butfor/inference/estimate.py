"""Estimate: the one result of every estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from butfor.core import serial
from butfor.core.diagnostic import Assumption, Diagnostic
from butfor.core.errors import InvalidSetting, MethodMismatch, UnknownColumn
from butfor.core.provenance import Provenance
from butfor.core.rng import Seed
from butfor.core.table import Table, format_number
from butfor.data.sample import Cluster
from butfor.inference.covariance import Regression, Robust, clustered_covariance, robust_covariance, two_way_covariance
from butfor.inference.distribution import chi_square_tail, critical_value, two_sided_p
from butfor.inference.multiplicity import simultaneous_critical_value
from butfor.question.estimands import ATE, Estimand

FloatArray = NDArray[np.float64]


@serial.public_value
@dataclass(frozen=True, eq=False)
class Estimate:
    """A labelled vector of effects that knows its uncertainty.

    Standard errors, intervals, contrasts, bands and comparisons all derive from `influence` (rows × effects, with
    estimate − truth ≈ the mean of its rows), or from `draws` or `vcov` where a method has no influence function. The
    kind of standard error is chosen afterwards: `estimate.with_inference(cluster="village")` is a new value.

    Attributes:
        labels: one name per effect.
        value: the effects.
        n: rows behind them.
        df: degrees of freedom of the t distribution behind intervals; None means the normal.
        estimand: whose average effect this is (the estimator's answer, which may differ from the question's).
        robust: kind of heteroskedasticity-robust covariance.
        clusters: clusters that standard errors are summed over (none, one, or two).
        splitting: covariance that random splits of the rows add, whatever the kind of standard error.
        draws: the effects in resamples (draws × effects); their scatter is the covariance.
    """

    labels: tuple[str, ...]
    value: FloatArray
    n: int
    estimator: str
    strategy: str = ""
    estimand: Estimand = field(default_factory=ATE)
    df: float | FloatArray | None = None
    vcov: FloatArray | None = None
    robust: Robust | str = Robust.HC0
    cluster_names: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    splitting: FloatArray | None = None
    draws: FloatArray | None = field(default=None, repr=False)
    influence: FloatArray | None = field(default=None, repr=False)
    regression: Regression | None = field(default=None, repr=False)
    clusters: tuple[Cluster, ...] = field(default=(), repr=False)
    known_clusters: tuple[Cluster, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", np.atleast_1d(np.asarray(self.value, dtype=float)))
        object.__setattr__(self, "robust", Robust.of(self.robust))
        if self.clusters:
            object.__setattr__(self, "cluster_names", tuple(c.name for c in self.clusters))
        if self.vcov is not None:
            object.__setattr__(self, "vcov", np.reshape(self.vcov, (len(self.value), len(self.value))))
        if self.draws is not None:
            object.__setattr__(self, "draws", np.reshape(self.draws, (-1, len(self.value))))

    # --- uncertainty -------------------------------------------------------------------------------------------

    @cached_property
    def covariance(self) -> FloatArray:
        """Joint covariance of the effects (k × k)."""
        if self.draws is not None:
            return np.atleast_2d(np.cov(self.draws, rowvar=False))
        if self.influence is None:
            if self.vcov is None:
                raise MethodMismatch(
                    f"Estimate of {self.estimator} carries no uncertainty; a covariance needs influence, draws or "
                    "vcov.",
                    hint="use an estimator that reports standard errors",
                )
            return self.vcov
        found = self._of_rows(self.influence)
        return found if self.splitting is None else found + self.splitting

    def _of_rows(self, influence: FloatArray) -> FloatArray:
        if len(self.clusters) == 2:
            return two_way_covariance(influence, *self.clusters, self.regression)
        if self.clusters:
            return clustered_covariance(influence, self.clusters[0], self.regression)
        return robust_covariance(influence, Robust.of(self.robust), self.regression)

    @cached_property
    def std_error(self) -> FloatArray:
        """Standard error of each effect."""
        return np.sqrt(np.diag(self.covariance))

    @cached_property
    def statistic(self) -> FloatArray:
        """Effect divided by its standard error."""
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = np.where(self.value == 0, 0.0, np.sign(self.value) * np.inf)
            return np.where(self.std_error > 0, self.value / self.std_error, exact)

    @cached_property
    def p_value(self) -> FloatArray:
        """Two-sided p-value of each effect against zero."""
        return two_sided_p(self.statistic, self.degrees_of_freedom)

    @property
    def degrees_of_freedom(self) -> float | FloatArray | None:
        """Clusters less one when clustered, else the estimator's own; None means the normal distribution."""
        return float(min(c.count for c in self.clusters) - 1) if self.clusters else self.df

    def interval(self, level: float = 0.95) -> FloatArray:
        """Confidence limits (k × 2), each effect on its own."""
        half = critical_value(_checked_level(level), self.degrees_of_freedom) * self.std_error
        return np.column_stack([self.value - half, self.value + half])

    def bands(self, level: float = 0.95, *, rng: Seed = 0) -> FloatArray:
        """Simultaneous confidence limits (k × 2): all effects are inside at once with probability `level`."""
        half = simultaneous_critical_value(self.covariance, _checked_level(level), rng=rng) * self.std_error
        return np.column_stack([self.value - half, self.value + half])

    def joint_test(self) -> tuple[float, float]:
        """Wald statistic and p-value of the hypothesis that all effects are zero."""
        rank = int(np.linalg.matrix_rank(self.covariance, hermitian=True))
        statistic = float(self.value @ np.linalg.pinv(self.covariance, hermitian=True) @ self.value)
        return statistic, chi_square_tail(statistic, rank)

    # --- new values --------------------------------------------------------------------------------------------

    def with_inference(
        self, *, covariance: Robust | str | None = None, cluster: str | ArrayLike | Sequence[str] | None = None
    ) -> Estimate:
        """The same effects with another kind of standard error.

        Args:
            covariance: "HC0" to "HC3"; independent rows.
            cluster: name of a cluster column of the fit, an array with one label per row, or two names.
        """
        if self.influence is None:
            raise MethodMismatch(
                f"Estimate of {self.estimator} has no influence function; other standard errors need one.",
                hint="choose the standard error when fitting",
            )
        if cluster is not None:
            return replace(self, clusters=self._find_clusters(cluster))
        return replace(self, clusters=(), cluster_names=(), robust=Robust.of(covariance or self.robust))

    def contrast(self, weights: ArrayLike | Mapping[str, Mapping[str, float]], labels: Sequence[str] = ()) -> Estimate:
        """Linear combinations of the effects with their joint uncertainty.

        Args:
            weights: (m × k) or (k,) weights; or {new label: {label: weight}}.
            labels: names of the combinations when `weights` is an array.
        """
        if isinstance(weights, Mapping):
            labels = tuple(weights)
            matrix = np.array([[row.get(label, 0.0) for label in self.labels] for row in weights.values()])
            for name in {n for row in weights.values() for n in row}.difference(self.labels):
                raise UnknownColumn.named(name, self.labels, role="contrast")
        else:
            matrix = np.atleast_2d(np.asarray(weights, dtype=float))
        if matrix.shape[1] != len(self.labels):
            raise InvalidSetting(
                f"Contrast has {matrix.shape[1]} weights; it needs one per effect ({len(self.labels)}).",
                hint=f"effects are {', '.join(self.labels)}",
            )
        names = tuple(labels) or tuple(_combination_name(row, self.labels) for row in matrix)
        influence, regression = self._combined(matrix)
        return replace(
            self,
            labels=names,
            value=matrix @ self.value,
            df=self.df if self.df is None or np.ndim(self.df) == 0 else float(np.min(self.df)),
            influence=influence,
            regression=regression,
            robust=self.robust if regression is not None or self.influence is None else Robust.HC0,
            vcov=None if self.vcov is None else matrix @ self.vcov @ matrix.T,
            splitting=None if self.splitting is None else matrix @ self.splitting @ matrix.T,
            draws=None if self.draws is None else self.draws @ matrix.T,
        )

    def _combined(self, matrix: FloatArray) -> tuple[FloatArray | None, Regression | None]:
        """Influence of the combinations; effects of different regressions take their correction with them."""
        if self.influence is None or self.regression is None:
            return (None if self.influence is None else self.influence @ matrix.T), None
        same = len(set(zip(self.regression.rows, self.regression.parameters, strict=True))) == 1
        if same and self.regression.leverage.ndim == 1:
            rows, parameters = self.regression.rows[:1], self.regression.parameters[:1]
            regression = Regression(rows * len(matrix), parameters * len(matrix), self.regression.leverage)
            return self.influence @ matrix.T, regression
        return self.regression.adjust(self.influence, Robust.of(self.robust)) @ matrix.T, None

    def aggregate(self, weights: ArrayLike, label: str = "average") -> Estimate:
        """One weighted average of the effects; the weights are normalised to sum to one."""
        w = np.asarray(weights, dtype=float)
        if not np.isfinite(w).all() or w.sum() <= 0:
            raise InvalidSetting(
                f"Weights sum to {w.sum():g}; an average needs finite weights with a positive sum.",
                hint="weights=np.ones(len(estimate.labels))",
            )
        return self.contrast(w / w.sum(), [label])

    def select(self, *labels: str) -> Estimate:
        """The named effects only."""
        return self.contrast({label: {label: 1.0} for label in labels})

    def difference(self, other: Estimate) -> Estimate:
        """This estimate minus another on the same rows, with the covariance between the two (Hausman-type)."""
        if self.influence is None or other.influence is None or len(self.influence) != len(other.influence):
            raise MethodMismatch(
                f"{self.estimator} and {other.estimator} do not share rows; their difference needs influence "
                "functions of the same sample.",
                hint="fit both on the same sample",
            )
        return replace(
            self,
            labels=tuple(f"{label}: {self.estimator} - {other.estimator}" for label in self.labels),
            value=self.value - other.value,
            influence=self.influence - other.influence,
            estimator=f"{self.estimator} - {other.estimator}",
            robust=Robust.HC0,
            regression=None,
            splitting=_sum(self.splitting, other.splitting),
            df=None,
        )

    # --- reading it --------------------------------------------------------------------------------------------

    def tidy(self, level: float = 0.95) -> Table:
        """One row per effect: term, estimate, std_error, statistic, p_value, conf_low, conf_high."""
        limits = self.interval(level)
        return Table.of(
            {
                "term": self.labels,
                "estimate": self.value,
                "std_error": self.std_error,
                "statistic": self.statistic,
                "p_value": self.p_value,
                "conf_low": limits[:, 0],
                "conf_high": limits[:, 1],
            }
        )

    def records(self, level: float = 0.95) -> list[dict[str, str | float | int | bool | None]]:
        """One record per effect, as the JSON contract has it."""
        return [
            {
                "estimator": self.estimator,
                "strategy": self.strategy,
                "estimand": self.estimand.label,
                "term": row["term"],
                **{k: row[k] for k in ("estimate", "std_error", "p_value", "conf_low", "conf_high")},
                "n": self.n,
            }
            for row in self.tidy(level)
        ]

    def explain(self, level: float = 0.95) -> str:
        """The answer in sentences: the number, whose it is, and how sure."""
        by = f"clustered by {' and '.join(self.cluster_names)}" if self.cluster_names else str(self.robust)
        how = by if self.draws is None else f"bootstrap ({len(self.draws)} resamples)"
        lines = [
            f"{row['term']}: {format_number(float(row['estimate'] or 0))} "
            f"({level:.0%} interval {format_number(float(row['conf_low'] or 0))} to "
            f"{format_number(float(row['conf_high'] or 0))})"
            for row in self.tidy(level)
        ]
        asked = self.estimand
        lines.append(f"{self.estimator} estimates the {asked.label}: the {asked.what} for {asked.words}.")
        lines.append(f"{self.n:,} rows, {how} standard errors.")
        lines.extend(f"{d.severity}: {d.message}" for d in self.diagnostics)
        return "\n".join(lines)

    def to_json(self) -> str:
        """Everything but the rows: numbers, covariance, assumptions, diagnostics, provenance."""
        return serial.to_json(self.without_rows())

    def without_rows(self) -> Estimate:
        """The same numbers with the covariance in place of the influence functions."""
        return replace(
            self,
            vcov=self.covariance,
            df=self.degrees_of_freedom,
            cluster_names=self.cluster_names,
            influence=None,
            regression=None,
            splitting=None,
            clusters=(),
            known_clusters=(),
        )

    def __str__(self) -> str:
        return self.explain()

    def _repr_html_(self) -> str:
        return f"<p><b>{self.estimator}</b>, {self.estimand.label}</p>" + self.tidy().to_html()

    def _find_clusters(self, cluster: str | ArrayLike | Sequence[str]) -> tuple[Cluster, ...]:
        names = [cluster] if isinstance(cluster, str) else cluster
        known = {c.name: c for c in self.known_clusters}
        if isinstance(names, Sequence) and 1 <= len(names) <= 2 and all(isinstance(name, str) for name in names):
            for name in names:
                if name not in known:
                    raise UnknownColumn.named(str(name), known, role="clustered standard error")
            return tuple(known[str(name)] for name in names)
        labels = np.asarray(names)
        if labels.shape != (self.n,):
            raise InvalidSetting(
                f"cluster has shape {labels.shape}; it needs one label for each of the {self.n} rows.",
                hint="pass the cluster column of the rows that were used",
            )
        levels, codes = np.unique(labels, return_inverse=True)
        return (Cluster("given clusters", codes.astype(np.int32), len(levels)),)


def _sum(one: FloatArray | None, two: FloatArray | None) -> FloatArray | None:
    return two if one is None else one if two is None else one + two


def _checked_level(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise InvalidSetting(f"level is {level}; an interval needs 0 < level < 1.", hint="level=0.95")
    return level


def _combination_name(row: FloatArray, labels: tuple[str, ...]) -> str:
    parts = [f"{w:+g}·({label})" for w, label in zip(row, labels, strict=True) if w]
    return " ".join(parts) or "0"
