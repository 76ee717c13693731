"""The networks of the `transformers` package, with weights drawn at random: the independent reference of the specs like them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from archc.runtime.weights.files import Held, Weights

Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Case:
    """A spec with its map, the same network of `transformers`, and how both are called."""

    spec: str
    small: Mapping[str, Any]
    theirs: Callable[[bool], nn.Module]  # small, or as large as the spec's defaults
    given: Callable[[bool], Tensors]
    outputs: Callable[[nn.Module, Tensors], Tensors]
    root: str | None = None
    large: Mapping[str, Any] | None = None  # of the spec, beside its defaults


def padded(rows: int, steps: int, vocab: int) -> Tensor:
    """Tokens from 1, the first row filled up with zeros."""
    tokens = torch.randint(1, vocab, (rows, steps))
    tokens[0, steps * 2 // 3 :] = 0
    return tokens


def theirs(family: str, *names: str) -> list[Any]:
    """Classes of a family of `transformers`, which is slow to import, and is imported here alone."""
    module = import_module(f"transformers.models.{family}")
    return [getattr(module, name) for name in names]


def gpt2(small: bool) -> nn.Module:
    config, model = theirs("gpt2", "GPT2Config", "GPT2LMHeadModel")
    sizes = {"vocab_size": 19, "n_positions": 9, "n_embd": 24, "n_layer": 2, "n_head": 4} if small else {}
    network: nn.Module = model(config(**sizes))
    return network


SMALL_BERT = {
    "vocab_size": 19,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 20,
    "max_position_embeddings": 9,
}


def bert(small: bool) -> nn.Module:
    config, model = theirs("bert", "BertConfig", "BertModel")
    network: nn.Module = model(config(**(SMALL_BERT if small else {})))
    return network


def masked_lm(small: bool) -> nn.Module:
    config, model = theirs("bert", "BertConfig", "BertForMaskedLM")
    network: nn.Module = model(config(**(SMALL_BERT if small else {})))
    return network


def t5(small: bool) -> nn.Module:
    config, model = theirs("t5", "T5Config", "T5ForConditionalGeneration")
    sizes = {"vocab_size": 19, "d_model": 24, "d_kv": 5, "d_ff": 20, "num_layers": 2, "num_heads": 4} if small else {}
    network: nn.Module = model(config(**sizes))
    return network


def flan_t5(small: bool) -> nn.Module:
    config, model = theirs("t5", "T5Config", "T5ForConditionalGeneration")
    large: dict[str, Any] = {"d_ff": 1024, "num_layers": 8, "num_heads": 6}
    sizes = {"vocab_size": 19, "d_model": 24, "d_kv": 5, "d_ff": 20, "num_layers": 2, "num_heads": 4} if small else large
    network: nn.Module = model(config(**sizes, feed_forward_proj="gated-gelu", tie_word_embeddings=False))
    head = network.get_submodule("lm_head")
    head.weight = nn.Parameter(torch.randn_like(head.weight))  # type: ignore[arg-type]  # tied by the package, not by Flan-T5
    return network


def llama(small: bool) -> nn.Module:
    config, model = theirs("llama", "LlamaConfig", "LlamaForCausalLM")
    large = {"rms_norm_eps": 1e-5, "num_hidden_layers": 1, "max_position_embeddings": 4096}
    sizes = {"vocab_size": 19, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4}
    network: nn.Module = model(config(**large | (sizes | {"num_key_value_heads": 2} if small else {})))
    return network


def tied_llama(small: bool) -> nn.Module:
    config, model = theirs("llama", "LlamaConfig", "LlamaForCausalLM")
    sizes = {"vocab_size": 19, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4}
    large = {"rms_norm_eps": 1e-5, "num_hidden_layers": 1, "tie_word_embeddings": True}
    network: nn.Module = model(config(**large | (sizes if small else {})))
    return network


def mixtral(small: bool) -> nn.Module:
    config, model = theirs("mixtral", "MixtralConfig", "MixtralForCausalLM")
    sizes = {"vocab_size": 19, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4}
    few = {"num_key_value_heads": 2, "num_local_experts": 4, "rms_norm_eps": 1e-5, "rope_theta": 1e6, "num_experts_per_tok": 2}
    large = {"vocab_size": 500, "intermediate_size": 3584, "num_hidden_layers": 1, "rms_norm_eps": 1e-5, "rope_theta": 1e6}
    network: nn.Module = model(config(**(sizes | few if small else large)))
    network.set_experts_implementation("eager")  # type: ignore[operator]  # the other one takes no float64
    return network


def vit(small: bool) -> nn.Module:
    config, model = theirs("vit", "ViTConfig", "ViTForImageClassification")
    sizes: dict[str, Any] = {"num_labels": 1000}
    if small:
        sizes = {key: SMALL_BERT[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")}
        sizes |= {"image_size": 8, "patch_size": 4, "num_labels": 5}
    network: nn.Module = model(config(**sizes))
    return network


def text(small: bool, words: int = 32000) -> Tensors:
    return (torch.randint(0, 19 if small else words, (3, 7) if small else (1, 64)),)


def text_and_segments(small: bool) -> Tensors:
    tokens = padded(3, 7, 19) if small else padded(2, 128, 30522)
    return tokens, torch.randint(0, 2, tokens.shape)


def two_texts(small: bool) -> Tensors:
    """The source is longer than the farthest bucket of distances."""
    return (padded(2, 150, 19), padded(2, 140, 19)) if small else (padded(2, 150, 32128), padded(2, 40, 32128))


def pixels(small: bool) -> Tensors:
    return (torch.randn(3, 3, 8, 8) if small else torch.randn(1, 3, 224, 224),)


def logits(network: nn.Module, given: Tensors) -> Tensors:
    return (network(given[0]).logits,)


def of_bert(network: nn.Module, given: Tensors) -> Tensors:
    said = network(given[0], attention_mask=(given[0] != 0).long(), token_type_ids=given[1])
    return (said.logits,) if "logits" in said else (said.last_hidden_state, said.pooler_output)


def of_t5(network: nn.Module, given: Tensors) -> Tensors:
    source, target = given
    return (network(input_ids=source, attention_mask=(source != 0).long(), decoder_input_ids=target).logits,)


TEXT = {"vocab": 19, "width": 24, "depth": 2, "heads": 4}
CASES = {
    "gpt2": Case("gpt2", TEXT | {"context": 9, "drop": 0.0}, gpt2, text, logits),
    "bert": Case("bert", TEXT | {"inner": 20, "context": 9, "drop": 0.0}, bert, text_and_segments, of_bert),
    "masked_lm": Case("bert", TEXT | {"inner": 20, "context": 9, "drop": 0.0}, masked_lm, text_and_segments, of_bert, "MaskedLM"),
    "t5": Case("t5", TEXT | {"inner": 20, "head_width": 5, "drop": 0.0}, t5, two_texts, of_t5),
    "flan t5": Case(
        "t5",
        TEXT | {"inner": 20, "head_width": 5, "drop": 0.0, "gated": True, "shared": False},
        flan_t5,
        two_texts,
        of_t5,
        large={"depth": 8, "heads": 6, "inner": 1024, "gated": True, "shared": False},
    ),
    "llama": Case("llama", TEXT | {"inner": 20, "kv_heads": 2}, llama, text, logits, large={"depth": 1}),
    "llama, tied": Case(
        "llama", TEXT | {"inner": 20, "shared": True}, tied_llama, text, logits, large={"depth": 1, "shared": True}
    ),
    "moe": Case(
        "moe",
        TEXT | {"inner": 20, "kv_heads": 2, "experts": 4},
        mixtral,
        partial(text, words=500),
        logits,
        large={"depth": 1, "vocab": 500, "inner": 3584},
    ),
    "vit": Case(
        "vit",
        {"height": 8, "width": 8, "patch": 4, "hidden": 24, "layers": 2, "heads": 4, "inner": 20, "classes": 5, "eps": 1e-12},
        vit,
        pixels,
        logits,
        large={"eps": 1e-12},
    ),
}


def drawn(network: nn.Module, std: float) -> nn.Module:
    """The network with weights that no initialisation would leave: norms and biases too."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * std)
    return network.eval()


