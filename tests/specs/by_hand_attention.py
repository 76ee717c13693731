"""ViT, GPT-2 and the transformer of 2017, written by hand over torch.nn's own attention, encoder and decoder layers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class ViT(nn.Module):
    """Over nn.TransformerEncoderLayer, norm first."""

    def __init__(
        self,
        size: tuple[int, int] = (224, 224),
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        inner: int = 3072,
        classes: int = 1000,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(size[0] // patch * (size[1] // patch) + 1, width))
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, inner, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        h = torch.cat([self.token.expand(len(image), -1, -1), self.patches(image).flatten(2).mT], dim=1) + self.positions
        for layer in self.layers:
            h = layer(h)
        result: Tensor = self.head(self.norm(h)[:, 0])
        return result


class GPTBlock(nn.ModuleList):
    """Over nn.MultiheadAttention with a mask of -inf."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(
            (
                nn.LayerNorm(width),
                nn.MultiheadAttention(width, heads, batch_first=True),
                nn.LayerNorm(width),
                nn.Linear(width, 4 * width),
                nn.Linear(4 * width, width),
            )
        )

    def forward(self, h: Tensor, later: Tensor) -> Tensor:
        before, attention, between, up, down = iter(self)
        z = before(h)
        h = h + attention(z, z, z, attn_mask=later, need_weights=False)[0]
        changed: Tensor = h + down(F.gelu(up(between(h)), approximate="tanh"))
        return changed


class GPT2(nn.Module):
    def __init__(self, vocab: int = 50257, width: int = 768, depth: int = 12, heads: int = 12, context: int = 1024) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, width), nn.Parameter(torch.zeros(context, width))
        self.blocks = nn.ModuleList(GPTBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        steps = tokens.shape[1]
        later = torch.full((steps, steps), -math.inf, dtype=self.wpe.dtype).triu(1)
        h = self.wte(tokens) + self.wpe[:steps]
        for block in self.blocks:
            h = block(h, later)
        return F.linear(self.norm(h), self.wte.weight)


class Transformer(nn.Module):
    """Over nn.TransformerEncoderLayer and nn.TransformerDecoderLayer."""

    def __init__(self, vocab: int = 37000, width: int = 512, depth: int = 6, heads: int = 8, inner: int = 2048) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab, width)
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(width, heads, inner, 0.0, batch_first=True) for _ in range(depth))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(width, heads, inner, 0.0, batch_first=True) for _ in range(depth))

    def placed(self, tokens: Tensor) -> Tensor:
        x: Tensor = self.words(tokens) * math.sqrt(self.words.embedding_dim)
        for place in range(x.shape[1]):
            for pair in range(x.shape[2] // 2):
                angle = place / 10000 ** (2 * pair / x.shape[2])
                x[:, place, 2 * pair] += math.sin(angle)
                x[:, place, 2 * pair + 1] += math.cos(angle)
        return x

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, h = self.placed(source), self.placed(target)
        for encoder in self.encoder:
            memory = encoder(memory, src_key_padding_mask=source == 0)
        later = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        for decoder in self.decoder:
            h = decoder(h, memory, later, None, target == 0, source == 0)
        return F.linear(h, self.words.weight)
