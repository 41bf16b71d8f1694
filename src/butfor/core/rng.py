"""Random numbers: a seed or a generator everywhere, independent streams, no global state."""

from __future__ import annotations

import numpy as np

Seed = int | np.random.Generator


def generator(rng: Seed) -> np.random.Generator:
    """The generator itself, or a new one from a seed."""
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)


def streams(rng: Seed, count: int) -> list[np.random.Generator]:
    """`count` independent generators: the same seed gives the same streams, and no two are alike."""
    return generator(rng).spawn(count)


def seed_of(rng: Seed) -> int:
    """A seed for libraries that take only an integer."""
    return int(generator(rng).integers(0, 2**31 - 1))
