"""Words of the stream: how many each part of a token takes on a design's port."""

from typing import Any, NamedTuple

from models.compiled import inlined

SHORTEST = 3
"""Places of the shortest queue, `models.networks.queues`."""
LONGEST_PART = 65_535
"""Words of state, or beats, in a packet, `models.units.spill`."""


class Words(NamedTuple):
    """Words of the port, and tiles, of the parts of a token's stream.

    width         bits of a word, of all ports together
    prefix        a layer's steps and small weights; `steps` those before the steps of `targets`,
                  `before_norm` those before the norm's weights
    head_prefix   the same of the head
    in_begin      before the tiles of in_proj, behind its layer's prefix; out_begin, head_begin
    in_scales     of a tile of in_proj, and in_weights; out_scales, out_weights
    state_packet  a head's state, `state` of them without headers, as they are written back; behind
                  so many tiles of in_proj is the `first` of them, and the `last`
    layer, read   a whole layer, a whole token
    """

    width: int
    row: int
    steps: int
    before_norm: int
    prefix: int
    head_prefix: int
    in_tiles: int
    in_begin: int
    in_scales: int
    in_weights: int
    out_tiles: int
    out_begin: int
    out_scales: int
    out_weights: int
    head_tiles: int
    head_begin: int
    state_packet: int
    state: int
    first: int
    last: int
    layer: int
    read: int


@inlined
def up(count: int, size: int) -> int:
    """Quotient, rounded up.

    Processors divide floating point faster than integers: exact below 2**53.
    """
    return int((count + size - 1) / size)


@inlined
def per_word(bits: int, width: int) -> int:
    """Beats of so many bits in a word, at least one."""
    return max(1, int(width / bits))


@inlined
def span(bits: int, width: int) -> int:
    """Words of a beat."""
    return up(bits, width)


@inlined
def payload(count: int, bits: int, width: int) -> int:
    """Words of `count` beats, as `models.units.fetch.FetchConfig.words`."""
    return up(count, per_word(bits, width)) * span(bits, width)


@inlined
def packet(count: int, bits: int, width: int) -> int:
    """The same with a header."""
    return 1 + payload(count, bits, width)


@inlined
def words_of(net: Any, d: Any, u: Any) -> Words:
    """As `models.networks.stream` lays out packets."""
    width, lanes = d.port_bits * d.ports, d.lanes
    padded = up(net.heads, lanes) * lanes
    in_rows = 2 * net.inner + 2 * net.groups * net.state + padded
    in_tiles, out_tiles = up(in_rows, d.rows), up(net.d_model, d.rows)
    head_tiles = up(net.vocab, d.rows)
    steps, before, prefix = _prefix(net, d, u, width, in_rows, padded)
    head_prefix = _head_prefix(net, d, u, width, head_tiles)
    scales_in = payload(up(net.d_model, u.weight_group), u.scales, width)
    scales_out = payload(up(net.inner, u.weight_group), u.scales, width)
    weights_in = payload(net.d_model // d.columns, u.weights, width)
    weights_out = payload(net.inner // d.columns, u.weights, width)
    first, last = _tiles_before(net, d, padded, in_rows)
    # A matrix is a packet, and in_proj one more for each state that is among its tiles.
    in_begin, out_begin, head_begin, state, each = 1, 1, 1, 0, 0
    if d.spilled:
        state, each = _state(net, d, u, width)
        among = 1 if d.naive else min(net.heads, last - first + 1)
        in_begin = among + (last < in_tiles)
    if net.proj_bias:
        in_begin += packet(in_tiles, u.bias, width)
        out_begin += packet(out_tiles, u.bias, width)
        head_begin += packet(head_tiles, u.bias, width)
    layer = prefix + in_begin + in_tiles * (scales_in + weights_in)
    layer += net.heads * each + out_begin + out_tiles * (scales_out + weights_out)
    head = head_prefix + head_begin + head_tiles * (scales_in + weights_in)
    row = packet(net.d_model // lanes, u.embedding, width)
    return Words(
        width, row, steps, before, prefix, head_prefix,
        in_tiles, in_begin, scales_in, weights_in, out_tiles, out_begin, scales_out, weights_out,
        head_tiles, head_begin, each, state, first, last, layer, row + net.layers * layer + head,
    )  # fmt: skip


@inlined
def _prefix(
    net: Any, d: Any, u: Any, width: int, in_rows: int, padded: int
) -> tuple[int, int, int]:
    """Words before the steps of `targets`, before the norm's weights, and all, as
    `models.networks.steps` counts steps.
    """
    dropped = (in_rows % d.rows > 0) + (net.d_model % d.rows > 0)
    targets = (5 if d.naive else 3 + 2 * net.heads) + 1 + dropped
    steps = 2 * packet(1, u.step, width) + packet(2, u.step, width)
    steps += packet(1 + net.groups, u.norm_pass, width) + packet(2, u.matvec_pass, width)
    before = steps + packet(targets, u.step, width) + packet(3, u.step, width)
    convolved = net.inner + 2 * net.groups * net.state
    prefix = before + packet((net.d_model + net.inner) // d.lanes, u.norm, width)
    prefix += packet(convolved // d.lanes, u.conv, width)
    prefix += packet(padded // d.lanes, u.heads, width)
    return steps, before, prefix


@inlined
def _head_prefix(net: Any, d: Any, u: Any, width: int, tiles: int) -> int:
    targets = 1 + (tiles * d.rows // d.lanes > up(net.vocab, d.lanes))
    words = 3 * packet(1, u.step, width) + packet(1, u.norm_pass, width)
    words += packet(1, u.matvec_pass, width) + packet(targets, u.step, width)
    return words + packet(net.d_model // d.lanes, u.norm, width)


@inlined
def _state(net: Any, d: Any, u: Any, width: int) -> tuple[int, int]:
    """Words of a head's state, without headers and with them."""
    beats = net.head_dim // d.channels * (net.state // d.states)
    most = min(LONGEST_PART, LONGEST_PART // span(u.state, width))
    state = payload(beats, u.state, width)
    return state, state + up(beats, most) * packet(1, u.spills, width)


@inlined
def _tiles_before(net: Any, d: Any, padded: int, in_rows: int) -> tuple[int, int]:
    """As `models.networks.order.tiles_before_heads`, for the first head and the last."""
    if d.naive:
        last = (in_rows - padded + net.heads - 1) // d.rows + 1
        return last, last
    before = padded + 2 * net.groups * net.state - 1
    last = before + (2 * net.heads - 1) * net.head_dim
    return (before + net.head_dim) // d.rows + 1, last // d.rows + 1
