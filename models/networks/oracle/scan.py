"""The selective state-space recurrence, of Mamba-2 and of Mamba-1.

    h[t] = decay[t] * h[t-1] + delta[t] * x[t] B[t]^T        decay[t] = exp(delta[t] * A)
    y[t] = h[t] C[t]

The skip `D * x` is not part of it. In Mamba-2 a head's channels share delta and A; its forms, one
token at a time and in chunks, take B and C of each group, which consecutive heads share. In Mamba-1
each channel has a delta, and each of its state numbers an A; B and C serve all channels.
"""

import numpy as np


def scan_step(
    x: np.ndarray, delta: np.ndarray, A: np.ndarray, B: np.ndarray, C: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One token, as the recurrence says.

    x         float32 (..., heads, head_dim)
    delta     float32 (..., heads)
    A         float32 (heads,)
    B, C      float32 (..., groups, state)
    h         float32 (..., heads, head_dim, state)  before the token
    return    y (..., heads, head_dim), h after the token
    """
    shared = len(A) // B.shape[-2]
    B, C = np.repeat(B, shared, axis=-2), np.repeat(C, shared, axis=-2)  # (..., heads, state)
    decay = np.exp(delta * A)
    drive = (delta[..., None] * x)[..., None] * B[..., None, :]
    h = decay[..., None, None] * h + drive
    return (h @ C[..., None])[..., 0], h


def scan_chunked(
    x: np.ndarray,
    delta: np.ndarray,
    A: np.ndarray,
    B: np.ndarray,
    C: np.ndarray,
    h: np.ndarray,
    chunk: int = 64,
) -> tuple[np.ndarray, np.ndarray]:
    """Many tokens: the recurrence between chunks, its matrix form within them.

    x         float32 (..., time, heads, head_dim)
    delta     float32 (..., time, heads)
    A         float32 (heads,)
    B, C      float32 (..., time, groups, state)
    h         float32 (..., heads, head_dim, state)  before the first token
    chunk     tokens in a chunk; it changes the speed and the rounding only
    return    y (..., time, heads, head_dim), h after the last token

    Dao and Gu, "Transformers are SSMs" (2024), section 6.
    """
    shared, time = len(A) // B.shape[-2], x.shape[-3]
    x, log_decay = delta[..., None] * x, delta.astype(np.float64) * A
    y = np.empty_like(x)
    for start in range(0, time, chunk):
        part = slice(start, min(start + chunk, time))
        drive = x[..., part, :, :].swapaxes(-2, -3)  # (..., heads, chunk, head_dim)
        # The group's B and C serve all of its heads: (..., groups, chunk, state).
        write, read = B[..., part, :, :].swapaxes(-2, -3), C[..., part, :, :].swapaxes(-2, -3)
        scores = np.repeat(read @ write.swapaxes(-1, -2), shared, axis=-3)
        write, read = np.repeat(write, shared, axis=-3), np.repeat(read, shared, axis=-3)

        # Sums of logarithms in double: their differences are small against the sums.
        total = log_decay[..., part, :].swapaxes(-1, -2).cumsum(-1)  # (..., heads, chunk)
        between = (total[..., :, None] - total[..., None, :]).astype(np.float32)
        causal = np.tri(total.shape[-1], dtype=bool)
        kept = np.exp(np.where(causal, between, -np.inf))
        to_end = np.exp(total[..., -1:] - total).astype(np.float32)
        from_start = np.exp(total).astype(np.float32)

        # BLAS would share each small product with a transposed factor among its threads, whose
        # waiting for each other takes many times as long; the numbers are the same.
        turned = np.ascontiguousarray(h.swapaxes(-1, -2))
        out = (scores * kept) @ drive + from_start[..., None] * (read @ turned)
        y[..., part, :, :] = out.swapaxes(-2, -3)
        added = (drive * to_end[..., None]).swapaxes(-1, -2) @ write
        h = from_start[..., -1:, None] * h + added
    return y, h


def scan_channels(
    x: np.ndarray, delta: np.ndarray, A: np.ndarray, B: np.ndarray, C: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Many tokens of Mamba-1, one after the other.

    x         float32 (..., time, inner)
    delta     float32 (..., time, inner)
    A         float32 (inner, state)
    B, C      float32 (..., time, state)
    h         float32 (..., inner, state)  before the first token
    return    y (..., time, inner), h after the last token

    Gu and Dao, "Mamba" (2023), Algorithm 2. A is discretized exactly, B as delta * B, which is
    what the paper's implementation does.
    """
    y = np.empty_like(x)
    for at in range(x.shape[-2]):
        decay = np.exp(delta[..., at, :, None] * A)  # (..., inner, state)
        drive = (delta[..., at, :] * x[..., at, :])[..., None] * B[..., at, None, :]
        h = decay * h + drive
        y[..., at, :] = (h @ C[..., at, :, None])[..., 0]
    return y, h
