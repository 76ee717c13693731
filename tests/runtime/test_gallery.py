"""What games make: grids in the run folder and on a board, samples, and what is told of a player that makes one thing or hears nothing."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archc.runtime.run import Run
from archc.runtime.sampling.api import sample
from archc.runtime.sampling.wanted import Wanted
from archc.runtime.stops import Misused
from archc.runtime.train import engine, gallery, health
from archc.runtime.train.api import train

from .compared import assert_same

GAME = """
block Maker(z: [B, 4]) -> [B, 64] {{
    return z -> dense(16) -> relu -> dense(64) -> sigmoid
}}

block Judge(image: [B, 64]) -> [B, 1] {{
    return image -> dense(16) -> relu -> dense(1)
}}

adversarial Game(image: [B, 64]) {{
    player G = Maker
    player D = Judge
    z ~ normal(0, 1)[B, 4]
    fake = G({given})
    D minimizes softplus(-D(image)) + softplus(D(fake))
    G minimizes {wants}
}}

data digits = sklearn("digits") {{
    image = data / 16
}}

train Game on digits {{
    optimizer adam(lr=1e-3)
    epochs {epochs}
    batch  {batch}
}}
"""
PLAIN = {"given": "z", "wants": "softplus(-D(fake))", "epochs": "8", "batch": "256"}


def game(tmp_path: Path, **changed: str) -> Path:
    path = tmp_path / "game.arch"
    path.write_text(GAME.format(**PLAIN | changed))
    return path


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train("cgan", out=tmp_path_factory.mktemp("cgan") / "run", steps=4, progress=False)


def size(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_grids_of_what_is_made_are_kept(tmp_path: Path) -> None:
    """About twenty of a run, however long; each is of 64 samples of 8 by 8, in 8 rows with a line between."""
    run = train(game(tmp_path, epochs="41", batch="1797"), out=tmp_path / "run", progress=False)
    found = sorted(path.name for path in (run.folder / gallery.FOLDER).iterdir())
    assert found == [f"fake-{epoch:04d}.png" for epoch in (*range(3, 41, 3), 41)]
    first, last = ((run.folder / gallery.FOLDER / name).read_bytes() for name in (found[0], found[-1]))
    assert size(first) == size(last) == (71 * 8, 71 * 8)
    assert first != last


def test_translations_are_looked_at_too(tmp_path: Path) -> None:
    run = train("cyclegan", out=tmp_path / "run", epochs=1, progress=False)
    assert sorted(path.name for path in (run.folder / gallery.FOLDER).iterdir()) == ["chalked-0001.png", "inked-0001.png"]


def test_looking_at_what_is_made_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws, and the norms of the generator are asked: neither may be noticed."""
    looked = train("lsgan", out=tmp_path / "looked", epochs=3, progress=False)
    monkeypatch.setattr(engine.Engine, "opened", lambda self: None)
    plain = train("lsgan", out=tmp_path / "plain", epochs=3, progress=False)
    assert (looked.folder / gallery.FOLDER).is_dir()
    assert not (plain.folder / gallery.FOLDER).exists()
    assert_same(looked.folder, plain.folder)


def test_a_board_shows_the_grids(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    run = train("gan", out=tmp_path / "run", epochs=2, progress=False, tensorboard=True)
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    assert [(event.step, event.width) for event in events.Images("fake")] == [(29, 71), (58, 71)]


def test_a_generator_made_constant_has_collapsed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(game(tmp_path, given="z * 0"), out=tmp_path / "run")
    assert run.record["warnings"] == ["W0920: G has collapsed: fake varies by 0.0% of what image does"]
    assert capsys.readouterr().err.count("warning[W0920]") == 1


def test_a_generator_that_learns_has_not(tmp_path: Path) -> None:
    run = train("wgan_gp", out=tmp_path / "run", epochs=8, progress=False)
    assert run.record["warnings"] == []


def test_a_player_that_hears_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Eager(health.Health):
        def ready(self) -> bool:
            return True

    monkeypatch.setattr(engine, "Health", Eager)
    monkeypatch.setattr(engine, "FLUSH", 0.0)
    run = train(game(tmp_path, wants="1e-9 * softplus(-D(fake))", epochs="1"), out=tmp_path / "run", progress=False)
    found = [line for line in run.record["warnings"] if line.startswith("W0921")]
    assert len(found) == 1
    assert found[0].startswith("W0921: the gradients of G vanish: they are ")


# Samples --------------------------------------------------------------------------------------------------------------


def test_a_seed_fixes_what_is_made(conditional: Run) -> None:
    given = (("label", "0,1,2"),)
    made = [sample(conditional.folder, Wanted(count=6, seed=seed, given=given)).records() for seed in (1, 1, 2)]
    assert np.array(made[0][4]["values"]).shape == (1, 8, 8)
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_the_label_is_the_one_that_is_given(conditional: Run) -> None:
    """Of three labels in turn, rows 0 and 3 have the first: as the trained generator gives by itself for the same noise."""
    import torch

    made = sample(conditional.folder, Wanted(count=5, seed=4, given=(("label", "7,2,5"),))).records()
    model: Any = conditional.model().eval()
    torch.manual_seed(4)
    noise = torch.randn(5, 64)
    with torch.no_grad():
        alone = model.G(noise, torch.tensor([7, 2, 5, 7, 2]))
    for row, expected in zip(made, alone, strict=True):
        assert np.allclose(row["values"], expected.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "label is a whole number from 0"),
        ((("label", "3.5"),), "label is a whole number from 0"),
        ((("lable", "3"),), "it takes label"),
        ((("image", "3"),), "it takes label"),
    ],
)
def test_labels_that_do_not_fit(conditional: Run, given: tuple[tuple[str, str], ...], said: str) -> None:
    with pytest.raises(Misused, match=said):
        sample(conditional.folder, Wanted(given=given))


def test_a_translator_makes_nothing_of_draws(tmp_path: Path) -> None:
    run = train("cyclegan", out=tmp_path / "run", steps=1, progress=False)
    with pytest.raises(Misused, match="CycleGAN is no model that makes something"):
        sample(run.folder, Wanted())


def test_codes_that_no_objective_reads_are_decoded(tmp_path: Path) -> None:
    """`drawn = R(z)` of an adversarial autoencoder."""
    run = train("aae", out=tmp_path / "run", steps=1, progress=False)
    made = sample(run.folder, Wanted(count=3))
    assert np.array(made.records()[2]["values"]).shape == (64,)
    assert made.file(".png").startswith(b"\x89PNG")
