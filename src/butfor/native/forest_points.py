"""What a forest says about points: estimates, their variances, and those of their combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.native import _kernels

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Joint:
    """How the k estimates of a point vary together from bag to bag, and how much of that is the noise of the trees.

    Attributes:
        between, noise: n × k × k.
        bags: how many bags each point's estimates come from (n).
        bag_size: trees per bag.
    """

    between: FloatArray
    noise: FloatArray
    bags: FloatArray
    bag_size: int


@dataclass(frozen=True, eq=False)
class PointEstimates:
    """Estimates at n points (n × k each); NaN where the forest has none.

    Attributes:
        value: the estimates.
        variance: of the estimates, by the bags of little trees; NaN without them.
        monte_carlo: the part of the variance of `value` that more trees would remove.
        joint: what the variances of combinations need, where there are several estimates.
    """

    value: FloatArray
    variance: FloatArray
    monte_carlo: FloatArray
    joint: Joint | None = None

    @classmethod
    def of(cls, found: tuple[FloatArray, ...], shift: FloatArray, scale: FloatArray, bag_size: int) -> PointEstimates:
        """What the kernel found for standardised columns, in original units: shift + scale · value."""
        value, variance, monte_carlo, between, noise, bags = found
        joint = None
        if len(bags):
            scales = np.outer(scale, scale)
            joint = Joint(scales * _square(between, len(scale)), scales * _square(noise, len(scale)), bags, bag_size)
        return cls(shift + scale * value, scale**2 * variance, scale**2 * monte_carlo, joint)

    def combine(self, combinations: NDArray[Any]) -> PointEstimates:
        """Combinations of the estimates, such as the differences of two arms, with variances of their own.

        Args:
            combinations: c × k, one combination per row: [[-1, 1]] is the second estimate less the first.

        Raises:
            InvalidSetting: for rows of another length than there are estimates.
        """
        weights = np.asarray(combinations, dtype=float)
        k = self.value.shape[1]
        if weights.ndim != 2 or weights.shape[1] != k:
            raise InvalidSetting(
                f"combinations have shape {weights.shape}; {k} estimates need rows of {k} numbers.",
                hint="np.eye(k) is the estimates themselves",
            )
        value = self.value @ weights.T
        if self.joint is None:
            return PointEstimates(value, self.variance @ weights.T**2, self.monte_carlo @ weights.T**2)
        joint = Joint(
            weights @ self.joint.between @ weights.T,
            weights @ self.joint.noise @ weights.T,
            self.joint.bags,
            self.joint.bag_size,
        )
        between = np.ascontiguousarray(np.diagonal(joint.between, axis1=1, axis2=2))
        noise = np.ascontiguousarray(np.diagonal(joint.noise, axis1=1, axis2=2))
        with np.errstate(divide="ignore", invalid="ignore"):
            monte_carlo = noise / joint.bags[:, None]
        variance = _kernels.forest_variance(between, noise, joint.bags, float(joint.bag_size))
        return PointEstimates(value, variance, monte_carlo, joint)

    def in_order(self, order: NDArray[np.intp]) -> PointEstimates:
        """Point i of these as point `order[i]` of the result."""
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        joint = self.joint
        if joint is not None:
            joint = Joint(joint.between[back], joint.noise[back], joint.bags[back], joint.bag_size)
        return PointEstimates(self.value[back], self.variance[back], self.monte_carlo[back], joint)


def _square(packed: FloatArray, k: int) -> FloatArray:
    """Symmetric matrices from their lower triangles."""
    full = np.empty((len(packed), k, k))
    row, column = np.tril_indices(k)
    full[:, row, column] = full[:, column, row] = packed
    return full
