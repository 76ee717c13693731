"""The house stands: text flows one way, each floor knows only the floors below it, and each thing is in one place."""

import ast
import re
import subprocess
import sys
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
AS_A_WHOLE = {"runtime/estimator.py"}  # is imported when its one class is asked for, which is a class of scikit-learn's
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


def test_a_floor_knows_only_the_floors_below_it() -> None:
    assert [f"{name} imports {module}" for name in NAMES for module, _ in imports(name) if not _may(name, module)] == []


def _may(name: str, module: str) -> bool:
    floor, parts = name.split("/")[0], module.split(".")
    if parts[0] in (*FLOORS, "specs", "tests"):
        return False  # a name of the house without the house
    known = FLOORS[: FLOORS.index(floor) + 1] if floor in FLOORS else FLOORS
    return parts[0] != "archc" or len(parts) == 1 or parts[1] in (*known, "__version__")


def test_inside_the_house_imports_are_relative() -> None:
    found = [
        (name, node.module or "")
        for name in NAMES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.ImportFrom) and not node.level
    ]
    assert [name for name, module in found if module.split(".")[0] == "archc"] == []


@pytest.mark.parametrize(
    ("package", "home"),
    [
        ("torch", "runtime/"),
        ("numpy", "runtime/"),
        ("sklearn", ("runtime/data/", "runtime/estimator.py")),
        ("scipy", "runtime/data/"),
        ("pyarrow", ("runtime/data/", "runtime/tables_out.py")),
        ("PIL", "runtime/data/"),
        ("tokenizers", "runtime/data/"),
        ("safetensors", "runtime/"),
        ("rich", "runtime/"),
        ("typer", "runtime/cli/"),
        ("networkx", "compiler/graph.py"),
        ("lark", "dsl/build_table.py"),
    ],
)
def test_a_package_is_imported_where_it_belongs(package: str, home: str | tuple[str, ...]) -> None:
    users = {name for name in NAMES for module, _ in imports(name) if module.split(".")[0] == package}
    assert [name for name in sorted(users) if not name.startswith(home)] == []


def test_the_language_knows_no_package() -> None:
    outside = {module.split(".")[0] for name in NAMES if name.startswith("dsl/") for module, _ in imports(name)}
    assert outside - sys.stdlib_module_names == {"archc", "lark"}


def test_what_is_slow_to_import_waits_until_it_is_used() -> None:
    assert [
        (name, module)
        for name in NAMES
        for module, now in imports(name)
        if now and name not in AS_A_WHOLE and module.split(".")[0] in AT_ONCE
    ] == []


def test_first_words_are_a_contract() -> None:
    assert [name for name in NAMES if not ast.get_docstring(tree(name))] == []


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


def test_each_fault_of_the_runtime_is_shown() -> None:
    """Beside tests/golden/faults, for what check tells: a fact of each kind in tests/runtime/said.py, and what is said of it."""
    shown = {file.name[:5] for file in (ROOT / "tests/golden/said").glob("*.txt")}
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in NAMES if name.startswith("runtime/faults/")]
    told = {code for text in texts for code in re.findall(r'code = "([EW]\d{4})"', text)}
    assert told == shown, "a fact of it in tests/runtime/said.py, then pytest tests/runtime/test_faults.py --update-golden"


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
    elsewhere = {Path(), Path("cli"), Path("fuzz"), Path("specs")}
    assert sorted(str(f) for f in folders - elsewhere if not (ROOT / f).is_dir()) == []


def test_importing_archc_imports_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; before = set(sys.modules); import archc; print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert set(ast.literal_eval(done.stdout)) <= {
        "archc",
        "typing",
        "_typing",
        "collections",
        "contextlib",
        "functools",
        "operator",
        "re",
    }


def test_public_names_are_there() -> None:
    import archc

    for name in archc.__all__:
        assert getattr(archc, name) is not None
    assert set(archc.__all__) <= set(dir(archc))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        archc.nonsense  # noqa: B018
