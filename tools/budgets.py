"""What the house allows itself: sizes, depth, duplication. Prints every place that is over and exits with 1."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

SOURCE = Path("src/butfor")
FILE_LINES, FUNCTION_LINES, PARAMETERS, CLASS_DEPTH = 500, 50, 8, 2
DUPLICATED_SHARE, WINDOW = 0.03, 6
# One keyword per column role, on the one method that every estimator inherits.
WIDE = {"src/butfor/estimators/base.py:fit"}


def functions(path: Path, tree: ast.AST) -> list[str]:
    """Functions that are too long or take too much."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) else node.body
        length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        count = len([n for n in names if n not in ("self", "cls")])
        where = f"{path}:{node.lineno} {node.name}"
        if length > FUNCTION_LINES:
            found.append(f"{where}: {length} lines (at most {FUNCTION_LINES})")
        if count > PARAMETERS and f"{path}:{node.name}" not in WIDE and "cli" not in path.parts:
            found.append(f"{where}: {count} parameters (at most {PARAMETERS})")
    return found


def handlers(path: Path, tree: ast.AST) -> list[str]:
    """Handlers that catch everything."""
    return [
        f"{path}:{node.lineno}: catches everything"
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]


def depths(bases: dict[str, list[str]]) -> list[str]:
    """Classes too far from their root, counted inside the package."""

    def depth(name: str) -> int:
        return 1 + max((depth(b) for b in bases[name] if b in bases and b != name), default=0)

    return [f"class {name}: depth {depth(name)} (at most {CLASS_DEPTH})" for name in bases if depth(name) > CLASS_DEPTH]


def duplicated(files: dict[Path, str]) -> tuple[float, list[str]]:
    """Share of code lines inside a window that occurs at least twice, and where."""
    windows: defaultdict[tuple[str, ...], list[tuple[Path, int]]] = defaultdict(list)
    total = 0
    for path, text in files.items():
        lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1)]
        code = [(i, s) for i, s in lines if s and not s.startswith(("#", "import ", "from ", '"""')) and len(s) > 2]
        total += len(code)
        for start in range(len(code) - WINDOW + 1):
            windows[tuple(s for _, s in code[start : start + WINDOW])].append((path, code[start][0]))
    places = {spot for spots in windows.values() if len(spots) > 1 for spot in spots}
    covered = {(path, line + k) for path, line in places for k in range(WINDOW)}
    return len(covered) / max(total, 1), sorted(f"{path}:{line}" for path, line in places)


def main() -> int:
    """Print what is over; 1 when something is."""
    files = {path: path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))}
    found: list[str] = []
    bases: dict[str, list[str]] = {}  # errors form a tree of kinds, not of behaviour: they may be deeper
    for path, text in files.items():
        if (lines := text.count("\n")) > FILE_LINES:
            found.append(f"{path}: {lines} lines (at most {FILE_LINES})")
        tree = ast.parse(text)
        found += functions(path, tree) + handlers(path, tree)
        if path.name != "errors.py":
            classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
            bases |= {n.name: [ast.unparse(b) for b in n.bases] for n in classes}
        todo = re.compile(r"\b(TODO|FIXME|XXX)\b(?!.*#\d+)")
        found += [f"{path}:{i}: {line.strip()}" for i, line in enumerate(text.splitlines(), 1) if todo.search(line)]
    found += depths(bases)
    share, places = duplicated(files)
    if share > DUPLICATED_SHARE:
        found += [f"duplicated code: {share:.1%} (at most {DUPLICATED_SHARE:.0%})", *(f"  {place}" for place in places)]
    print("\n".join(found) or f"budgets kept: {len(files)} files, {share:.1%} duplicated")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
