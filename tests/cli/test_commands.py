"""The commands that show, write and explain."""

import ast
import json
from pathlib import Path

import pytest

from archc.compiler.layers import registry
from archc.runtime.cli.explain import faults
from archc.runtime.library import parts
from archc.runtime.specs import library, shipped

from .tool import GOOD, Archc

UGLY = "model   Tiny(width=4)(x:[B,8])->[B,width] {\n  return x->dense(width) # the end\n}\n"


def test_fmt_is_in_place_and_happens_once(archc: Archc, tmp_path: Path) -> None:
    spec = tmp_path / "ugly.arch"
    spec.write_text(UGLY)
    spec.chmod(0o600)
    said = archc("fmt", "--check", "ugly.arch")
    assert (said.status, said.out) == (1, "")
    assert "ugly.arch would change" in said.err
    assert spec.read_text() == UGLY
    assert archc("fmt", "ugly.arch").status == 0
    assert "# the end" in spec.read_text()
    assert spec.stat().st_mode & 0o777 == 0o600
    assert archc("fmt", "--check", ".").status == 0


def test_fmt_of_standard_input(archc: Archc) -> None:
    said = archc("fmt", "-", given=UGLY)
    assert said.status == 0
    assert said.out.startswith("model Tiny(width = 4)")


def test_fmt_leaves_a_broken_file_alone(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "broken.arch").write_text("model M( {\n")
    said = archc("fmt", "broken.arch")
    assert said.status == 1
    assert (tmp_path / "broken.arch").read_text() == "model M( {\n"


@pytest.mark.parametrize("name", shipped())
def test_shipped_specs_are_in_canonical_form_and_right(archc: Archc, name: str) -> None:
    assert archc("fmt", "--check", shipped()[name]).err == ""
    assert archc("check", "--data", "--strict", name).err == ""


