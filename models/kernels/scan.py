"""Compiled `models.units.scan`: same name, same arguments, same codes."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.compiled import compiled
from models.formats import Block, Codes
from models.kernels.checks import require, require_block
from models.units import scan as unit
from models.units.scan import ScanConfig


def scan(
    decay: ArrayLike,
    drive: ArrayLike,
    drive_exponents: ArrayLike,
    skip: ArrayLike,
    b: tuple[ArrayLike, ArrayLike],
    c: tuple[ArrayLike, ArrayLike],
    h: tuple[ArrayLike, ArrayLike],
    config: ScanConfig,
) -> tuple[Codes, tuple[Codes, Codes]]:
    decay, skip = require(config.drive.decay, decay, "decay"), require(config.o, skip, "skip")
    drive_block, arguments = _arguments(config)
    drive, drive_exponents = require_block(drive_block, drive, drive_exponents, "drive")
    b, c = require_block(config.b, *b, "b"), require_block(config.c, *c, "c")
    codes, exponents = require_block(config.h, *h, "h")
    leading, inner = decay.shape[:-1], (config.heads * config.head_dim,)
    if (
        decay.shape[-1:] != (config.heads,)
        or not drive.shape == skip.shape == (*leading, *inner)
        or not b[0].shape == c[0].shape == (*leading, config.groups * config.state)
        or codes.shape != (*leading, config.heads, config.head_dim, config.state)
    ):
        return unit.scan(decay, drive, drive_exponents, skip, b, c, (codes, exponents), config)
    y = np.empty(skip.shape, np.int64)
    after, after_exponents = np.empty(codes.shape, np.int64), np.empty(exponents.shape, np.int64)
    scan_codes(
        decay.reshape(-1), drive.reshape(-1), drive_exponents.reshape(-1), skip.reshape(-1),
        b[0].reshape(-1), b[1].reshape(-1), c[0].reshape(-1), c[1].reshape(-1),
        codes.reshape(-1), exponents.reshape(-1),
        y.reshape(-1), after.reshape(-1), after_exponents.reshape(-1), *arguments,
    )  # fmt: skip
    return y, (after, after_exponents)


@cache
def _arguments(config: ScanConfig) -> tuple[Block, tuple[int, ...]]:
    return config.drive.drive, scan_arguments(config)


def scan_arguments(config: ScanConfig) -> tuple[Any, ...]:
    """What `scan_codes` takes after the codes."""
    return (
        config.heads, config.head_dim, config.groups, config.state,
        config.drive.x.group, config.b.group, config.c.group, config.h.group,
        config.kept_align, config.added_align,
        config.update_shift, config.h.source.min_code, config.h.source.max_code, config.h.bits,
        config.total_shift, config.o.min_code, config.o.max_code,
    )  # fmt: skip


@compiled()
def scan_codes(  # type: ignore[no-untyped-def]
    decay, drive, drive_exponents, skip, b, b_exponents, c, c_exponents, h, h_exponents,
    y, after, after_exponents,
    heads, head_dim, groups, state, drive_group, b_group, c_group, h_group,
    kept_align, added_align, update_shift, h_low, h_top, bits, total_shift, low, top,
):  # fmt: skip
    """Fill `y`, `after` and `after_exponents`; the latter may be `h` and `h_exponents`."""
    update_half, total_half = (1 << update_shift) >> 1, (1 << total_shift) >> 1
    code_top = (1 << bits - 1) - 1
    vector = groups * state
    b_values, c_values = np.empty(vector, np.int64), np.empty(vector, np.int64)
    update = np.empty(h_group, np.int64)
    for token in range(decay.size // heads):
        for k in range(vector):
            at = token * vector + k
            b_values[k] = b[at] << b_exponents[at // b_group]
            c_values[k] = c[at] << c_exponents[at // c_group]
        for channel in range(token * heads * head_dim, (token + 1) * heads * head_dim):
            head = channel // head_dim
            first = head % heads // (heads // groups) * state
            driven = drive[channel] << drive_exponents[channel // drive_group] + added_align
            total = 0
            for k in range(0, state, h_group):
                at = channel * state + k
                kept = decay[head] << h_exponents[at // h_group] + kept_align
                widest = 0
                for s in range(h_group):
                    value = h[at + s] * kept + driven * b_values[first + k + s]
                    value = min(max((value + update_half) >> update_shift, h_low), h_top)
                    update[s] = value
                    widest |= value ^ (value >> 63)
                exponent = 0
                while widest >> exponent > code_top:
                    exponent += 1
                half = (1 << exponent) >> 1
                read = 0
                for s in range(h_group):
                    code = min((update[s] + half) >> exponent, code_top)
                    after[at + s] = code
                    read += code * c_values[first + k + s]
                after_exponents[at // h_group] = exponent
                total += read << exponent
            read = ((total + total_half) >> total_shift) + skip[channel]
            y[channel] = min(max(read, low), top)
