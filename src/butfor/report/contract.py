"""The stable JSON of a study: what other programs may rely on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from butfor.core.serial import encode
from butfor.discovery.proposal import GraphProposal
from butfor.question.question import Question
from butfor.report.record import StudyRecord

SCHEMA_VERSION = "1.0"


def contract(record: StudyRecord) -> dict[str, Any]:
    """Everything that a study found as dicts, lists, strings, finite numbers, booleans and None.

    Keys are only added within a major version. A stage that was not run is None, or an empty list where the stage
    gives a list. Numbers that JSON does not have (a p-value that does not exist) are None.
    """
    found = {
        "schema_version": SCHEMA_VERSION,
        "question": _question(record.question),
        "framing": _untyped(encode(record.framing)),
        "identification": record.identification.to_dict(),
        "estimates": [] if record.estimates is None else record.estimates.records(),
        "refutations": [] if record.refutations is None else record.refutations.records(),
        "sensitivity": None if record.sensitivity is None else record.sensitivity.records(),
        "decision": None if record.decision is None else record.decision.to_dict(),
        "diagnostics": [_untyped(encode(d)) for d in record.diagnostics],
        "provenance": {
            **_untyped(encode(record.provenance)),
            "command": record.command,
            "learned_graph": None if record.learned is None else _learned(record.learned),
        },
    }
    return {name: _finite(value) for name, value in found.items()}


def to_json(record: StudyRecord) -> str:
    """The contract as text."""
    return json.dumps(contract(record), indent=2, allow_nan=False, ensure_ascii=False)


def _learned(proposal: GraphProposal) -> dict[str, Any]:
    return {
        "method": proposal.method,
        "rows": proposal.n,
        "resamples": proposal.resamples,
        "graph": proposal.graph.to_text(),
        "edges": proposal.stability.to_dicts(),
    }


def _question(question: Question) -> dict[str, Any]:
    fields = _untyped(encode(question))
    return {
        **fields,
        "text": question.sentence,
        "estimand": question.estimand.label,
        "estimand_formula": question.estimand.formula,
        "estimand_words": question.estimand.words,
    }


def _untyped(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in value.items() if k != "type"}


def _finite(value: Any) -> Any:
    """Numbers that JSON does not have become None, wherever they are."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        found: dict[str, Any] = {str(k): v for k, v in value.items()}
        return None if list(found) == ["number"] else {k: _finite(v) for k, v in found.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