def test_compile_writes_text_that_imports_torch_only(archc: Archc, tmp_path: Path) -> None:
    said = archc("compile", "lenet")
    assert archc("compile", "lenet", "-o", "net.py").out == ""
    assert (tmp_path / "net.py").read_text() == said.out
    names = {
        name
        for node in ast.walk(ast.parse(said.out))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert {name.split(".")[0] for name in names} == {"torch"}


def test_compile_with_the_program_makes_two_files(archc: Archc, tmp_path: Path) -> None:
    assert archc("compile", "lenet", "--program", "-o", "made").status == 0
    assert "class LeNet" in (tmp_path / "made/model.py").read_text()
    assert "def columns" in (tmp_path / "made/program.py").read_text()
    assert "def columns" in archc("compile", "lenet", "--program").out


def test_compile_from_standard_input_with_a_hyperparameter(archc: Archc) -> None:
    said = archc("compile", "-", "--set", "width=7", given=GOOD)
    assert said.status == 0
    assert "class Tiny" in said.out
    other = archc("compile", "-", given=GOOD).out
    assert said.out != other or "width: int" in other


def test_the_graph_as_json_and_as_dot(archc: Archc) -> None:
    assert json.loads(archc("compile", "lenet", "--emit", "graph").out)["name"] == "LeNet"
    assert archc("compile", "lenet", "--emit", "dot").out.startswith("digraph")


def test_summary_of_resnet_counts_as_the_paper(archc: Archc) -> None:
    said = json.loads(archc("summary", "resnet", "--json").out)
    assert said["parameters"] == 25557032
    assert {"flops", "activation_bytes"} <= set(said)


def test_summary_says_the_phases(archc: Archc) -> None:
    training = json.loads(archc("summary", "dbn", "--json").out)["training"]
    assert [told["program"] for told in training] == ["train DBN on digits", "train dreams: DBN on digits"]
    pretrain, finetune = training[0]["steps"]
    assert (pretrain["parts"], pretrain["length"]) == (["stack1.0", "stack1.1"], "30 epochs each")
    assert (finetune["phase"], finetune["what"], finetune["parts"]) == ("finetune", "cross_entropy(logits, label)", [])
    text = archc("summary", "dsn").out
    assert "solve  each Module solves out by ridge(one_hot(label, 10), l2=0.1)  in closed form  (stack1.0.module1, " in text
    assert "rounds of G, D" in archc("summary", "gan").out


def test_summary_with_numbers(archc: Archc) -> None:
    said = json.loads(archc("summary", "lenet", "--json", "--batch", "32").out)
    assert isinstance(said["flops"], int)
    one = json.loads(archc("summary", "lenet", "--json", "--dim", "B=1").out)
    assert said["flops"] == 32 * one["flops"]
    text = archc("summary", "lenet", "--batch", "32").out
    assert "19,850" in text
    assert "\x1b" not in text
    assert "did you mean" not in archc("summary", "lenet", "--dim", "Z=1").err


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph")])
def test_render(archc: Archc, tmp_path: Path, ending: str, start: bytes) -> None:
    said = archc("render", "lenet", "-o", f"lenet.{ending}")
    assert (said.status, said.out, said.err) == (0, "", "")
    assert (tmp_path / f"lenet.{ending}").read_bytes().startswith(start)


def test_render_names_its_file_itself(archc: Archc, tmp_path: Path) -> None:
    said = archc("render", "lenet")
    assert (said.out, said.err) == ("", "wrote lenet.svg\n")
    assert b"LeNet" in (tmp_path / "lenet.svg").read_bytes()
    assert archc("render", "lenet", "-o", "-").out.startswith("<?xml")


def test_specs_lists_and_prints(archc: Archc) -> None:
    lines = archc("specs").out.splitlines()
    assert [line.split()[0] for line in lines] == [*sorted(shipped()), *library()]
    assert archc("specs", "lenet").out == shipped()["lenet"].read_text()
    assert [json.loads(line)["name"] for line in archc("specs", "--json").out.splitlines()] == [*sorted(shipped()), *library()]
    assert archc("specs", "std.blocks").out == library()["std.blocks"].read_text()
    assert "did you mean std.blocks" in archc("specs", "std.block").err


@pytest.mark.parametrize("kind", shipped())
def test_new_starts_a_spec_that_checks(archc: Archc, tmp_path: Path, kind: str) -> None:
    said = archc("new", kind, "my_net")
    assert (said.status, said.out) == (0, "my_net.arch\n")
    assert "MyNet" in (tmp_path / "my_net.arch").read_text()
    assert archc("check", "my_net.arch").err == ""
    assert archc("new", kind, "my_net").status == 2


def test_layers_lists_all_of_them(archc: Archc) -> None:
    said = archc("layers").out
    named = {line.split()[0] for line in said.splitlines() if line.startswith("  ")}
    assert named == {*registry(), *(part.name for part in parts())}
    assert "from std.blocks import …" in said


def test_a_part_of_the_library_is_shown_as_it_is_written(archc: Archc) -> None:
    said = archc("layers", "SqueezeExcite").out
    assert said.startswith("from std.blocks import SqueezeExcite\n\n## The image as one number a channel")
    assert archc("check", "-", given=said.partition("\n\n")[2]).err == ""
    assert json.loads(archc("layers", "MLP", "--json").out)["signature"].startswith("block MLP(inner, act: callable = gelu")
    assert "did you mean SqueezeExcite" in archc("layers", "SqueezeExite").err


@pytest.mark.parametrize("name", ["conv", "dense", "rearrange", "cross_entropy", "reshape"])
def test_a_page_of_a_layer_has_an_example_that_checks(archc: Archc, name: str) -> None:
    said = archc("layers", name, "--json")
    assert archc("check", "-", given=json.loads(said.out)["example"]).err == ""
    assert archc("layers", name).out.startswith(f"{name}(")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("conv", "it gives [B, 16, H, W], and costs 448 parameters, 432·B·H·W multiply-adds, 64·B·H·W bytes of activations"),
        ("chunk", "it gives [B, 4], [B, 4], [B, 4], and costs nothing"),
        ("mse", "it gives [], and costs 4 bytes of activations"),
    ],
)
def test_a_page_of_a_layer_says_what_its_example_costs(archc: Archc, name: str, said: str) -> None:
    assert said in archc("layers", name).out.splitlines()


def test_a_page_of_a_layer_without_a_body_to_stand_in_has_no_costs(archc: Archc) -> None:
    assert json.loads(archc("layers", "standardize", "--json").out)["example_costs"] is None
    assert "costs" not in archc("layers", "standardize").out


def test_a_layer_by_its_name_elsewhere(archc: Archc) -> None:
    assert archc("layers", "Conv2d").out.startswith("Conv2d is conv here.")
    assert "did you mean conv" in archc("layers", "covn").err


def test_every_code_is_explained(archc: Archc) -> None:
    assert [line.split()[0] for line in archc("explain").out.splitlines()] == sorted(faults())
    for code in faults():
        said = archc("explain", code.lower()).out
        assert said.startswith(f"{code}: ")
        assert len(said.splitlines()) > 2, f"{code} has no story"
