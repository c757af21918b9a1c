"""The same work in PyTorch: a process that answers with tokens/s.

    python -m reports.peers.pytorch NETWORK THREADS TOKENS

NETWORK is a published shape. Each line that it reads is a work, and each that it writes what that
took: `decode` and `prefill` of TOKENS by `transformers`, with random weights in float32 and its own
CPU path, `scan`, the selective scan of one layer over TOKENS alone, and `products`, the
matrix-vector products of a token alone. The first line that it writes tells the versions. It needs
torch and transformers, which nothing else does.
"""

import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch  # type: ignore[import-not-found, unused-ignore]
import transformers  # type: ignore[import-not-found, unused-ignore]
from transformers.models.mamba.modeling_mamba import (  # type: ignore[import-not-found, unused-ignore]
    mamba_selective_scan,
)
from transformers.models.mamba2.modeling_mamba2 import (  # type: ignore[import-not-found, unused-ignore]
    mamba2_chunk_scan,
)

from models.networks.shape import Mamba1Shape, Mamba2Shape, Shape
from models.networks.shapes import find_shape

SECONDS = 0.5
"""Of a measurement, at least."""


def network(shape: Shape) -> Any:
    """`transformers`' network of that shape, random weights."""
    common = {
        "hidden_size": shape.d_model,
        "num_hidden_layers": shape.layers,
        "vocab_size": shape.vocab,
        "state_size": shape.state,
        "conv_kernel": shape.conv,
        "expand": shape.inner // shape.d_model,
        "tie_word_embeddings": shape.tied,
    }
    if isinstance(shape, Mamba2Shape):
        config = transformers.Mamba2Config(
            **common, num_heads=shape.heads, head_dim=shape.head_dim, n_groups=shape.groups
        )
        return transformers.Mamba2ForCausalLM(config).eval()
    return transformers.MambaForCausalLM(transformers.MambaConfig(**common)).eval()


def prefill(model: Any, vocab: int, tokens: int) -> float:
    text = torch.arange(tokens).remainder(vocab).reshape(1, -1)
    start = time.perf_counter()
    model(text, use_cache=True, logits_to_keep=1)
    return tokens / (time.perf_counter() - start)


def decode(model: Any) -> float:
    """Tokens/s of one sequence, each token the likeliest after the one before."""
    told = model(torch.tensor([[1]]), use_cache=True)
    start, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < SECONDS or count < 2:
        token = told.logits[:, -1:].argmax(-1)
        told = model(token, cache_params=told.cache_params, use_cache=True, **_place(count))
        count += 1
    return count / spent


def _place(count: int) -> dict[str, Any]:
    """Where the token is, which transformers wants to be told."""
    return {"cache_position": torch.tensor([count + 4])}


def matrices(shape: Shape) -> list[torch.Tensor]:
    """Every matrix that a token meets, random."""
    rows = {"out": (shape.d_model, shape.inner)}
    if isinstance(shape, Mamba1Shape):
        rows |= {
            "in": (2 * shape.inner, shape.d_model),
            "x": (shape.dt_rank + 2 * shape.state, shape.inner),
            "dt": (shape.inner, shape.dt_rank),
        }
    else:
        rows["in"] = (shape.in_proj_rows, shape.d_model)
    layers = [torch.randn(each) for _ in range(shape.layers) for each in rows.values()]
    return [*layers, torch.randn(shape.vocab, shape.d_model)]


def products(weights: list[torch.Tensor]) -> float:
    """Tokens/s of the products alone."""
    vectors = [torch.randn(each.shape[1]) for each in weights]
    start, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < SECONDS or count < 2:
        for matrix, vector in zip(weights, vectors, strict=True):
            torch.nn.functional.linear(vector, matrix)
        count += 1
    return count / spent


def scan(shape: Shape, tokens: int) -> float:
    """Tokens/s of one layer's scan, as transformers does it on the CPU, with its default chunks."""
    if isinstance(shape, Mamba1Shape):
        call = partial(
            mamba_selective_scan,
            torch.randn(1, shape.inner, tokens), torch.rand(1, shape.inner, tokens) / 10,
            -1 - 15 * torch.rand(shape.inner, shape.state), torch.randn(1, shape.state, tokens),
            torch.randn(1, shape.state, tokens), D=torch.randn(shape.inner),
        )  # fmt: skip
    else:
        call = partial(
            mamba2_chunk_scan,
            torch.randn(1, tokens, shape.heads, shape.head_dim),
            torch.rand(1, tokens, shape.heads) / 10, -1 - 15 * torch.rand(shape.heads),
            torch.randn(1, tokens, shape.groups, shape.state),
            torch.randn(1, tokens, shape.groups, shape.state),
            chunk_size=transformers.Mamba2Config().chunk_size, D=torch.randn(shape.heads),
        )  # fmt: skip
    start = time.perf_counter()
    call()
    return tokens / (time.perf_counter() - start)


def works(shape: Shape, tokens: int) -> dict[str, Callable[[], float]]:
    """What can be asked for; networks and matrices are made when they first are."""
    model = cache(partial(network, shape))
    weights = cache(partial(matrices, shape))
    return {
        "prefill": lambda: prefill(model(), shape.vocab, tokens),
        "decode": lambda: decode(model()),
        "products": lambda: products(weights()),
        "scan": lambda: scan(shape, tokens),
    }


def main() -> None:
    name, threads, tokens = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    can = works(find_shape(name), int(tokens))
    print(f"torch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    for line in sys.stdin:
        print(can[line.strip()](), flush=True)


if __name__ == "__main__":
    main()
