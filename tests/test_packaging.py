"""The wheel, installed where the source is out of sight: everything ships, and a shipped spec trains by its bare name."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = (
    "__init__.py",
    "__main__.py",
    "py.typed",
    "dsl",
    "compiler",
    "runtime",
    "specs",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)


def say(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=_clean() | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _clean() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what ships, so that nothing else in the checkout can slip in or help."""
    home = tmp_path_factory.mktemp("build")
    source = home / "source"
    source.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    say(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", home, source, cwd=home)
    [built] = home.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with this one's packages by their folders, which start no editable install, and archc from the wheel."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home / "venv", with_pip=False, symlinks=os.name == "posix")
    python = home / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(say(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    say(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", site, wheel, cwd=home)
    for kind in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        (site / f"packages-{len(kind)}.pth").write_text(f"{kind}\n")
    return python


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"archc", f"{wheel.name.split('-py3')[0]}.dist-info"}
    for name in ("py.typed", "dsl/grammar.lark", "dsl/grammar.table", "specs/lenet.arch", "specs/resnet.arch"):
        assert f"archc/{name}" in names
    assert sorted(n for n in names if n.endswith(".arch")) == sorted(
        f"archc/{p.relative_to(ROOT)}" for p in (ROOT / "specs").rglob("*.arch")
    )
    assert not [name for name in names if "tests" in name or "docs/" in name]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_is_out_of_sight(installed: Path, tmp_path: Path) -> None:
    where = say(installed, "-c", "import archc; print(archc.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent.parent)


def test_a_shipped_spec_trains_by_its_bare_name(installed: Path, tmp_path: Path) -> None:
    assert "lenet" in say(installed, "-m", "archc", "specs", cwd=tmp_path)
    assert say(installed, "-m", "archc", "check", "lenet", "resnet", cwd=tmp_path) == ""
    run = say(installed, "-m", "archc", "train", "lenet", "--epochs", "1", cwd=tmp_path).strip()
    assert (tmp_path / run / "model.safetensors").is_file()
    assert "accuracy" in say(installed, "-m", "archc", "eval", run, cwd=tmp_path)


def test_the_command_is_installed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "archc = archc.runtime.cli:main" in archive.read(points).decode()


@pytest.mark.slow
def test_types_are_seen_by_a_checker(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "import archc\n\nreport: archc.Report = archc.check('lenet')\nwrong: int = archc.compile('lenet').source\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--python-executable",
            str(installed),
            "--cache-dir",
            str(tmp_path / "cache"),
            "user.py",
        ],
        cwd=tmp_path,
        env=_clean(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (
        'user.py:4: error: Incompatible types in assignment (expression has type "str", variable has type "int")' in done.stdout
    )
    assert "Found 1 error in 1 file" in done.stdout
