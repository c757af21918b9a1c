"""`config.json` of `Mamba2ForCausalLM`, as `transformers` writes it.

Fields that are absent have the defaults of `Mamba2Config` (transformers 5.23). Fields that it does
not know are ignored there and here.

The gated norm takes a mean square for each group, as state-spaces/mamba and transformers 5.23 do;
transformers 5.10 and earlier took one over all channels, which differs when `n_groups` is above 1.
"""

from typing import Any

from models.checkpoints.fields import Fields
from models.networks.shape import Mamba2Shape

MODEL_TYPE = "mamba2"
WAY_OUT = "only the plain Mamba-2 of transformers' Mamba2ForCausalLM is supported"


def read_shape(raw: dict[str, Any], place: str) -> Mamba2Shape:
    """Shape of the network that `raw`, the content of the file `place`, describes.

    Raises `InputError` with every field that is wrong or not supported.
    """
    fields = Fields(raw, place)
    fields.only("model_type", MODEL_TYPE, default=None)
    fields.only("hidden_act", "silu", "swish", default="silu")
    fields.only("rms_norm", True, default=True)
    fields.empty("quantization_config", "attn_layer_idx", "d_intermediate", "num_experts")
    # Without effect on the result: chunk_size (how the scan is cut), the fields of initialization,
    # and the training, cache and token fields.
    d_model = fields.count("hidden_size", 4096)
    heads, head_dim = fields.count("num_heads", 128), fields.count("head_dim", 64)
    expand, groups = fields.positive("expand", 2), fields.count("n_groups", 8)
    right = fields.accepted("hidden_size", "num_heads", "head_dim", "expand")
    if right and int(expand * d_model) != heads * head_dim:
        rule = f"num_heads * head_dim / hidden_size = {heads} * {head_dim} / {d_model}"
        fields.refuse("expand", rule, raw.get("expand", 2))
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
