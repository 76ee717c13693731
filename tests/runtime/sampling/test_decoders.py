"""`archc sample` on models that draw: what their decoders make of the priors."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archc.runtime.faults.sampling import BadSamplingOption, NothingToSample
from archc.runtime.run import Run
from archc.runtime.stops import Stopped
from archc.runtime.train.api import train

CONDITIONAL = """
model Told(latent = 3)(image: [B, 64], label: int[B]) -> ([B, 64], [B, latent]) {
    which = label -> embedding(10, 4)
    h     = concat(image, which) -> dense(16) -> relu
    q     = normal(h -> dense(latent), h -> dense(latent) -> softplus)
    z ~ q
    penalty divergence = sum(kl(q, normal(1, 2)), dim=-1)
    rebuilt = concat(CODE, which) -> dense(16) -> relu -> dense(64) -> sigmoid
    return rebuilt, q.mean
}

data digits = sklearn("digits") {
    image = data / 16
    label = target
}

train Told on digits {
    loss      sum((rebuilt - image) ** 2, dim=-1)
    optimizer adam(lr=1e-2)
    steps     3
}
"""


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shipped one, after a few steps."""
    return train("vae", out=tmp_path_factory.mktemp("runs") / "vae", steps=20, progress=False)


def told(tmp_path: Path, code: str = "z") -> Run:
    (tmp_path / "told.arch").write_text(CONDITIONAL.replace("CODE", code))
    return train(tmp_path / "told.arch", out=tmp_path / "run", progress=False)


def values(run: Run, **options: Any) -> Any:
    return np.array([record["values"] for record in run.sample(**options).records()])


def test_what_is_drawn_is_decoded(vae: Run) -> None:
    model: Any = vae.model()
    torch.manual_seed(5)
    with torch.no_grad():
        wanted = model.dense5(model.dense4(torch.randn(7, 8)).relu()).sigmoid()
    np.testing.assert_allclose(values(vae, count=7, seed=5), wanted, rtol=1e-5, atol=1e-6)


def test_a_seed_fixes_what_is_drawn(vae: Run) -> None:
    first, again, other = (values(vae, count=3, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("code", ["z", "(z if training else q.mean)", "where(not training, q.mean, z)"])
def test_what_else_a_decoder_reads_is_given(tmp_path: Path, code: str) -> None:
    """And a code that an evaluation takes the mean of is drawn, from the prior that the divergence names."""
    run = told(tmp_path, code)
    model: Any = run.model()
    torch.manual_seed(0)
    with torch.no_grad():
        z = 1 + 2 * torch.randn(4, 3)
        which = model.embedding1(torch.full((4,), 6))
        wanted = model.dense5(model.dense4(torch.cat((z, which), 1)).relu()).sigmoid()
    np.testing.assert_allclose(values(run, count=4, given=(("label", "6"),)), wanted, rtol=1e-5, atol=1e-6)
    for given in ((), (("label", "1.5"),), (("label", "6"), ("image", "1"))):
        with pytest.raises(Stopped) as caught:
            run.sample(given=given)
        assert BadSamplingOption.code in str(caught.value)


def test_noise_makes_no_images(tmp_path: Path) -> None:
    run = train("denoising_autoencoder", out=tmp_path / "run", steps=1, progress=False)
    with pytest.raises(Stopped) as caught:
        run.sample()
    assert NothingToSample.code in str(caught.value)


def test_the_command_writes_a_grid(vae: Run, tmp_path: Path) -> None:
    file = tmp_path / "digits.png"
    command = [sys.executable, "-m", "archc", "sample", str(vae.folder), "-n", "4", "-o", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert file.read_bytes().startswith(b"\x89PNG")
