"""`config.json` of the original implementation, github.com/state-spaces/mamba.

Defaults are those of `mamba_ssm/models/config_mamba.py`, and of `mamba_ssm/modules/mamba2.py` and
`mamba_simple.py` (Mamba-1), which take no other fields than those named here.
"""

import math
from typing import Any

from models.checkpoints.fields import Fields
from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape

WAY_OUT = "only the plain Mamba-2 and Mamba-1 language models of state-spaces/mamba are supported"

# Fields that are accepted: those that are read, those without effect on the result, and those
# that are refused below by value.
_TOP = frozenset(
    {
        "architectures",
        "attn_cfg",
        "attn_layer_idx",
        "d_intermediate",
        "d_model",
        "dtype",
        "fused_add_norm",
        "n_layer",
        "pad_vocab_size_multiple",
        "residual_in_fp32",
        "rms_norm",
        "ssm_cfg",
        "tie_embeddings",
        "torch_dtype",
        "transformers_version",
        "vocab_size",
    }
)
_SSM = frozenset(
    {
        "bias",
        "conv_bias",
        "d_conv",
        "d_state",
        "dt_init_floor",
        "dt_max",
        "dt_min",
        "expand",
        "layer",
    }
)
_SSM_1 = _SSM | {"dt_init", "dt_rank", "dt_scale", "use_fast_path"}
_SSM_2 = _SSM | {
    "A_init_range",
    "D_has_hdim",
    "activation",
    "chunk_size",
    "conv_init",
    "d_ssm",
    "dt_limit",
    "headdim",
    "ngroups",
    "norm_before_gate",
    "rmsnorm",
    "sequence_parallel",
    "use_mem_eff_path",
}


def recognizes(raw: dict[str, Any]) -> bool:
    """Whether `raw` has the field names of the original implementation."""
    return "model_type" not in raw and {"d_model", "n_layer"} <= raw.keys()


def read_shape(raw: dict[str, Any], place: str) -> Shape:
    """Shape of the network that `raw`, the content of the file `place`, describes.

    Raises `InputError` with every field that is wrong or not supported.
    """
    fields = Fields(raw, place)
    fields.known(_TOP)
    fields.only("rms_norm", True, default=True)
    fields.empty("attn_layer_idx", "d_intermediate")
    vocab, multiple = fields.count("vocab_size", 50277), fields.count("pad_vocab_size_multiple", 8)
    top: dict[str, Any] = {
        "d_model": fields.count("d_model", 2560),
        "layers": fields.count("n_layer", 64),
        "vocab": -(-vocab // multiple) * multiple,
        "tied": fields.flag("tie_embeddings", True),
    }
    residual_in_fp32 = fields.flag("residual_in_fp32", True)
    ssm = fields.nested("ssm_cfg")
    if ssm.raw.get("layer", "Mamba1") == "Mamba1":
        return _mamba1(fields, ssm, top)
    return _mamba2(fields, ssm, top | {"residual_in_fp32": residual_in_fp32})


def _mamba1(fields: Fields, ssm: Fields, top: dict[str, Any]) -> Mamba1Shape:
    ssm.known(_SSM_1)
    inner = int(ssm.positive("expand", 2) * top["d_model"])
    if not inner:
        ssm.refuse("expand", f"at least 1 / d_model = 1 / {top['d_model']}", ssm.raw["expand"])
    state, conv = ssm.count("d_state", 16), ssm.count("d_conv", 4)
    dt_rank = ssm.count_or_auto("dt_rank", math.ceil(top["d_model"] / 16))
    conv_bias, proj_bias = ssm.flag("conv_bias", True), ssm.flag("bias", False)
    fields.finish(WAY_OUT)
    return Mamba1Shape(
        **top,
        inner=inner,
        state=state,
        conv=conv,
        dt_rank=dt_rank,
        conv_bias=conv_bias,
        proj_bias=proj_bias,
    )


def _mamba2(fields: Fields, ssm: Fields, top: dict[str, Any]) -> Mamba2Shape:
    ssm.known(_SSM_2)
    ssm.only("layer", "Mamba2", default="Mamba1")
    ssm.only("activation", "silu", "swish", default="silu")
    ssm.only("rmsnorm", True, default=True)
    ssm.empty("norm_before_gate", "D_has_hdim")
    inner = int(ssm.positive("expand", 2) * top["d_model"])
    head_dim, groups = ssm.count("headdim", 64), ssm.count("ngroups", 1)
    ssm.only("d_ssm", inner, None, default=None)
    heads = max(1, inner // head_dim)
    right = fields.accepted("d_model") and ssm.accepted("expand", "headdim")
    if right and inner != heads * head_dim:
        ssm.refuse("headdim", f"a divisor of expand * d_model = {inner}", head_dim)
    elif right and heads % groups:
        rule = f"a divisor of the expand * d_model / headdim = {heads} heads"
        ssm.refuse("ngroups", rule, groups)
    state, conv = ssm.count("d_state", 128), ssm.count("d_conv", 4)
    conv_bias, proj_bias = ssm.flag("conv_bias", True), ssm.flag("bias", False)
    limit = ssm.limits("dt_limit")
    fields.finish(WAY_OUT)
    return Mamba2Shape(
        **top,
        heads=heads,
        head_dim=head_dim,
        groups=groups,
        state=state,
        conv=conv,
        conv_bias=conv_bias,
        proj_bias=proj_bias,
        time_step_limit=limit,
    )
