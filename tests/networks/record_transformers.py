"""Record what `transformers` computes, so that the oracle's tests need no torch.

    python -m tests.networks.record_transformers [NAME...]

writes, for each network below or those named, `recorded/<name>/` with `config.json` and the weights
as saved by `transformers`, and `vectors.safetensors` with `tokens` int64 (batch, time) and `logits`
float32 (batch, time, vocab); for the bundled checkpoint, the vectors only. Needs the `train` extra.

Weights are drawn so that every part matters: decays all over 0 to 1, deltas on both sides of a
finite limit, norms and skips away from 1. `test_oracle.py` plants faults to prove it.
"""

import json
import math
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM

from models.checkpoints import bundled
from models.checkpoints.corpus import held_out_text
from tests.networks.recordings import RECORDED

COMMON = {"state_size": 16, "vocab_size": 40, "num_hidden_layers": 2, "tie_word_embeddings": True}

# One group, tied, no projection bias: the shape of most published checkpoints.
PLAIN = {"hidden_size": 32, "num_heads": 4, "head_dim": 16, "n_groups": 1}
# Two groups, an untied head, biases everywhere.
GROUPS = {"hidden_size": 24, "num_heads": 6, "head_dim": 8, "n_groups": 2}
GROUPS |= {"tie_word_embeddings": False, "use_bias": True}
# An odd number of heads, a head of 24 channels, three layers, no bias at all.
ODD = {"hidden_size": 36, "num_heads": 3, "head_dim": 24, "n_groups": 1, "num_hidden_layers": 3}
ODD |= {"tie_word_embeddings": False, "use_conv_bias": False, "state_size": 12}
# A finite range of delta, an odd number of groups, three taps.
LIMIT = {"hidden_size": 36, "num_heads": 9, "head_dim": 8, "n_groups": 3, "conv_kernel": 3}
LIMIT |= {"time_step_limit": (0.02, 0.4), "use_bias": True}
# A group for each head, two taps, a large epsilon.
EACH = {"hidden_size": 20, "num_heads": 5, "head_dim": 8, "n_groups": 5, "conv_kernel": 2}
EACH |= {"layer_norm_epsilon": 1e-2, "use_conv_bias": False, "use_bias": True}
# A chunk that does not divide the text, the residual in the type of the weights.
CHUNKS = {"hidden_size": 32, "num_heads": 4, "head_dim": 16, "n_groups": 2, "chunk_size": 7}
CHUNKS |= {"time_step_limit": (0.0, 0.5), "residual_in_fp32": False}
# One wide head, no expansion, five taps.
WIDE = {"hidden_size": 32, "num_heads": 1, "head_dim": 32, "n_groups": 1, "expand": 1}
WIDE |= {"state_size": 64, "conv_kernel": 5, "num_hidden_layers": 1}

# The shape of all published checkpoints of Mamba-1.
PLAIN_1 = {"hidden_size": 32}
# An untied head, biases everywhere, a rank that is rounded up, two taps.
BIASES_1 = {"hidden_size": 36, "tie_word_embeddings": False, "use_bias": True, "conv_kernel": 2}
# Odd sizes, three layers, no bias at all, a rank of its own, a large epsilon.
ODD_1 = {"hidden_size": 21, "expand": 3, "state_size": 5, "conv_kernel": 3, "time_step_rank": 7}
ODD_1 |= {"num_hidden_layers": 3, "tie_word_embeddings": False, "use_conv_bias": False}
ODD_1 |= {"layer_norm_epsilon": 1e-2}
# No expansion, one state number of a channel, a rank of one, five taps, biases of the projections.
NARROW_1 = {"hidden_size": 16, "expand": 1, "state_size": 1, "conv_kernel": 5, "use_bias": True}
NARROW_1 |= {"use_conv_bias": False, "residual_in_fp32": False}

NETWORKS = {
    "plain": PLAIN,
    "groups": GROUPS,
    "odd": ODD,
    "limit": LIMIT,
    "each": EACH,
    "chunks": CHUNKS,
    "wide": WIDE,
    "sharded": GROUPS,
    "bfloat16": PLAIN,
    "original": CHUNKS,
    "mamba1-plain": PLAIN_1,
    "mamba1-biases": BIASES_1,
    "mamba1-odd": ODD_1,
    "mamba1-narrow": NARROW_1,
    "mamba1-original": PLAIN_1,
}

