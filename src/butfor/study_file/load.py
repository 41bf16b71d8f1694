"""From a study file to a Study."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from butfor.core.errors import StudySyntax, did_you_mean
from butfor.question import (
    ATC,
    ATE,
    ATO,
    ATT,
    LATE,
    Design,
    Estimand,
    Instrumented,
    Observational,
    Question,
    Randomized,
)
from butfor.study import Progress, Study
from butfor.study_file.model import EstimandPart, StudyModel
from butfor.study_file.registry import estimator

ESTIMANDS: dict[str, type[Estimand]] = {"ATE": ATE, "ATT": ATT, "ATC": ATC, "ATO": ATO, "LATE": LATE}
EXPECTED = {
    "tuple_type": "a list, as in [a, b]",
    "dict_type": "settings, as in {powers: 2}",
    "model_type": "a section with keys of its own",
    "model_attributes_type": "a section with keys of its own",
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "invalid_key": "a key in letters",
}


def read_study_file(path: Path) -> StudyModel:
    """The checked contents of a study file.

    Raises:
        StudySyntax: with the key, the line where it is known, and the nearest right key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        near = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise StudySyntax(
            f"Study file {str(path)!r} cannot be read.",
            hint=did_you_mean(path.name, near) if near else "butfor new study.yaml",
        ) from error
    try:
        content = yaml.safe_load(text)
        repeated = _repeated_key(yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark is not None else "somewhere"
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise StudySyntax(
            f"Study file {str(path)!r} breaks at {where}: {problem}.", hint="check indentation and quotes there"
        ) from error
    if not isinstance(content, dict):
        raise StudySyntax(
            f"Study file {str(path)!r} has no keys; a study needs question and data.", hint="butfor new study.yaml"
        )
    if repeated is not None:
        name, line = repeated
        raise StudySyntax(
            f"{name} stands twice in one section (line {line}); a key needs one value.", hint="remove one of them"
        )
    try:
        return StudyModel.model_validate(content)
    except ValidationError as error:
        raise _explained(error, content, text) from error


def _repeated_key(node: Any) -> tuple[str, int] | None:
    """A key that stands twice in one mapping, and its second line: YAML would silently keep the last."""
    inner: list[Any] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            inner.append(value)
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                return str(key.value), key.start_mark.line + 1
            seen.add(key.value)
    elif isinstance(node, yaml.SequenceNode):
        inner = node.value
    return next((found for found in map(_repeated_key, inner) if found is not None), None)


def _explained(error: ValidationError, content: Any, text: str) -> StudySyntax:
    """The deepest problem, unknown keys first, in our words."""
    problems = sorted(error.errors(), key=lambda e: len(_path(e["loc"], content)), reverse=True)
    first = next((e for e in problems if e["type"] == "extra_forbidden"), problems[0])
    keys = _path(first["loc"], content)
    if first["type"] == "missing":
        keys.append(str(first["loc"][-1]))
    where, line = ".".join(keys), _line_of(text, keys)
    at = f" (line {line})" if line else ""
    if first["type"] == "extra_forbidden":
        known = _keys_at(keys[:-1])
        return StudySyntax(
            f"{where}{at} is not a key of study files; {'.'.join(keys[:-1]) or 'a study'} needs keys it knows.",
            hint=did_you_mean(keys[-1], known),
        )
    if first["type"] == "missing":
        return StudySyntax(
            f"{where} is missing; a study needs it.",
            hint=f"add {keys[-1]}: under {'.'.join(keys[:-1]) or 'the top level'}",
        )
    shown = repr(first.get("input"))[:60]
    message = EXPECTED.get(first["type"], first["msg"].removeprefix("Input should be "))
    return StudySyntax(
        f"{where}{at} is {shown}; it should be {message}.", hint="see `butfor schema` for what each key takes"
    )


def _path(loc: Iterable[str | int], content: Any) -> list[str]:
    """The keys of the file that an error is about; what else pydantic names are the alternatives that it tried."""
    keys: list[str] = []
    node = content
    for part in loc:
        children: dict[Any, Any] = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(node, list | dict) and part in children:
            node = children[part]
            keys.append(str(part))
    return keys


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line of a nested key, by walking the YAML nodes."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    line: int | None = None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == key), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
            line = node.start_mark.line + 1
    return line


def _keys_at(keys: list[str]) -> Iterable[str]:
    model: type[BaseModel] = StudyModel
    for key in keys:
        field = model.model_fields.get(key)
        kinds = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if inner is None:
            return ()
        model = inner
    return model.model_fields


def build_study(
    model: StudyModel, folder: Path, *, seed: int | None = None, command: str = "", progress: Progress | None = None
) -> Study:
    """The study that a file describes; paths are relative to `folder`."""
    return Study(
        _data_path(model.data.path, folder),
        question=question_of(model),
        graph=_graph_of(model.graph, folder),
        design=_design_of(model),
        covariates=model.covariates,
        weights=model.data.weights,
        cluster=model.data.cluster,
        missing=model.data.missing,
        negative_outcomes=model.negative_outcomes,
        mediators=model.mediators,
        seed=model.seed if seed is None else seed,
        table=model.data.table,
        title=model.title,
        command=command,
        progress=progress,
    )


def question_of(model: StudyModel) -> Question:
    """The question of a study file."""
    part = model.question
    given = part.estimand if isinstance(part.estimand, EstimandPart) else EstimandPart(kind=part.estimand)
    return Question(
        part.treatment,
        part.outcome,
        ESTIMANDS[given.kind](trim=given.trim),
        contrast=part.contrast,
        modifiers=part.modifiers,
        population=part.population,
        arms=part.arms,
        decision=part.decision,
        text=part.text,
        event=part.event,
    )


def estimators_of(model: StudyModel) -> list[Any]:
    """The estimators that a file names."""
    return [estimator(entry) for entry in model.estimators]


def _design_of(model: StudyModel) -> Design:
    part = model.design
    if (part.instrument is not None) != (part.kind == "instrumented"):
        raise StudySyntax(
            f"design.kind is {part.kind!r} with instrument {part.instrument!r}; an instrumented design needs both, "
            "another one neither.",
            hint="design: {kind: instrumented, instrument: offered, given: [age]}",
        )
    if part.instrument is not None:
        return Instrumented(part.instrument, given=part.given)
    return Randomized(within=part.within, cluster=part.cluster) if part.kind == "randomized" else Observational()


def _data_path(path: str, folder: Path) -> str:
    return (
        path
        if Path(path).is_absolute()
        else str(Path(glob.escape(str(folder)) if glob.has_magic(path) else folder) / path)
    )


def _graph_of(graph: str | None, folder: Path) -> str | Path | None:
    if graph is None:
        return None
    plain = "\n" not in graph.strip() and not re.search(r"->|<-|[;{\[]", graph)
    return folder / graph.strip() if plain and (folder / graph.strip()).is_file() else graph
