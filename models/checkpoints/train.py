"""Train the bundled checkpoint: a byte-level Mamba-2 on Python's own documentation.

    python -m models.checkpoints.train --out DIR

writes `config.json` and `model.safetensors` as `transformers` saves `Mamba2ForCausalLM`, and
`train_log.json`. Needs torch (`pip install -e .[train]`); about seven minutes on two cores.

The modules below carry the tensor names of `transformers`, so their state is saved as it stands.
The scan is the chunked form of Dao and Gu, "Transformers are SSMs" (2024), section 6.
"""

import argparse
import hashlib
import json
import math
import platform
import time
from pathlib import Path

import numpy as np
import torch  # type: ignore[import-not-found, unused-ignore]
from safetensors.torch import save_file
from torch import Tensor, nn

from models.checkpoints.corpus import held_out_text, training_text

D_MODEL, HEADS, HEAD_DIM, STATE = 128, 8, 32, 64
INNER, CONV, CHUNK, LAYERS, VOCAB = HEADS * HEAD_DIM, 4, 64, 4, 256
NORM_EPS = 1e-5
DELTA_MIN, DELTA_MAX = 0.001, 0.1

CONFIG = {
    "architectures": ["Mamba2ForCausalLM"],
    "bos_token_id": None,
    "chunk_size": CHUNK,
    "conv_kernel": CONV,
    "dtype": "float32",
    "eos_token_id": None,
    "expand": INNER // D_MODEL,
    "head_dim": HEAD_DIM,
    "hidden_act": "silu",
    "hidden_size": D_MODEL,
    "layer_norm_epsilon": NORM_EPS,
    "model_type": "mamba2",
    "n_groups": 1,
    "num_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "pad_token_id": None,
    "residual_in_fp32": True,
    "state_size": STATE,
    "tie_word_embeddings": True,
    # JSON has no infinity; `transformers` 5 writes it so.
    "time_step_limit": [0.0, {"__float__": "Infinity"}],
    "time_step_max": DELTA_MAX,
    "time_step_min": DELTA_MIN,
    "use_bias": False,
    "use_conv_bias": True,
    "vocab_size": VOCAB,
}


def scan(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Outputs of the recurrence `h = exp(log_decay) * h + x B`, `y = C h`, from a zero state.

    x            (batch, time, heads, head_dim)  already multiplied by delta
    log_decay    (batch, time, heads)            delta * A
    B, C         (batch, time, state)            one group
    return       (batch, time, heads, head_dim)  time a multiple of the chunk
    """
    batch, length = x.shape[:2]
    split = (batch, length // CHUNK, CHUNK)
    x, B, C = x.reshape(*split, HEADS, HEAD_DIM), B.reshape(*split, STATE), C.reshape(*split, STATE)
    total = log_decay.reshape(*split, HEADS).cumsum(2)  # (batch, chunks, chunk, heads)
    total = total.transpose(2, 3)  # (batch, chunks, heads, chunk)

    # Within a chunk: the masked matrix form.
    causal = torch.ones(CHUNK, CHUNK, dtype=torch.bool).tril()
    between = (total[..., :, None] - total[..., None, :]).masked_fill(~causal, -torch.inf)
    scores = (C @ B.transpose(-1, -2))[:, :, None] * between.exp()
    x = x.transpose(2, 3)  # (batch, chunks, heads, chunk, head_dim)
    y = scores @ x

    # Across chunks: the recurrence on one state for each chunk.
    to_end = (total[..., -1:] - total).exp()
    added = (x * to_end[..., None]).transpose(-1, -2) @ B[:, :, None]
    decay = total[..., -1].exp()  # (batch, chunks, heads)
    state, before = torch.zeros_like(added[:, 0]), []
    for i in range(added.shape[1]):
        before.append(state)
        state = decay[:, i, :, None, None] * state + added[:, i]
    carried = C[:, :, None] @ torch.stack(before, 1).transpose(-1, -2)
    y = y + carried * total.exp()[..., None]
    return y.transpose(2, 3).reshape(batch, length, HEADS, HEAD_DIM)


class Norm(nn.Module):
    """Root-mean-square norm with a weight; `gate` multiplies its input by SiLU(gate) before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor, gate: Tensor | None = None) -> Tensor:
        x = x if gate is None else x * nn.functional.silu(gate)
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + NORM_EPS)


class Mixer(nn.Module):
    """The Mamba-2 mixer of one layer, with the initialization of the original implementation."""

    def __init__(self) -> None:
        super().__init__()
        channels = INNER + 2 * STATE
        self.in_proj = nn.Linear(D_MODEL, INNER + channels + HEADS, bias=False)
        self.conv1d = nn.Conv1d(channels, channels, CONV, groups=channels, padding=CONV - 1)
        delta = torch.exp(torch.empty(HEADS).uniform_(math.log(DELTA_MIN), math.log(DELTA_MAX)))
        self.dt_bias = nn.Parameter(delta + torch.log(-torch.expm1(-delta)))
        self.A_log = nn.Parameter(torch.empty(HEADS).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(HEADS))
        self.norm = Norm(INNER)
        self.out_proj = nn.Linear(INNER, D_MODEL, bias=False)
        with torch.no_grad():
            self.out_proj.weight /= math.sqrt(LAYERS)

    def forward(self, u: Tensor) -> Tensor:
        batch, length = u.shape[:2]
        z, xBC, delta = self.in_proj(u).split([INNER, INNER + 2 * STATE, HEADS], -1)
        xBC = nn.functional.silu(self.conv1d(xBC.transpose(1, 2))[..., :length].transpose(1, 2))
        x, B, C = xBC.split([INNER, STATE, STATE], -1)
        x = x.reshape(batch, length, HEADS, HEAD_DIM)
        delta = nn.functional.softplus(delta + self.dt_bias)
        y = scan(x * delta[..., None], -delta * self.A_log.exp(), B, C) + self.D[:, None] * x
        return self.out_proj(self.norm(y.reshape(batch, length, INNER), z))