Network = Mamba2ForCausalLM | MambaForCausalLM


def randomize(network: Network) -> None:
    """Fill `network` with weights of realistic scale."""
    # Mamba-1 has no norm after the gate: with a larger gain, rounding grows from layer to layer.
    gain = 1.0 if network.config.model_type == "mamba" else 1.5
    for name, tensor in network.named_parameters():
        kind = name.split(".")[-2:]
        if name.endswith("A_log"):
            tensor.uniform_(math.log(0.3), math.log(16))
        elif name.endswith(("dt_bias", "dt_proj.bias")):
            tensor.uniform_(-5, 0)
        elif kind[0] in ("norm", "norm_f") or name.endswith(".D"):
            tensor.normal_(1, 0.3)
        elif kind == ["embeddings", "weight"]:
            tensor.normal_(0, 1)
        elif kind[1] == "bias":
            tensor.normal_(0, 0.3)
        elif kind[0] == "conv1d":
            tensor.normal_(0, 1 / math.sqrt(tensor.shape[-1]))
        else:
            tensor.normal_(0, gain / math.sqrt(tensor.shape[-1]))


def write_original(folder: Path, config: Mamba2Config | MambaConfig) -> None:
    """Give `folder` the names of state-spaces/mamba; a file's head is there although it is tied."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    embedding = tensors.pop("backbone.embeddings.weight")
    tensors |= {"backbone.embedding.weight": embedding, "lm_head.weight": embedding.clone()}
    save_file(tensors, file)
    ssm = {}  # As in all published checkpoints of Mamba-1.
    if config.model_type == "mamba2":
        ssm = {"layer": "Mamba2", "d_state": config.state_size, "headdim": config.head_dim}
        ssm |= {"ngroups": config.n_groups, "dt_limit": list(config.time_step_limit)}
    raw = {"d_model": config.hidden_size, "d_intermediate": 0, "ssm_cfg": ssm}
    raw |= {"n_layer": config.num_hidden_layers, "attn_layer_idx": [], "attn_cfg": {}}
    # 35 rows, padded to a multiple of 8, are the 40 of the recorded network.
    raw |= {"vocab_size": 35, "pad_vocab_size_multiple": 8, "tie_embeddings": True}
    raw |= {"rms_norm": True, "residual_in_fp32": True, "fused_add_norm": True}
    (folder / "config.json").write_text(json.dumps(raw, indent=2) + "\n")


def write_vectors(folder: Path, network: Network, tokens: torch.Tensor) -> None:
    """Write what `network`, in float32, computes for `tokens`."""
    logits = network.float().eval()(tokens, use_cache=False).logits
    vectors = {"tokens": tokens, "logits": logits.contiguous()}
    save_file(vectors, folder / "vectors.safetensors")


@torch.no_grad()
def record(name: str, fields: dict, seed: int) -> None:
    """Write `recorded/<name>/`."""
    folder = RECORDED / name
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    kinds = (Mamba2Config, Mamba2ForCausalLM)
    if name.startswith("mamba1"):
        kinds = (MambaConfig, MambaForCausalLM)
    config = kinds[0](**COMMON | fields, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    network = kinds[1](config)
    randomize(network)
    if name == "bfloat16":
        network = network.to(torch.bfloat16)
    network.save_pretrained(folder, max_shard_size="30KB" if name == "sharded" else "1GB")
    (folder / "generation_config.json").unlink()
    write_vectors(folder, network, torch.randint(0, config.vocab_size, (2, 48)))
    if name.endswith("original"):
        write_original(folder, config)


@torch.no_grad()
def record_bundled() -> None:
    """Write the vectors of the bundled checkpoint, on held-out text."""
    folder = RECORDED / "bundled"
    folder.mkdir(parents=True)
    tokens = torch.tensor(list(held_out_text()[: 2 * 128])).reshape(2, 128)
    write_vectors(folder, Mamba2ForCausalLM.from_pretrained(bundled()), tokens)


def main(names: list[str]) -> None:
    for seed, (name, fields) in enumerate(NETWORKS.items()):
        if not names or name in names:
            shutil.rmtree(RECORDED / name, ignore_errors=True)
            record(name, fields, seed)
    if not names or "bundled" in names:
        shutil.rmtree(RECORDED / "bundled", ignore_errors=True)
        record_bundled()


if __name__ == "__main__":
    main(sys.argv[1:])
