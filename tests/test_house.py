"""The house stands: text flows one way, each floor knows only the floors below it, and each thing is in one place."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("dsl", "compiler", "runtime")
FILES = sorted(chain(ROOT.glob("*.py"), *((ROOT / floor).rglob("*.py") for floor in FLOORS)))
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]
AT_ONCE = {"networkx", "rich", "lark", "sklearn", "graphviz", "safetensors"}
"""What is imported where it is used, so that `archc check` starts fast."""


def imports(name: str) -> Iterator[tuple[str, bool]]:
    """The modules that a file imports, relative ones from the root of the package; and whether at once, or when a function runs."""
    path = ROOT / name
    folder = ["archc", *path.relative_to(ROOT).parts[:-1]]
    lazy = {id(node) for outer in ast.walk(tree(name)) if _waits(outer) for node in ast.walk(outer)}
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in lazy
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            home = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{home}.{alias.name}", id(node) not in lazy


def _waits(node: ast.AST) -> bool:
    """A function, or what only a type checker reads."""
    checking = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return checking or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), name)


@cache
def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_floor_knows_only_the_floors_below_it(name: str) -> None:
    floor = name.split("/")[0]
    allowed = FLOORS[: FLOORS.index(floor) + 1] if floor in FLOORS else FLOORS
    for module, _ in imports(name):
        parts = module.split(".")
        assert parts[0] not in (*FLOORS, "specs", "tests"), f"{name} imports {module}: a name of the house without the house"
        if parts[0] == "archc" and len(parts) > 1:
            assert parts[1] in (*allowed, "__version__"), f"{name} imports {module}, which is above it"


@pytest.mark.parametrize("name", [name for name in NAMES if "/" in name])
def test_inside_the_house_imports_are_relative(name: str) -> None:
    absolute = [
        n.module
        for n in ast.walk(tree(name))
        if isinstance(n, ast.ImportFrom) and not n.level and (n.module or "").split(".")[0] == "archc"
    ]
    assert absolute == []


@pytest.mark.parametrize("name", NAMES)
def test_packages_are_imported_where_they_belong(name: str) -> None:
    found = {module.split(".")[0] for module, _ in imports(name)}
    if not name.startswith("runtime/"):
        assert not found & {"torch", "numpy", "sklearn", "rich", "typer", "safetensors", "graphviz"}
    if name.startswith("dsl/"):
        assert "pydantic" not in found
    assert "lark" not in found or name == "dsl/build_table.py"
    assert "networkx" not in found or name == "compiler/graph.py"
    assert "typer" not in found or name.startswith("runtime/cli/")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_slow_to_import_waits_until_it_is_used(name: str) -> None:
    assert not {module.split(".")[0] for module, at_once in imports(name) if at_once} & AT_ONCE


@pytest.mark.parametrize("name", NAMES)
def test_first_words_are_a_contract(name: str) -> None:
    doc = ast.get_docstring(tree(name))
    assert doc, f"{name} does not say what it is for"


def test_the_packages_are_the_folders() -> None:
    folders = {"archc"} | {f"archc.{'.'.join(path.parent.relative_to(ROOT).parts)}" for path in FILES if path.parent != ROOT}
    listed = settings()["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(folders)
    for package in folders:
        assert (ROOT / Path(*package.split(".")[1:]) / "__init__.py").is_file()


def test_what_is_no_python_is_package_data() -> None:
    data = settings()["tool"]["setuptools"]["package-data"]
    listed = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in (ROOT / Path(*package.split(".")[1:])).glob(pattern)
    }
    here = chain((ROOT / "specs").rglob("*"), *((ROOT / floor).rglob("*") for floor in FLOORS))
    wanted = {path for path in here if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts}
    assert wanted | {ROOT / "py.typed"} == listed


def test_versions_are_one() -> None:
    import archc

    assert settings()["project"]["version"] == archc.__version__


def test_each_code_is_one_fault_with_a_title_and_a_story() -> None:
    seen: dict[str, str] = {}
    for name in NAMES:
        for node in ast.walk(tree(name)):
            values = _constants(node) if isinstance(node, ast.ClassDef) else {}
            code = values.get("code", "")
            if not isinstance(node, ast.ClassDef) or not re.fullmatch(r"[EW]\d{4}", code):
                continue
            here = f"{name}: {node.name}"
            assert code not in seen, f"{code} is {seen[code]} and {here}"
            seen[code] = here
            assert values.get("title"), f"{here} has no title"
            assert len(ast.get_docstring(node) or "") > 30, f"{here} has no story"
    assert len(seen) > 50


def _constants(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for statement in node.body:
        target = (
            statement.targets[0]
            if isinstance(statement, ast.Assign)
            else statement.target
            if isinstance(statement, ast.AnnAssign)
            else None
        )
        if (
            isinstance(statement, ast.Assign | ast.AnnAssign)
            and isinstance(target, ast.Name)
            and isinstance(statement.value, ast.Constant)
        ):
            found[target.id] = str(statement.value.value)
    return found


def test_nothing_is_left_undone() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b")
    undone = [
        f"{name}:{i}" for name in NAMES for i, line in enumerate((ROOT / name).read_text().splitlines(), 1) if marks.search(line)
    ]
    assert undone == []


def test_tests_mirror_the_tree() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    elsewhere = {Path(), Path("cli"), Path("specs")}
    assert sorted(str(f) for f in folders - elsewhere if not (ROOT / f).is_dir()) == []


def test_importing_archc_imports_nothing(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys; before = set(sys.modules); import archc; print(sorted(m for m in set(sys.modules) - before if '.' not in m))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout in ("[]\n", "['archc']\n")


def test_public_names_are_there() -> None:
    import archc

    for name in archc.__all__:
        assert getattr(archc, name) is not None
    assert set(archc.__all__) <= set(dir(archc))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        archc.nonsense  # noqa: B018
