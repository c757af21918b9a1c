"""`config.json` of the original implementation, github.com/state-spaces/mamba.

Defaults are those of `mamba_ssm/models/config_mamba.py` and `mamba_ssm/modules/mamba2.py`, which
take no other fields than those named here.
"""

from typing import Any

from models.checkpoints.fields import Fields
from models.networks.shape import Mamba2Shape

WAY_OUT = "only the plain Mamba-2 language model of state-spaces/mamba is supported"

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
        "A_init_range",
        "D_has_hdim",
        "activation",
        "bias",
        "chunk_size",
        "conv_bias",
        "conv_init",
        "d_conv",
        "d_ssm",
        "d_state",
        "dt_init_floor",
        "dt_limit",
        "dt_max",
        "dt_min",
        "expand",
        "headdim",
        "layer",
        "ngroups",
        "norm_before_gate",
        "rmsnorm",
        "sequence_parallel",
        "use_mem_eff_path",
    }
)


def recognizes(raw: dict[str, Any]) -> bool:
    """Whether `raw` has the field names of the original implementation."""
    return "model_type" not in raw and {"d_model", "n_layer"} <= raw.keys()


def read_shape(raw: dict[str, Any], place: str) -> Mamba2Shape:
    """Shape of the network that `raw`, the content of the file `place`, describes.

    Raises `InputError` with every field that is wrong or not supported.
    """
    fields = Fields(raw, place)
    fields.known(_TOP)
    fields.only("rms_norm", True, default=True)
    fields.empty("attn_layer_idx", "d_intermediate")
    d_model = fields.count("d_model", 2560)
    layers = fields.count("n_layer", 64)
    vocab = fields.count("vocab_size", 50277)
    multiple = fields.count("pad_vocab_size_multiple", 8)
    tied = fields.flag("tie_embeddings", True)
    residual_in_fp32 = fields.flag("residual_in_fp32", True)

    ssm = fields.nested("ssm_cfg")
    ssm.known(_SSM)
    ssm.only("layer", "Mamba2", default="Mamba1")
    ssm.only("activation", "silu", "swish", default="silu")
    ssm.only("rmsnorm", True, default=True)
    ssm.empty("norm_before_gate", "D_has_hdim")
    inner = int(ssm.positive("expand", 2) * d_model)
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
        d_model=d_model,
        layers=layers,
        heads=heads,
        head_dim=head_dim,
        groups=groups,
        state=state,
        conv=conv,
        vocab=-(-vocab // multiple) * multiple,
        tied=tied,
        conv_bias=conv_bias,
        proj_bias=proj_bias,
        time_step_limit=limit,
        residual_in_fp32=residual_in_fp32,
    )
