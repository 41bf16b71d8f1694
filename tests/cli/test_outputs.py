"""Outputs: all of them or none, and nothing is replaced that is no file."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from butfor.cli.outputs import Outputs
from butfor.core.errors import UnwritablePath


def test_files_are_written_whole_and_leave_nothing_behind(tmp_path: Path) -> None:
    report, as_json = tmp_path / "r.html", tmp_path / "o.json"
    Outputs(report, as_json).write({as_json: "{}", report: "<html>"})
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {"r.html": "<html>", "o.json": "{}"}


def test_when_one_cannot_be_written_none_is(tmp_path: Path) -> None:
    report, as_json = tmp_path / "gone" / "r.html", tmp_path / "o.json"
    with pytest.raises(UnwritablePath, match="gone"):
        Outputs(report, as_json).write({as_json: "{}", report: "<html>"})
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text("utf-8")))
    reader.start()
    outputs = Outputs(None, pipe)
    outputs.check()
    outputs.write({pipe: "{}"})
    reader.join(timeout=30)
    assert read == ["{}"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o600)
    link.symlink_to(target)
    Outputs(link, None).write({link: "new"})
    assert link.is_symlink()
    assert target.read_text("utf-8") == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
