"""Draws for layers with weights, windows and norms, and for activations."""

from random import Random
from typing import Any

from archc.compiler.layers import registry

from .drawing import Draw, Drawer, dim, draws, dtype, each, image, shape, some, tensor

WITH_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "leaky_relu": ("negative_slope", 0.2, 0.01, -0.5),
    "elu": ("alpha", 1.0, 0.5, 2.0),
    "celu": ("alpha", 1.5, 0.0, 0.5),
    "softplus": ("beta", 2.0, 0.5),
    "softshrink": ("lambd", 0.1, -0.5, 0.5, 0.7),
    "hardshrink": ("lambd", 0.1, 0.7),
    "gelu": ("approximate", "none", "tanh"),
}
LAYERS = registry()


def _elementwise(name: str) -> Drawer:
    choices = WITH_ARGUMENTS.get(name)

    def drawer(r: Random) -> Draw:
        given: dict[str, Any] = {} if choices is None or r.random() < 0.5 else {str(choices[0]): r.choice(choices[1:])}
        return Draw((tensor(*shape(r), dtype=dtype(r)),), given)

    return drawer


for _name in (
    *"relu relu6 leaky_relu elu celu selu gelu silu mish hardswish hardsigmoid sigmoid tanh softplus softsign softshrink".split(),
    *"hardshrink tanhshrink logsigmoid exp expm1 log log2 log10 log1p sqrt rsqrt reciprocal square abs sign floor ceil round sin".split(),
    *"cos tan atan erf isnan stop_gradient float int bool neg".split(),
):
    draws(_name)(_elementwise(_name))


@draws("hardtanh")
def _hardtanh(r: Random) -> Draw:
    return Draw(
        (tensor(*shape(r), dtype=dtype(r)),), some(r, min_val=r.choice((-1.0, -2.0, 0.0)), max_val=r.choice((1.0, 2.0, -1.5)))
    )


@draws("threshold")
def _threshold(r: Random) -> Draw:
    return Draw((tensor(*shape(r), dtype=dtype(r)),), {"threshold": r.choice((0.1, 1)), "value": r.choice((0, 2.5))})


@draws("rrelu")
def _rrelu(r: Random) -> Draw:
    return Draw((tensor(*shape(r), dtype=dtype(r)),), some(r, lower=r.choice((0.1, 0.2)), upper=r.choice((0.15, 0.3))))


@draws("prelu")
def _prelu(r: Random) -> Draw:
    dims = shape(r)
    return Draw((tensor(*dims, dtype=dtype(r, 0.95)),), {"num_parameters": r.choice((1, 3, dims[1] if len(dims) > 1 else 2))})


@draws("softmax", "log_softmax", "softmin", "glu")
def _along(r: Random) -> Draw:
    dims = shape(r, 1, 4, (2, 4, 4, 6, 3))
    return Draw((tensor(*dims, dtype=dtype(r, 0.9)),), some(r, dim=dim(r, len(dims))))


@draws("dense")
def _dense(r: Random) -> Draw:
    lead = shape(r, 0, 3)
    parts = [tensor(*lead, r.randint(1, 6), dtype=dtype(r, 0.97)) for _ in range(r.choice((1, 1, 2, 3)))]
    if r.random() < 0.1:
        parts.append(tensor(*lead[:-1], 2))
    mixed = len({part.dtype for part in parts}) > 1
    return Draw(
        tuple(parts),
        stricter="weights work on floats" if mixed else "",
        arguments={"out_features": r.choice((1, 3, 8)), **some(r, bias=r.choice((True, False)))},
    )


@draws("conv")
def _conv(r: Random) -> Draw:
    dims = image(r)
    rank = len(dims) - 2
    padding: Any = each(r, rank, 0, 1, 2, 3)
    if r.random() < 0.3:
        padding = r.choice(("same", "valid", [[r.randint(0, 2), r.randint(0, 2)] for _ in range(rank)]))
    given = some(
        r,
        stride=each(r, rank, 1, 1, 2, 3),
        padding=padding,
        dilation=each(r, rank, 1, 1, 2),
        groups=r.choice((1, 2, dims[1], 3)) if r.random() < 0.3 else None,
        bias=r.choice((True, False)),
        padding_mode=r.choice(("zeros", "zeros", "reflect", "replicate", "circular")),
    )
    arguments = {"out_channels": r.choice((1, 4, 6, 8, 12)), "kernel_size": each(r, rank, 1, 1, 2, 3, 3, 5)} | given
    longer = any(isinstance(value, list) and len(value) != rank for value in arguments.values())
    return Draw((tensor(*dims, dtype=dtype(r, 0.97)),), arguments, stricter="what is too long is never read" if longer else "")


