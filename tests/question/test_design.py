"""Designs: what they take, and that they survive JSON."""

from __future__ import annotations

import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting


def test_one_stratum_may_be_named_alone() -> None:
    assert bf.Randomized(within="country") == bf.Randomized(within=("country",))


def test_a_column_cannot_be_stratum_and_cluster() -> None:
    with pytest.raises(InvalidSetting, match="both stratum and cluster"):
        bf.Randomized(within=("school",), cluster="school")


@pytest.mark.parametrize("design", [bf.Observational(), bf.Randomized(within=("a", "b"), cluster="c")])
def test_designs_survive_json(design: bf.Observational | bf.Randomized) -> None:
    assert bf.from_json(bf.to_json(design)) == design
