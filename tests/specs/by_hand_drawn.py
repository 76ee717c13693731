"""Networks that draw, and those that learn from two views, by hand in plain PyTorch from their papers: see `independent`.

Each has a method `loss(*batch)`, what a training loop minimizes, and `after()`, what such a loop does after each step.
"""

import copy
import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence


class Learner(nn.Module):
    def loss(self, *batch: Tensor) -> Tensor:
        raise NotImplementedError

    def after(self) -> None:
        """Nothing, for most."""


class VAE(Learner):
    """Kingma & Welling (2014), with a draw for each image."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 128)
        self.mu = nn.Linear(128, 8)
        self.sigma = nn.Linear(128, 8)
        self.up = nn.Linear(8, 128)
        self.out = nn.Linear(128, 64)

    def guess(self, image: Tensor) -> Normal:
        h = torch.relu(self.first(image))
        return Normal(self.mu(h), F.softplus(self.sigma(h)))

    def decode(self, z: Tensor) -> Tensor:
        logits: Tensor = self.out(torch.relu(self.up(z)))
        return logits

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        q = self.guess(image)
        z = q.mean + q.stddev * torch.randn_like(q.mean)
        logits = self.decode(z)
        likelihood = -F.binary_cross_entropy_with_logits(logits, image, reduction="none").sum(1)
        gained = [p.log_prob(z).sum(1) for p in (Normal(0.0, 1.0), q)]  # type: ignore[no-untyped-call]
        return torch.sigmoid(logits), logits, q.mean, likelihood + gained[0] - gained[1]

    def loss(self, *batch: Tensor) -> Tensor:
        (image,) = batch
        q = self.guess(image)
        logits = self.decode(q.mean + q.stddev * torch.randn_like(q.mean))
        likelihood = F.binary_cross_entropy_with_logits(logits, image, reduction="none").sum(1)
        return (likelihood + kl_divergence(q, Normal(0.0 * q.mean, 1.0)).sum(1)).mean()


class Denoising(Learner):
    """Vincent et al. (2008): pixels are blotted out in training."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(64, 256)
        self.decode = nn.Linear(256, 64)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        seen = image * torch.bernoulli(torch.full_like(image, 0.7)) if self.training else image
        codes = torch.relu(self.encode(seen))
        return self.decode(codes), codes

    def loss(self, *batch: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(self(batch[0])[0], batch[0], reduction="none").sum(1).mean()


class Words(nn.Module):
    """A codebook, and for each word the averages of how often it was chosen and of the sum of what chose it."""

    codebook: Tensor
    count: Tensor
    total: Tensor

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.zeros(words, width))
        self.register_buffer("count", torch.zeros(words))
        self.register_buffer("total", torch.zeros(words, width))

    def nearest(self, vectors: Tensor) -> Tensor:
        return (vectors[:, None] - self.codebook).square().sum(-1).argmin(-1)

    def follow(self, vectors: Tensor, chosen: Tensor) -> None:
        counted = torch.zeros_like(self.count).index_add_(0, chosen, torch.ones(len(chosen)))
        self.count.mul_(0.95).add_(0.05 * counted)
        self.total.mul_(0.95).add_(0.05 * torch.zeros_like(self.total).index_add_(0, chosen, vectors))
        self.codebook = self.total / (self.count[:, None] + 1e-5)