@draws("depthwise")
def _depthwise(r: Random) -> Draw:
    drawn = _conv(r)
    kept = {name: value for name, value in drawn.arguments.items() if name not in ("out_channels", "groups")}
    return Draw(drawn.operands, kept | some(r, multiplier=r.choice((1, 2, 3))), stricter=drawn.stricter)


@draws("conv_transpose")
def _conv_transpose(r: Random) -> Draw:
    dims = image(r)
    rank = len(dims) - 2
    given = some(
        r,
        stride=each(r, rank, 1, 2, 3),
        padding=each(r, rank, 0, 0, 1, 2),
        output_padding=each(r, rank, 0, 0, 1),
        groups=r.choice((1, 2, dims[1])) if r.random() < 0.4 else None,
        bias=r.choice((True, False)),
        dilation=each(r, rank, 1, 1, 2),
    )
    arguments = {"out_channels": r.choice((1, 4, 6, 8)), "kernel_size": each(r, rank, 1, 2, 3, 4)} | given
    return Draw((tensor(*dims, dtype=dtype(r, 0.97)),), arguments)


@draws("max_pool")
def _max_pool(r: Random) -> Draw:
    dims = image(r)
    rank = len(dims) - 2
    given = some(
        r,
        stride=each(r, rank, 1, 2, 3),
        padding=each(r, rank, 0, 0, 1),
        dilation=each(r, rank, 1, 1, 2),
        return_indices=r.choice((True, False)),
        ceil_mode=r.choice((True, False)),
    )
    return Draw((tensor(*dims, dtype=dtype(r, 0.93)),), {"kernel_size": each(r, rank, 1, 2, 2, 3)} | given)


@draws("avg_pool")
def _avg_pool(r: Random) -> Draw:
    dims = image(r)
    rank = len(dims) - 2
    given = some(
        r,
        stride=each(r, rank, 1, 2, 3),
        padding=each(r, rank, 0, 0, 1),
        ceil_mode=r.choice((True, False)),
        count_include_pad=r.choice((True, False)),
        divisor_override=r.choice((None, None, 3)),
    )
    return Draw((tensor(*dims, dtype=dtype(r, 0.93)),), {"kernel_size": each(r, rank, 1, 2, 2, 3)} | given)


@draws("lp_pool")
def _lp_pool(r: Random) -> Draw:
    dims = image(r)
    rank = len(dims) - 2
    given = some(r, stride=each(r, rank, 1, 2) if rank != 1 else r.choice((1, 2)), ceil_mode=r.choice((True, False)))
    kernel = each(r, rank, 1, 2, 3) if rank != 1 else r.choice((1, 2, 3))
    kind = dtype(r, 0.97)
    reason = "" if kind == "float" else "a norm is not whole"
    return Draw(
        (tensor(*dims, dtype=kind),), {"norm_type": r.choice((1.0, 2.0, 3)), "kernel_size": kernel} | given, stricter=reason
    )


@draws("max_unpool")
def _max_unpool(r: Random) -> Draw:
    dims = image(r, sizes=(1, 2, 3))
    rank = len(dims) - 2
    kernel = [r.choice((2, 3)) for _ in range(rank)]
    full = [(size - 1) * k + k for size, k in zip(dims[2:], kernel, strict=True)]
    given: dict[str, Any] = {"kernel_size": kernel}
    if r.random() < 0.3:
        given["output_size"] = [size + r.choice((-1, 0, 0, 1, 4)) for size in full]
    index = list(dims)
    if r.random() < 0.1:
        index[-1] += 1
    kind = dtype(r, 0.95)
    reason = "" if kind == "float" else "some of its kernels take ints, some do not"
    return Draw((tensor(*dims, dtype=kind), tensor(*index, dtype="int")), given, high=1, stricter=reason)


@draws("adaptive_avg_pool", "adaptive_max_pool")
def _adaptive(r: Random) -> Draw:
    dims = image(r)
    rank = len(dims) - 2
    wanted: Any = each(r, rank, 1, 2, 6, strange=0.1)
    if isinstance(wanted, list) and wanted and r.random() < 0.4:
        wanted[0] = None
    if r.random() < 0.05:
        wanted = None
    return Draw((tensor(*dims, dtype=dtype(r, 0.95)),), {"output_size": wanted})


