"""Mean outcomes along an amount: a doubly robust pseudo-outcome, smoothed by local polynomials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import TooFewRows

FloatArray = NDArray[np.float64]

# Constant of the rule of thumb for a local line and the normal kernel (Fan and Gijbels 1996, table 3.2).
RULE_OF_THUMB = 0.776
PILOT = 4
# Smallest eigenvalue of the local design's correlations that still counts as information.
LEAST_INFORMATION = 1e-10
LEAST_SLACK = 1e-3


@dataclass(frozen=True, eq=False)
class DosePredictions:
    """What the nuisances say of n rows with doses A, and on a grid of G doses that spans them.

    Attributes:
        dose: A (n).
        weights: sampling weights with mean one (n).
        residual: Y − μ(X, A), what the outcome model leaves (n).
        ratio: ϖ(A) / π(A | X), density of the dose over that given the covariates (n).
        grid: doses in ascending order (G).
        means: μ(X, t) at every dose of the grid (n × G).
    """

    dose: FloatArray
    weights: FloatArray
    residual: FloatArray
    ratio: FloatArray
    grid: FloatArray
    means: FloatArray

    @property
    def curve(self) -> FloatArray:
        """m(t) = mean of μ(X, t) over everyone (G)."""
        return self.weights @ self.means / len(self.dose)

    @property
    def pseudo_outcome(self) -> FloatArray:
        """ξ = ϖ(A)/π(A | X) (Y − μ(X, A)) + m(A), whose mean given A is E[Y(A)] when μ or π is right (n)."""
        return self.ratio * self.residual + np.interp(self.dose, self.grid, self.curve)

    @property
    def mass(self) -> FloatArray:
        """The doses' distribution as weights on the grid, each dose shared by its two neighbours (G)."""
        right = np.clip(np.searchsorted(self.grid, self.dose, side="right"), 1, len(self.grid) - 1)
        gap = self.grid[right] - self.grid[right - 1]
        share = np.clip((self.dose - self.grid[right - 1]) / gap, 0.0, 1.0)
        size = len(self.grid)
        left_mass = np.bincount(right - 1, weights=self.weights * (1.0 - share), minlength=size)
        return (left_mass + np.bincount(right, weights=self.weights * share, minlength=size)) / len(self.dose)


def smooth_curve(
    found: DosePredictions, doses: FloatArray, bandwidth: float, degree: int
) -> tuple[FloatArray, FloatArray]:
    """E[Y(a)] at each asked dose (k), and its influence functions (n × k).

    The local polynomial β = argmin Σ w K((A − a)/h) (ξ − g(A)'β)², with g = (1, u, …, u^degree) in u = (A − a)/h, has

        φ = e₁'D⁻¹ { K(A) g(A) (ξ − g(A)'β) + ∫ K(t) g(t) (μ(X, t) − m(t)) dF(t) },   D = E[K g g'],

    where the second part is what averaging μ over the covariates adds (Kennedy et al. 2017, theorem 3). Few rows are
    near a dose: the first part is divided by one less the row's leverage, as the jackknife does (HC3), and centred.

    Raises:
        TooFewRows: where too few different doses are near an asked one.
    """
    outcome, mass, curve = found.pseudo_outcome, found.mass, found.curve
    values = np.empty(len(doses))
    influence = np.empty((len(found.dose), len(doses)))
    for k, dose in enumerate(doses.tolist()):
        design, kernel = _local(found.dose, dose, bandwidth, degree)
        weighted = design * (found.weights * kernel)[:, None]
        gram = weighted.T @ design / len(found.dose)
        _check_information(gram, dose, bandwidth)
        first = np.linalg.solve(gram, np.eye(degree + 1)[0])
        beta = np.linalg.solve(gram, weighted.T @ outcome / len(found.dose))
        at_grid, kernel_at_grid = _local(found.grid, dose, bandwidth, degree)
        tilt = mass * kernel_at_grid * (at_grid @ first)
        averaging = found.means @ tilt - float(curve @ tilt)
        values[k] = beta[0]
        leverage = np.einsum("ij,ij->i", weighted @ np.linalg.inv(gram), design) / len(found.dose)
        own = (weighted @ first) * (outcome - design @ beta) / np.maximum(1.0 - leverage, LEAST_SLACK)
        influence[:, k] = own - own.mean() + found.weights * averaging
    return values, influence


def rule_of_thumb(found: DosePredictions) -> float:
    """The bandwidth of a local line by Fan and Gijbels: curvature from a polynomial of degree four through all rows.

    h = .776 (σ² range / Σ m''(A)²)^(1/5), over the middle nine tenths of the doses.
    """
    low, high = (float(q) for q in np.quantile(found.dose, [0.05, 0.95]))
    width = float(found.grid[-1] - found.grid[0])
    scaled = 2.0 * (found.dose - found.grid[0]) / width - 1.0
    basis = np.polynomial.chebyshev.chebvander(scaled, PILOT)
    root = np.sqrt(found.weights)
    slopes = np.linalg.lstsq(basis * root[:, None], found.pseudo_outcome * root, rcond=None)[0]
    variance = float(found.weights @ (found.pseudo_outcome - basis @ slopes) ** 2) / len(found.dose)
    bend = np.polynomial.chebyshev.chebval(scaled, np.polynomial.chebyshev.chebder(slopes, 2)) * (2.0 / width) ** 2
    inside = (found.dose >= low) & (found.dose <= high)
    curvature = float(found.weights[inside] @ bend[inside] ** 2)
    if curvature <= 0.0 or high <= low:
        return width
    return min(RULE_OF_THUMB * (variance * (high - low) / curvature) ** 0.2, width)


def _local(at: FloatArray, dose: float, bandwidth: float, degree: int) -> tuple[FloatArray, FloatArray]:
    u = (at - dose) / bandwidth
    return np.vander(u, degree + 1, increasing=True), np.exp(-0.5 * u * u) / (np.sqrt(2.0 * np.pi) * bandwidth)


def _check_information(gram: FloatArray, dose: float, bandwidth: float) -> None:
    scale = np.sqrt(np.maximum(np.diag(gram), 0.0))
    if np.all(scale > 1e-150) and np.linalg.eigvalsh(gram / np.outer(scale, scale))[0] >= LEAST_INFORMATION:
        return
    raise TooFewRows(
        f"Too few different doses are within {bandwidth:.4g} of {dose:.4g}; a curve needs some on both sides.",
        hint=f"bandwidth={2 * bandwidth:.4g}, other doses=, or arms=True for a few values",
    )