class VQVAE(Learner):
    """van den Oord et al. (2017), with the codebook of its appendix A.1, which follows exponential averages."""

    def __init__(self, words: int = 32, width: int = 16) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(), nn.Conv2d(64, width, 1)
        )
        self.words = Words(words, width)
        self.decode = nn.Sequential(
            nn.Conv2d(width, 64, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 4, 2, 1),
        )

    def quantized(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of each place its vector, its word, the same with the vector's gradient, and the word's number."""
        z = self.encode(image).movedim(1, -1)  # [B, 2, 2, width]
        codes = self.words.nearest(z.flatten(0, 2)).reshape(z.shape[:-1])
        word = self.words.codebook[codes]
        if self.training:
            self.words.follow(z.detach().flatten(0, 2), codes.flatten())
        return z, word, z + (word - z).detach(), codes

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        _, _, through, codes = self.quantized(image)
        return self.decode(through.movedim(-1, 1)), codes

    def loss(self, *batch: Tensor) -> Tensor:
        z, word, through, _ = self.quantized(batch[0])
        rebuilt: Tensor = self.decode(through.movedim(-1, 1))
        return (rebuilt - batch[0]).square().sum((1, 2, 3)).mean() + 0.25 * (z - word).square().sum(-1).mean()


def encoder(width: int = 128) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after, stride in ((1, 32, 1), (32, 64, 2), (64, width, 2)):
        layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class SimCLR(Learner):
    """Chen et al. (2020), algorithm 1: every view against all others of the batch, one at a time."""

    temperature = 0.2

    def __init__(self) -> None:
        super().__init__()
        self.encode = encoder()
        self.project = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64))

    def views(self, first: Tensor, second: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = self.encode(first)
        return features, [*self.project(features), *self.project(self.encode(second))]

    def loss(self, *batch: Tensor) -> Tensor:
        _, codes = self.views(*batch)
        rows, terms = len(codes) // 2, []
        similar = torch.stack([torch.stack([F.cosine_similarity(a, b, dim=0) for b in codes]) for a in codes])
        for i, row in enumerate(similar.div(self.temperature).unbind()):
            others = torch.cat((row[:i], row[i + 1 :]))
            terms.append(others.exp().sum().log() - row[(i + rows) % (2 * rows)])
        return torch.stack(terms).mean()

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features, codes = self.views(first, second)
        unit = F.normalize(torch.stack(codes))
        logits = (unit @ unit.T / self.temperature).fill_diagonal_(-math.inf)
        rows = len(first)
        return features, logits, torch.tensor([*range(rows, 2 * rows), *range(rows)])


def head(before: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64))


class BYOL(Learner):
    """Grill et al. (2020), with the symmetric loss of its equation 2, and its target a copy that follows."""

    def __init__(self) -> None:
        super().__init__()
        self.online = nn.Sequential(encoder(), head(128))
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.predict = head(64)

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        said = [self.online(view) for view in (first, second)]
        seen = [self.target(view) for view in (first, second)]
        return sum(
            (
                2 - 2 * F.cosine_similarity(self.predict(mine), other.detach(), dim=1)
                for mine, other in zip(said, seen[::-1], strict=True)
            ),
            torch.zeros(len(first), dtype=first.dtype),
        )

    def loss(self, *batch: Tensor) -> Tensor:
        return self.distance(*batch).mean()

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        distance = self.distance(first, second)
        features: Tensor = self.online[0](first)
        return features, distance

    @torch.no_grad()
    def after(self) -> None:
        for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
            slow.mul_(0.99).add_(fast, alpha=0.01)
        for kept, new in zip(self.target.buffers(), self.online.buffers(), strict=True):
            kept.copy_(new)


class Coder(Learner):
    """A layer of Vincent et al. (2010) and the way back."""

    def __init__(self, before: int, width: int, kept: float = 0.8) -> None:
        super().__init__()
        self.encode = nn.Linear(before, width)
        self.decode = nn.Linear(width, before)
        self.kept = kept

    def forward(self, x: Tensor) -> Tensor:
        seen = x * torch.bernoulli(torch.full_like(x, self.kept)) if self.training else x
        return torch.sigmoid(self.encode(seen))

    def loss(self, *batch: Tensor) -> Tensor:
        return F.mse_loss(self.decode(self(batch[0])), batch[0])


class Stacked(Learner):
    """Bengio et al. (2006): layer by layer, then all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(Coder(64, 256), Coder(256, 128))
        self.head = nn.Linear(128, 10)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        code = self.layers(pixels)
        return self.head(code), code

    def loss(self, *batch: Tensor) -> Tensor:
        return F.cross_entropy(self(batch[0])[0], batch[1])