@draws("global_avg_pool", "global_max_pool")
def _global(r: Random) -> Draw:
    dims = image(r)
    bad = dtype(r, 0.95) if len(dims) > 2 else "float"
    reason = "a maximum of ints is not meant by a pooling" if bad != "float" else ""
    return Draw(
        (tensor(*dims, dtype=bad),),
        some(r, keepdim=r.choice((True, False))),
        stricter=reason or ("there is nothing to pool" if len(dims) < 3 else ""),
    )


@draws("batch_norm")
def _batch_norm(r: Random) -> Draw:
    dims = [r.choice((2, 3)), *image(r, strange=0.15)[1:]]
    given = some(r, eps=1e-3, momentum=0.2, affine=r.choice((True, False)), track_running_stats=r.choice((True, False)))
    return Draw((tensor(*dims, dtype=dtype(r, 0.97)),), given)


@draws("instance_norm")
def _instance_norm(r: Random) -> Draw:
    dims = image(r)
    given = some(r, eps=1e-3, momentum=0.2, affine=r.choice((True, False)), track_running_stats=r.choice((True, False)))
    return Draw((tensor(*dims, dtype=dtype(r, 0.97)),), given)


@draws("group_norm")
def _group_norm(r: Random) -> Draw:
    dims = [r.choice((1, 2)), r.choice((1, 2, 4, 6)), *shape(r, 0, 3)]
    dims = dims[: r.choice((1, 2, 3, 4, 5, 5, 5))]
    given = some(r, eps=1e-3, affine=r.choice((True, False)))
    return Draw((tensor(*dims, dtype=dtype(r, 0.97)),), {"num_groups": r.choice((1, 2, 2, 3))} | given)


@draws("layer_norm", "rms_norm")
def _layer_norm(r: Random) -> Draw:
    dims = shape(r, 0 if r.random() < 0.1 else 1, 4)
    over = dims[r.randrange(len(dims)) :] if dims else [2]
    if r.random() < 0.1:
        over[0] += 1
    given = some(r, normalized_shape=over, eps=1e-3, elementwise_affine=r.choice((True, False)))
    return Draw((tensor(*dims, dtype=dtype(r, 0.97)),), given)


@draws("local_response_norm")
def _local_response_norm(r: Random) -> Draw:
    kind = dtype(r, 0.95)
    given = {"size": r.choice((1, 2, 5))} | some(r, alpha=1e-3, beta=0.5, k=2)
    return Draw((tensor(*image(r), dtype=kind),), given, stricter="" if kind == "float" else "a norm is not whole")


@draws("normalize")
def _normalize(r: Random) -> Draw:
    dims = shape(r, 1)
    return Draw((tensor(*dims, dtype=dtype(r, 0.95)),), some(r, p=r.choice((1, 2.0)), dim=dim(r, len(dims)), eps=1e-6))


@draws("dropout", "alpha_dropout")
def _dropout(r: Random) -> Draw:
    return Draw(
        (tensor(*shape(r), dtype=dtype(r, 0.9)),),
        some(r, p=r.choice((0.0, 0.1, 0.5, 1.0, 1.5, -0.1))),
        stricter="a whole number cannot be scaled",
    )


@draws("path_dropout")
def _path_dropout(r: Random) -> Draw:
    return Draw(
        (tensor(*shape(r, 1), dtype=dtype(r, 0.95)),),
        some(r, p=r.choice((0.0, 0.1, 1.5))),
        stricter="a whole number cannot be scaled",
    )


@draws("channel_dropout")
def _channel_dropout(r: Random) -> Draw:
    return Draw(
        (tensor(*image(r), dtype=dtype(r, 0.95)),),
        some(r, p=r.choice((0.0, 0.1, 0.9, 1.5))),
        stricter="a whole number cannot be scaled",
    )


@draws("embedding")
def _embedding(r: Random) -> Draw:
    given = {"num_embeddings": r.choice((2, 5)), "embedding_dim": r.choice((1, 3))} | some(
        r, padding_idx=r.choice((0, -1, 1, 7)) if r.random() < 0.5 else None
    )
    return Draw((tensor(*shape(r), dtype="int" if r.random() < 0.9 else "float"),), given)


