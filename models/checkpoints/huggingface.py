"""`config.json` of `MambaForCausalLM` and `Mamba2ForCausalLM`, as `transformers` writes it.

Fields that are absent have the defaults of `MambaConfig` and `Mamba2Config` (transformers 5.23).
Fields that they do not know are ignored there and here.

The gated norm of Mamba-2 takes a mean square for each group, as state-spaces/mamba and transformers
5.23 do; transformers 5.10 and earlier took one over all channels, which differs when `n_groups` is
above 1.
"""

import math
from typing import Any

from models.checkpoints.fields import Fields
from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape

MAMBA1, MAMBA2 = "mamba", "mamba2"
WAY_OUT = "only transformers' plain Mamba2ForCausalLM and MambaForCausalLM are supported"


def read_shape(raw: dict[str, Any], place: str) -> Shape:
    """Shape of the network that `raw`, the content of the file `place`, describes.

    Raises `InputError` with every field that is wrong or not supported.
    """
    fields = Fields(raw, place)
    fields.only("model_type", MAMBA2, MAMBA1, default=None)
    fields.only("hidden_act", "silu", "swish", default="silu")
    fields.only("rms_norm", True, default=True)
    fields.empty("quantization_config", "attn_layer_idx", "d_intermediate", "num_experts")
    # Without effect on the result: how the scan is cut or run, the fields of initialization, and
    # the training, cache and token fields.
    return _mamba1(fields) if raw.get("model_type") == MAMBA1 else _mamba2(fields)


def _mamba1(fields: Fields) -> Mamba1Shape:
    d_model, expand = fields.count("hidden_size", 768), fields.positive("expand", 2)
    inner = fields.count("intermediate_size", int(expand * d_model))
    layers, state = fields.count("num_hidden_layers", 32), fields.count("state_size", 16)
    conv, vocab = fields.count("conv_kernel", 4), fields.count("vocab_size", 50280)
    dt_rank = fields.count_or_auto("time_step_rank", math.ceil(d_model / 16))
    tied = fields.flag("tie_word_embeddings", True)
    conv_bias, proj_bias = fields.flag("use_conv_bias", True), fields.flag("use_bias", False)
    eps = fields.positive("layer_norm_epsilon", 1e-5)
    fields.finish(WAY_OUT)
    return Mamba1Shape(
        d_model=d_model,
        layers=layers,
        inner=inner,
        state=state,
        conv=conv,
        dt_rank=dt_rank,
        vocab=vocab,
        tied=tied,
        conv_bias=conv_bias,
        proj_bias=proj_bias,
        norm_eps=eps,
    )


def _mamba2(fields: Fields) -> Mamba2Shape:
    d_model = fields.count("hidden_size", 4096)
    heads, head_dim = fields.count("num_heads", 128), fields.count("head_dim", 64)
    expand, groups = fields.positive("expand", 2), fields.count("n_groups", 8)
    right = fields.accepted("hidden_size", "num_heads", "head_dim", "expand")
    if right and int(expand * d_model) != heads * head_dim:
        rule = f"num_heads * head_dim / hidden_size = {heads} * {head_dim} / {d_model}"
        fields.refuse("expand", rule, fields.raw.get("expand", 2))
    if fields.accepted("num_heads", "n_groups") and heads % groups:
        fields.refuse("n_groups", f"a divisor of num_heads = {heads}", groups)
    layers, state = fields.count("num_hidden_layers", 64), fields.count("state_size", 128)
    conv, vocab = fields.count("conv_kernel", 4), fields.count("vocab_size", 32768)
    tied = fields.flag("tie_word_embeddings", False)
    conv_bias, proj_bias = fields.flag("use_conv_bias", True), fields.flag("use_bias", False)
    residual_in_fp32 = fields.flag("residual_in_fp32", True)
    eps = fields.positive("layer_norm_epsilon", 1e-5)
    limit = fields.limits("time_step_limit")
    fields.finish(WAY_OUT)
    return Mamba2Shape(
        d_model=d_model,
        layers=layers,
        heads=heads,
        head_dim=head_dim,
        groups=groups,
        state=state,
        conv=conv,
        vocab=vocab,
        tied=tied,
        conv_bias=conv_bias,
        proj_bias=proj_bias,
        norm_eps=eps,
        time_step_limit=limit,
        residual_in_fp32=residual_in_fp32,
    )
