"""What `import butfor` and the plain paths must not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import butfor

HEAVY = {"scipy", "sklearn", "pandas", "polars", "duckdb", "pyarrow", "altair", "jinja2", "vl_convert", "pydantic"}


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import butfor").isdisjoint(HEAVY | {"numpy"})


@pytest.mark.parametrize("name", ["OLS", "IPW", "Lin", "DifferenceInMeans", "LinearModel", "LogisticModel"])
def test_plain_methods_load_without_the_heavy_libraries(name: str) -> None:
    assert loaded_after(f"import butfor; butfor.{name}()").isdisjoint(HEAVY)


def test_every_public_name_is_there() -> None:
    code = "import butfor; assert len(butfor.__all__) > 40; [getattr(butfor, name) for name in butfor.__all__]"
    assert "butfor" in loaded_after(code)
    assert set(dir(butfor)) == set(butfor.__all__)
    assert all(getattr(butfor, name) is not None for name in butfor.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        butfor.no_such_name  # noqa: B018


def test_plain_fits_never_load_scikit_learn() -> None:
    code = """
import butfor as bf, numpy as np
rng = np.random.default_rng(0)
age, treated = rng.normal(size=400), rng.integers(0, 2, 400)
columns = {"age": age, "treated": treated, "sales": age + treated + rng.normal(size=400)}
for estimator in (bf.OLS(), bf.IPW()):
    estimator.fit(columns, treatment="treated", outcome="sales", covariates=["age"]).estimate().tidy()
"""
    assert "sklearn" not in loaded_after(code)