@draws("one_hot")
def _one_hot(r: Random) -> Draw:
    return Draw((tensor(*shape(r, 0, 3), dtype="int" if r.random() < 0.9 else "float"),), {"num_classes": r.choice((2, 10))})


@draws("sinusoidal_positions")
def _sinusoidal(r: Random) -> Draw:
    return Draw(
        (tensor(*shape(r, 1 if r.random() < 0.1 else 2, 4, (1, 3, 4, 8)), dtype=dtype(r, 0.97)),),
        some(r, base=100.0),
        stricter="positions are added to floats",
    )


SCALINGS: dict[str, dict[str, Any]] = {
    "none": {},
    "linear": {"factor": 2.0},
    "dynamic": {"factor": 2.0, "context": 2},
    "llama3": {"factor": 8.0, "context": 16, "fast": 3.0},
    "yarn": {"factor": 4.0, "context": 64},
}


@draws("rotary")
def _rotary(r: Random) -> Draw:
    x = [*shape(r, 0 if r.random() < 0.05 else 1, 3, (1, 3, 4)), r.choice((4, 8)) if r.random() < 0.9 else r.choice((1, 2, 3))]
    operands = [tensor(*x, dtype=dtype(r, 0.97))]
    if r.random() < 0.4:
        steps = x[-2] if len(x) > 1 and r.random() < 0.9 else 5
        batch = [x[0]] if len(x) > 2 and r.random() < 0.5 else []
        operands.append(tensor(*batch, steps, dtype="int" if r.random() < 0.9 else dtype(r)))
    scaling = r.choice(list(SCALINGS))
    given = some(r, base=100.0, interleaved=True, width=r.choice((4, 4, 6, 3)) if r.random() < 0.3 else None)
    return Draw(tuple(operands), {**given, "scaling": scaling, **SCALINGS[scaling]}, stricter="what is turned is checked")


@draws("spectral_norm", "weight_norm")
def _wrapped(r: Random) -> Draw:
    name = r.choice(("dense", "conv", "conv_transpose", "embedding", "group_norm"))
    drawn = {
        "dense": _dense,
        "conv": _conv,
        "conv_transpose": _conv_transpose,
        "embedding": _embedding,
        "group_norm": _group_norm,
    }[name](r)
    if "groups" in drawn.arguments:
        drawn.arguments["groups"] = 1
    return Draw(drawn.operands, {"layer": (name, drawn.arguments)}, stricter="the layer inside decides")


@draws("upsample")
def _upsample(r: Random) -> Draw:
    dims = image(r, sizes=(2, 3, 4, 5))
    rank = len(dims) - 2
    fitting = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}.get(rank, ["nearest"])
    mode = r.choice(("nearest", "area", "nearest-exact", *fitting, *fitting, "bilinear"))
    factor: Any = each(r, rank, 1, 2, 3)
    if r.random() < 0.4:
        factor = r.choice((0.5, 1.5, 2.0, 0.7, 0.1))
    given = {"size": each(r, rank, 1, 4, 6)} if r.random() < 0.4 else {"scale_factor": factor}
    if r.random() < 0.06:
        given = {"size": 3, "scale_factor": 2} if r.random() < 0.5 else {}
    align = r.choice((True, False)) if mode in ("linear", "bilinear", "bicubic", "trilinear") or r.random() < 0.1 else None
    return Draw(
        (tensor(*dims, dtype=dtype(r, 0.97)),), given | {"mode": mode} | ({} if align is None else {"align_corners": align})
    )


@draws("pixel_shuffle")
def _pixel_shuffle(r: Random) -> Draw:
    dims = [*shape(r, 0, 2), r.choice((4, 8, 12, 9, 3)), *shape(r, 2 if r.random() < 0.95 else 1, 2)]
    return Draw((tensor(*dims, dtype=dtype(r)),), {"upscale_factor": r.choice((1, 2, 2, 3))})


@draws("pixel_unshuffle")
def _pixel_unshuffle(r: Random) -> Draw:
    dims = [*shape(r, 0, 2), r.choice((1, 3)), *(r.choice((2, 4, 6, 3)) for _ in range(2 if r.random() < 0.95 else 1))]
    return Draw((tensor(*dims, dtype=dtype(r)),), {"downscale_factor": r.choice((1, 2, 2, 3))})
