"""What the README says is so: its commands, its outputs, its sentences."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from archc.runtime.cli.app import COMMANDS

from .cli.tool import process

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(mark: str) -> str:
    """The code block after `<!-- mark -->`."""
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no block {mark}"
    return found[1]


def sentence(mark: str) -> str:
    """The words in backticks after `<!-- says: mark -->`."""
    found = re.search(rf"<!-- says: {mark} -->`(.*?)`", README, re.DOTALL)
    assert found, f"README.md does not say {mark}"
    return " ".join(found[1].split())


def test_the_two_commands_install_what_is_tested() -> None:
    assert block("command: train").count("\n") == block("command: test").count("\n") == 1
    assert ".venv/bin/archc train specs/lenet.arch" in block("command: train")
    assert block("command: test").endswith(".venv/bin/pytest\n")
    for command in ("train", "test"):
        assert "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt " in block(f"command: {command}")


def test_the_constraints_hold_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [re.split(r"[<>=!~\[ ]", line)[0] for line in (*project["dependencies"], *project["optional-dependencies"]["test"])]
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))
    assert [name for name in wanted if name not in pinned] == []
    assert pinned["torch"] == "2.13.0"


@pytest.mark.parametrize("command", re.findall(r"<!-- output: archc (.*?) -->", README))
def test_outputs_are_what_comes_out(command: str, request: pytest.FixtureRequest) -> None:
    """Renewed with `pytest --update-golden`, as golden files are."""
    done = process(*command.split(), cwd=ROOT)
    said = (done.stdout + done.stderr).rstrip("\n") + "\n"
    mark = f"output: archc {command}"
    if request.config.getoption("--update-golden"):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        place = re.compile(rf"(<!-- {re.escape(mark)} -->\n```\n).*?(```)", re.DOTALL)
        (ROOT / "README.md").write_text(place.sub(lambda found: found[1] + said + found[2], text), encoding="utf-8")
        return
    assert block(mark) == said


def test_the_picture_on_the_first_screen_is_drawn_from_the_spec(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Names and numbers are compared: where they stand is for whichever renderer is there."""
    assert process("render", "lenet", "-o", tmp_path / "lenet.svg").returncode == 0
    picture = ROOT / "docs/pictures/lenet.svg"
    if request.config.getoption("--update-golden"):
        picture.write_bytes((tmp_path / "lenet.svg").read_bytes())
        return
    assert _words(picture) == _words(tmp_path / "lenet.svg")


def _words(picture: Path) -> list[str]:
    return sorted(re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text(encoding="utf-8")))


def test_the_table_has_every_command() -> None:
    rows = README.partition("<!-- commands -->")[2].partition("\n\n")[0]
    told = re.findall(r"`archc ([\w-]+)", rows)
    assert sorted(told) == sorted(COMMANDS)


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_without_dot_the_other_renderer_draws(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = process("render", "lenet", cwd=tmp_path, PATH=str(tmp_path / "bin"))
    assert (done.returncode, done.stderr) == (0, "wrote lenet.svg\n")
    assert "LeNet" in (tmp_path / "lenet.svg").read_text(encoding="utf-8")


def test_without_any_renderer_the_sentence_is_told(tmp_path: Path) -> None:
    script = (
        "import archc.runtime.diagram as d\n"
        "d._pure_program = lambda: None\n"
        "from archc.runtime.cli import main\nmain(['render', 'lenet'])"
    )
    environment = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert sentence("no-dot") in done.stderr
    assert "graphviz" in done.stderr
    assert process("render", "lenet", "-o", "x.dot", cwd=tmp_path, PATH=str(tmp_path)).returncode == 0


def test_no_compiler_is_needed(tmp_path: Path) -> None:
    assert "**No compiler.** None is needed" in README
    (tmp_path / "bin").mkdir()
    done = process("train", "mlp", "--steps", "2", "-q", cwd=tmp_path, PATH=str(tmp_path / "bin"), CC="/nowhere", CXX="/nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs/MLP-1\n", "")


def test_no_connection_is_opened(tmp_path: Path) -> None:
    script = (
        "import socket\n"
        "def refuse(*args, **options): raise AssertionError('a connection')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from archc.runtime.cli import main\nmain(['train', 'lenet', '--epochs', '1', '-q'])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs/LeNet-1\n", "")


def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(ImportError, match=f"^{sentence('old-python')}; this is "):
        exec((ROOT / "__init__.py").read_text(encoding="utf-8"), {"__name__": "archc"})
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"] == ">=3.11"


def test_a_file_without_a_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain.arch").write_text("model M(x: [B, 8]) -> [B, 4] {\n    return x -> dense(4)\n}\n")
    done = process("train", "plain.arch", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence("no-program") in done.stderr


def test_the_python_of_the_tour_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found
    exec(found[1], {})
    assert (tmp_path / "runs").is_dir()
