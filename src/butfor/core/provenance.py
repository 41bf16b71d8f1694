"""Where a number came from: enough to compute it again."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata

from butfor.core.serial import public_value

LIBRARIES = ("numpy", "scipy", "scikit-learn", "narwhals", "duckdb", "pyarrow")


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in ("butfor", *LIBRARIES):
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def versions() -> dict[str, str]:
    """Versions of Butfor, Python and the libraries that can change a number."""
    return dict(_versions())


@public_value
@dataclass(frozen=True)
class Provenance:
    """The data, the settings, the seed and the versions behind a result."""

    data_source: str = ""
    data_fingerprint: str = ""
    rows_read: int = 0
    rows_used: int = 0
    seed: int | None = None
    settings: str = ""
    versions: dict[str, str] = field(default_factory=versions)