def held(network: nn.Module) -> Weights:
    """The weights of a network as a file would hold them."""
    state = network.state_dict()
    return Weights(
        "theirs", {name: Held(tuple(t.shape), t.is_floating_point()) for name, t in state.items()}, dict.fromkeys(state, state)
    )


class Norm(nn.Module):
    """A root-mean-square norm in the numbers that it is given; those of `transformers` compute in float32 whatever they get."""

    def __init__(self, theirs: nn.Module) -> None:
        super().__init__()
        self.weight = theirs.weight
        self.eps = float(theirs.variance_epsilon)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.rms_norm(x, x.shape[-1:], self.weight, self.eps)  # type: ignore[arg-type]


class Router(nn.Module):
    """The same for the choice of experts."""

    def __init__(self, theirs: nn.Module) -> None:
        super().__init__()
        self.weight = theirs.weight
        self.top_k = int(theirs.top_k)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensors:
        score = nn.functional.linear(x.reshape(-1, x.shape[-1]), self.weight)  # type: ignore[arg-type]
        value, place = score.softmax(-1).topk(self.top_k, dim=-1)
        return score, value / value.sum(-1, keepdim=True), place


def exact(network: nn.Module) -> nn.Module:
    """The network in float64, its norms and routers too."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "variance_epsilon"):
                setattr(parent, name, Norm(child))
            elif hasattr(child, "top_k") and hasattr(child, "weight"):
                setattr(parent, name, Router(child))
    return network.double()