class Layer(nn.Module):
    """Norm, mixer and residual; dropout on what the mixer adds."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.norm, self.mixer = Norm(D_MODEL), Mixer()
        self.dropout = dropout

    def forward(self, u: Tensor) -> Tensor:
        added = self.mixer(self.norm(u))
        return u + nn.functional.dropout(added, self.dropout, self.training)


class Network(nn.Module):
    """Embedding, layers, final norm and the head, which is the embedding."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.embeddings = nn.Embedding(VOCAB, D_MODEL)
        nn.init.normal_(self.backbone.embeddings.weight, std=0.05)
        self.backbone.layers = nn.ModuleList(Layer(dropout) for _ in range(LAYERS))
        self.backbone.norm_f = Norm(D_MODEL)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (batch, time, vocab) of `tokens` (batch, time)."""
        u = self.backbone.embeddings(tokens)
        for layer in self.backbone.layers:
            u = layer(u)
        return nn.functional.linear(self.backbone.norm_f(u), self.backbone.embeddings.weight)


def loss(network: Network, windows: Tensor) -> Tensor:
    """Mean nats/byte of predicting every byte of `windows` (count, length + 1) but the first."""
    logits = network(windows[:, :-1])
    return nn.functional.cross_entropy(logits.reshape(-1, VOCAB), windows[:, 1:].reshape(-1))


@torch.no_grad()
def held_out_loss(network: Network, length: int) -> float:
    """Nats/byte over the held-out text, in windows of `length` that each start from nothing."""
    text = torch.tensor(list(held_out_text()))
    count = (len(text) - 1) // length
    windows = text[: count * length + 1].unfold(0, length + 1, length)
    network.eval()
    losses = [loss(network, part).item() * len(part) for part in windows.split(8)]
    network.train()
    return sum(losses) / count


def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Linear warm-up to `peak`, then half a cosine down to one hundredth of it."""
    if step < warmup:
        return peak * (step + 1) / warmup
    along = (step - warmup) / max(1, steps - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * along)))


def train(options: argparse.Namespace) -> tuple[Network, list[dict[str, float]]]:
    """The trained network and a log line for every hundredth step."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(options.seed)
    network = Network(options.dropout)
    matrices = [p for p in network.parameters() if p.ndim == 2]
    others = [p for p in network.parameters() if p.ndim != 2]
    groups = [{"params": matrices, "weight_decay": options.decay}, {"params": others}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)
    text = torch.tensor(list(training_text()))
    log, start = [], time.monotonic()
    for step in range(options.steps):
        rate = learning_rate(step, options.steps, options.rate, warmup=50)
        for group in optimizer.param_groups:
            group["lr"] = rate
        at = rng.integers(0, len(text) - options.length, options.batch)
        windows = torch.stack([text[i : i + options.length + 1] for i in at])
        value = loss(network, windows)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            line = {"step": step + 1, "seconds": time.monotonic() - start, "train": value.item()}
            line["held_out"] = held_out_loss(network, options.length)
            log.append({key: round(number, 4) for key, number in line.items()})
            print(json.dumps(log[-1]), flush=True)
    return network, log


def write(folder: Path, network: Network, log: list[dict[str, float]], options: dict) -> None:
    """Write the checkpoint and its log to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    text = held_out_text()
    summary = {
        "held_out_nats_per_byte": log[-1]["held_out"],
        "parameters": sum(p.numel() for p in network.parameters()),
        "seconds": log[-1]["seconds"],
        "options": options,
        "held_out": {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "log": log,
    }
    (folder / "train_log.json").write_text(json.dumps(summary, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--steps", type=int, default=700, help="optimizer steps")
    parser.add_argument("--batch", type=int, default=8, help="windows in a step")
    parser.add_argument("--length", type=int, default=512, help="bytes in a window")
    parser.add_argument("--rate", type=float, default=4e-3, help="largest learning rate")
    parser.add_argument("--decay", type=float, default=0.2, help="weight decay of the matrices")
    parser.add_argument("--dropout", type=float, default=0.2, help="of what a layer adds")
    parser.add_argument("--seed", type=int, default=0, help="of weights and windows")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of torch")
    options = parser.parse_args()
    network, log = train(options)
    chosen = {key: value for key, value in vars(options).items() if key != "out"}
    write(options.out, network, log, chosen)


if __name__ == "__main__":
    main()
