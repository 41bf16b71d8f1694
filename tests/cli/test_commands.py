"""The command line from outside: what it prints, writes and returns."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

STUDY = """
question: {treatment: t, outcome: y, decision: send it or not}
data: {path: data.csv}
graph: "x -> t; x -> y; t -> y"
estimators: [ols]
refute: {simulations: 20}
"""


def butfor(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from butfor.cli.main import app; sys.argv[0] = 'butfor'; app()"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def frame(n: int = 120) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=n)
    t = (x + rng.normal(size=n) > 0).astype(int)
    return {"t": t, "y": 2 * t + x + rng.normal(size=n), "x": x}


def write_csv(folder: Path, data: dict[str, Any], name: str = "data.csv") -> None:
    rows = zip(*data.values(), strict=True)
    text = "\n".join([",".join(data), *(",".join(map(str, row)) for row in rows)])
    (folder / name).write_text(text + "\n", encoding="utf-8")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_csv(tmp_path, frame())
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path


def test_run_writes_the_contract_and_the_report(study: Path) -> None:
    done = butfor("run", "study.yaml", "--report", "r.html", "--json", "o.json", "--seed", "7", folder=study)
    assert done.returncode == 0, done.stderr
    found = json.loads((study / "o.json").read_text("utf-8"))
    assert list(found) == [
        "schema_version", "question", "framing", "identification", "estimates", "refutations", "sensitivity",
        "decision", "diagnostics", "provenance",
    ]  # fmt: skip
    record = found["estimates"][0]
    keys = "estimator strategy estimand term estimate std_error p_value conf_low conf_high n".split()
    assert [k for k in record if k in keys] == keys
    assert record["conf_low"] < 2 < record["conf_high"]
    assert found["provenance"]["seed"] == 7
    assert found["provenance"]["command"].startswith("butfor run study.yaml")
    assert "<html" in (study / "r.html").read_text("utf-8")
    assert "naive difference" in done.stdout


def test_the_same_seed_gives_the_same_json(study: Path) -> None:
    for name in ("a.json", "b.json"):
        butfor("run", "study.yaml", "--json", name, folder=study)
    one, two = (json.loads((study / name).read_text("utf-8")) for name in ("a.json", "b.json"))
    assert one["estimates"] == two["estimates"]
    assert one["refutations"] == two["refutations"]


def test_identify_prints_json(tmp_path: Path) -> None:
    graph = "u [latent]; u -> x; z -> x; z -> y; x -> y"
    done = butfor("identify", graph, "--treatment", "x", "--outcome", "y", "--json", folder=tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["status"] == "identified"
    assert found["strategies"][0]["kind"] == "adjustment"
    assert found["strategies"][0]["adjust_for"] == ["z"]
    hidden = butfor("identify", graph, "--treatment", "x", "--outcome", "y", "--latent", "z", folder=tmp_path)
    assert "x <- z -> y" in hidden.stdout


def test_new_and_schema(tmp_path: Path) -> None:
    assert butfor("new", folder=tmp_path).returncode == 0
    assert (tmp_path / "study.yaml").read_text("utf-8").startswith("# A study answers one question")
    again = butfor("new", folder=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert json.loads(butfor("schema", folder=tmp_path).stdout)["title"] == "StudyModel"


def test_fail_on_refuted(study: Path) -> None:
    """An outcome that the treatment cannot have changed, but differs: the placebo outcome fails."""
    data = frame()
    write_csv(study, data | {"before": data["t"] * 3 + data["x"]})
    text = STUDY + "negative_outcomes: [before]\n"
    (study / "study.yaml").write_text(text, encoding="utf-8")
    assert butfor("run", "study.yaml", folder=study).returncode == 0
    done = butfor("run", "study.yaml", "--fail-on", "refuted", folder=study)
    assert done.returncode == 1
    assert "✗" in done.stdout


def test_what_is_not_identified_is_reported_without_a_number(study: Path) -> None:
    text = STUDY.replace("x -> t; x -> y; t -> y", "u [latent]; u -> t; u -> y; t -> y")
    (study / "study.yaml").write_text(text, encoding="utf-8")
    done = butfor("run", "study.yaml", "--json", "o.json", "--report", "r.html", folder=study)
    found = json.loads((study / "o.json").read_text("utf-8"))
    assert done.returncode == 0
    assert found["identification"]["status"] == "not_identified"
    assert found["estimates"] == []


def _truncated(folder: Path) -> None:
    pq.write_table(pa.table(frame()), folder / "whole.parquet")
    (folder / "data.parquet").write_bytes((folder / "whole.parquet").read_bytes()[:200])


def _empty_arm(data: dict[str, Any]) -> dict[str, Any]:
    x = data["x"].astype(object)
    x[data["t"] == 1] = ""
    return data | {"x": x}


BAD: dict[str, tuple[Any, dict[str, str], str]] = {
    "unknown column": (None, {"outcome: y": "outcome: yy"}, "'y'"),
    "constant treatment": (lambda d: d | {"t": d["t"] * 0}, {}, "constant|0 in every row"),
    "empty arm": (_empty_arm, {"data.csv": "data.csv, missing: drop"}, "Arm 1"),
    "text outcome": (lambda d: d | {"y": np.where(d["t"] == 1, "high", "low")}, {}, "text"),
    "infinite values": (lambda d: d | {"x": np.where(d["x"] > 1, np.inf, d["x"])}, {}, "infinite"),
    "missing values": (_empty_arm, {}, "missing"),
    "cyclic graph": (None, {"t -> y": "t -> y; y -> x"}, "x -> .*-> x|y -> .*-> y|t -> .* -> t"),
    "treatment is outcome": (None, {"outcome: y": "outcome: t"}, "both treatment and outcome"),
    "treatment not in the graph": (None, {"x -> t; x -> y; t -> y": "x -> y"}, "'t'"),
    "truncated parquet": (None, {"data.csv": "data.parquet"}, "data.parquet"),
    "wrong key": (None, {"estimators": "estimator"}, "'estimators'"),
    "no such data": (None, {"data.csv": "dta.csv"}, "data.csv"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_one_clear_error_and_writes_nothing(study: Path, name: str) -> None:
    change, edits, expected = BAD[name]
    if change is not None:
        write_csv(study, change(frame()))
    if name == "truncated parquet":
        _truncated(study)
    text = STUDY
    for old, new in edits.items():
        text = text.replace(old, new, 1)
    (study / "study.yaml").write_text(text, encoding="utf-8")
    done = butfor("run", "study.yaml", "--report", "r.html", "--json", "o.json", folder=study)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(expected, done.stderr), done.stderr
    assert not (study / "r.html").exists()
    assert not (study / "o.json").exists()


def test_a_broken_line_is_named(study: Path) -> None:
    lines = (study / "data.csv").read_text("utf-8").splitlines()
    lines[49] = "1,2"
    (study / "data.csv").write_text("\n".join(lines), encoding="utf-8")
    done = butfor("run", "study.yaml", folder=study)
    assert done.returncode == 2
    assert "50" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--report", "study.yaml"), "read by the study"),
        (("--json", "data.csv"), "read by the study"),
        (("--json", "link.csv"), "read by the study"),
        (("--report", "out", "--json", "./out"), "both report and JSON"),
        (("--report", "a" * 300), "cannot be written"),
    ],
)
def test_no_output_goes_over_an_input_or_another_output(study: Path, words: tuple[str, ...], expected: str) -> None:
    (study / "link.csv").symlink_to(study / "data.csv")
    before = {path: path.read_bytes() for path in study.iterdir()}
    done = butfor("run", "study.yaml", *words, folder=study)
    assert done.returncode == 2, done.stdout + done.stderr
    assert expected in done.stderr
    assert {path: path.read_bytes() for path in study.iterdir()} == before


def test_parquet_parts_of_a_glob_are_spared(study: Path) -> None:
    pq.write_table(pa.table(frame()), study / "part-1.parquet")
    (study / "study.yaml").write_text(STUDY.replace("data.csv", "part-*.parquet"), encoding="utf-8")
    done = butfor("run", "study.yaml", "--json", "part-1.parquet", folder=study)
    assert (done.returncode, pq.read_table(study / "part-1.parquet").num_rows) == (2, 120)


def test_a_terminal_that_knows_only_ascii_gets_the_summary(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = butfor("run", "study.yaml", folder=study)
    assert done.returncode == 0, done.stderr
    assert "Passed" in done.stdout


def test_options_of_identify_change_the_study(study: Path) -> None:
    hidden = butfor("identify", "study.yaml", "--latent", "x", "--json", folder=study)
    assert json.loads(hidden.stdout)["status"] == "not_identified"
    other = butfor("identify", "study.yaml", "--treatment", "x", "--json", folder=study)
    assert json.loads(other.stdout)["strategies"][0]["adjust_for"] == []


def test_an_unwritable_path_is_refused_before_the_work(study: Path) -> None:
    done = butfor("run", "study.yaml", "--report", "nowhere/r.html", folder=study)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "mkdir" in done.stderr


INTERRUPTED = """
import os, signal, time
import butfor.study
from butfor.cli.main import app

def interrupted(*args, **settings):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)
butfor.study.refute = interrupted
app()
"""


def test_interrupting_names_what_was_done(study: Path) -> None:
    """Ctrl-C in the middle of the checks."""
    command = [sys.executable, "-c", INTERRUPTED, "run", "study.yaml", "--report", "r.html"]
    done = subprocess.run(command, cwd=study, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 130
    assert "Interrupted. Completed: frame, identify, estimate." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (study / "r.html").exists()


def test_interrupting_the_report_leaves_no_json(study: Path) -> None:
    """Ctrl-C after the JSON is ready and before the report is."""
    code = INTERRUPTED.replace("butfor.study", "butfor.cli.run").replace("run.refute", "run.render")
    command = [sys.executable, "-c", code, "run", "study.yaml", "--report", "r.html", "--json", "o.json"]
    done = subprocess.run(command, cwd=study, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 130
    assert "Under way: report, 0 of 1. No file was written." in done.stderr
    assert sorted(path.name for path in study.iterdir()) == ["data.csv", "study.yaml"]


def test_help_is_quick_to_import() -> None:
    code = "import sys; import butfor.cli.main; print([m for m in ('numpy', 'scipy', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
