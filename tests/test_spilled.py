"""A state in memory gives the codes of one on chip, and no word is read before it is written."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from codegen.image import network_image
from hwsim.memory import MemoryModel
from models.design import MemoryPort, StateStore
from models.networks.machine import machine_config
from models.networks.mamba2 import Network, compiled
from models.networks.order import in_proj_order, tiles_before_heads
from models.networks.stream import layer_packets, per_token, prefix_packets, spill_parts
from models.precision import NAMED
from models.quantization.rtn import quantize_network
from models.units.fetch import fetch
from models.units.spill import Part, spill
from reports.run import run_network
from reports.verdict import greedy
from rtl import accelerator
from rtl.axi import WriteMaster
from tests.networks.examples import GROUPED, ODD, PLAIN, random_parameters
from tests.streams import run_streams
from tests.test_layer import design
from tests.test_machine import Started, expected_reads
from tests.units.test_scan import state_words

SINGLE = replace(PLAIN, layers=1)
DESIGNS = {
    "plain": (PLAIN, (4, 8, 8, 2, 8), "w8a8", "interleaved", 2),
    "single": (SINGLE, (4, 4, 8, 2, 8), "w8a8", "interleaved", 1),
    "groups": (GROUPED, (8, 16, 16, 1, 4), "w4a4", "naive", 2),
    "odd": (ODD, (2, 8, 4, 1, 16), "w4a8", "interleaved", 1),
}


def spilled(parallelism, precision, order, buffers):
    """A design whose reads are all in flight, however late the memory answers."""
    store, port = StateStore(placement="memory", buffers=buffers), MemoryPort(outstanding=32)
    return design(*parallelism, precision, order).model_copy(
        update={"state": store, "memory": port}
    )


def made(name):
    """Quantized network, machine and image of one of DESIGNS."""
    shape, *rest = DESIGNS[name]
    quantized = quantize_network(random_parameters(shape), NAMED[rest[1]])
    config = machine_config(shape, spilled(*rest))
    return quantized, config, network_image(quantized, config)


class Spilling(Started):
    """As `Started`, with the streams of the state; it takes everything for written at once."""

    streams = (*Started.streams, "o_writes", "o_words")

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.machine.written.eq(1)
        return m


def states_over(network, tokens):
    """The states of all layers after each token."""
    states, after = network.start(), []
    for token in tokens:
        _, states = network.decode(states, token)
        after.append([state.h for state in states])
    return after


def spilled_words(config, states):
    """Beats of `spill`'s input for a token, from the states of all layers."""
    unit = replace(config.units.scan, layers=1)
    return [word for h in states for word in state_words(unit, h)]


def parts_of(config):
    """Of the state, one by one."""
    columns = (column.tolist() for column in spill_parts(config))
    return [Part(*each) for each in zip(*columns, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "willing"), [("plain", 1.0), ("single", 0.5), ("groups", 0.5), ("odd", 1.0)]
)
def test_machine_agrees(name, willing):
    quantized, config, image = made(name)
    prompt, new = [3], 2
    network = Network(quantized, compiled())
    chosen, logits = greedy(network, prompt, new)
    tokens = [*prompt, *chosen[len(prompt) - 1 : -1]]
    parts = parts_of(config)
    settings = image.settings(len(prompt), new, base=0x10000)
    reads, brought, writes, written, stream = [], [], [], [], image.stream
    for at, (token, states) in enumerate(zip(tokens, states_over(network, tokens), strict=True)):
        now = replace(image, stream=stream)
        known = settings | {"prompt_tokens": int(at < len(prompt))}
        asked, words = expected_reads(now, known, [token])
        reads += asked
        brought += words
        beats = spilled_words(config, states)
        _, state = spill(beats, parts, config.spill)
        writes += [(0x10000 + part.place * image.octets, part.words) for part in parts]
        written += state
        stream = with_state(stream, parts, state)
    inputs = {"i": brought, "i_tokens": prompt}
    padded = np.pad(logits, ((0, 0), (0, -config.shape.vocab % config.units.lanes)))
    outputs = {
        "o_reads": packed(config, reads),
        "o_writes": packed(config, writes),
        "o_words": written,
        "o_logits": config.units.matvec.o_beat.pack(y=padded),
        "o_tokens": chosen,
    }
    run = run_streams(Spilling(config, settings), inputs, outputs, offer=willing, accept=willing)
    assert run.outputs == outputs


def with_state(stream, parts, words):
    """The stream with `words` in the place of its state."""
    stream, at = list(stream), 0
    for part in parts:
        stream[part.place : part.place + part.words] = words[at : at + part.words]
        at += part.words
    return stream


def packed(config, pairs):
    addresses, words = zip(*pairs, strict=True)
    return config.port.i_beat.pack(address=addresses, words=words)


@pytest.mark.parametrize("name", DESIGNS)
def test_state_lies_where_it_is_written_back(name):
    """Other words in the places that the steps tell change the state, and nothing else."""
    _, config, image = made(name)
    parts, beat = parts_of(config), config.spill.beat
    count = sum(part.beats for part in parts)
    assert count == config.units.scan.state_words
    before = fetch(image.stream, config.fetch)
    steps = config.spill.step_beat.unpack(before["spills"])
    assert [tuple(part) for part in parts] == list(
        zip(*(steps[name].ravel().tolist() for name in ("place", "words", "beats")), strict=True)
    )
    assert before.pop("state") == [0] * count
    beats = [(at + 1) * 0x9E3779B97F4A7C15 % (1 << beat.bits) for at in range(count)]
    _, words = spill(beats, parts, config.spill)
    after = fetch(with_state(image.stream, parts, words), config.fetch)
    assert after.pop("state") == beats
    assert after == before


@pytest.mark.parametrize("name", DESIGNS)
def test_state_comes_behind_all_that_the_scan_needs_for_it(name):
    """In the stream: behind the weights of its x, of B, C and the time steps, before those of z."""
    _, config, _ = made(name)
    units, shape, tile = config.units, config.shape, config.units.matvec.rows
    tiles = tiles_before_heads(shape, units.lanes, tile, units.order)
    assert len(tiles) == shape.heads
    rows = in_proj_order(shape, units.lanes, tile, units.order).rows
    first_x, first_b = shape.inner, 2 * shape.inner
    for head, before in enumerate(tiles):
        there = set(rows[: before * tile].tolist())
        x = first_x + (head + 1) * shape.head_dim
        assert there >= {*range(first_x, x), *range(first_b, shape.in_proj_rows)}
    if units.order == "interleaved" and tile <= shape.head_dim:
        assert all(after > before for before, after in pairwise(tiles))
    per_tile = shape.d_model // units.matvec.columns
    at, heads = 0, []
    for packet in layer_packets(config):
        at += packet.beats.get("weights", 0)
        heads += [at] * (packet.beats.get("state", 0) // units.scan.head_words)
    assert heads == [per_tile * before for before in tiles]


@pytest.mark.parametrize("name", DESIGNS)
def test_the_prefix_has_no_state(name):
    _, config, _ = made(name)
    depths = {target.name: target.depth for target in config.fetch.targets}
    two_heads = 2 * config.fetch.places(list(depths).index("state"), config.units.scan.head_words)
    assert depths["state"] == (max(3, two_heads) if config.design.state.buffers == 2 else 3)
    assert not [packet for packet in prefix_packets(config) if "state" in packet.beats]
    state = per_token(config, lambda packet: packet.beats.get("state", 0))
    assert state == config.units.scan.state_words


def test_a_state_that_lies_too_far_is_refused():
    """Also if it is only that of the last layer."""
    _, config, _ = made("plain")
    first, second = spill_parts(config).place.reshape(2, -1)
    layers = int((1 << 32) // (second - first)[0] + 1)
    with pytest.raises(ValueError, match="spill part must begin at a word"):
        spill_parts(replace(config, shape=replace(config.shape, layers=layers)))


SLOW = MemoryModel(64, 200e6, latency=4000, outstanding=32)
ROUGH = MemoryModel(64, 200e6, latency=60, gap=0.3, jitter=20, outstanding=2, seed=1)


def run_design(name, memory, folder):
    shape, *rest = DESIGNS[name]
    return run_network(random_parameters(shape), spilled(*rest), [3, 17], 3, folder, print, memory)


@pytest.mark.verilog
@pytest.mark.parametrize("memory", [None, SLOW, ROUGH], ids=["ideal", "slow", "rough"])
@pytest.mark.parametrize("name", ["single", "groups"])
def test_accelerator_agrees(name, memory, tmp_path):
    report = run_design(name, memory, tmp_path)
    assert report.equal
    if memory is not ROUGH:
        cycles = report.cycles
        assert cycles["predicted"] == cycles["measured"]
        assert {unit: sides["predicted"] for unit, sides in cycles["units"].items()} == {
            unit: sides["measured"] for unit, sides in cycles["units"].items()
        }


class Hasty(WriteMaster):
    """A master that takes a write for done as soon as it has been asked for."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.idle.eq(1)
        return m


@pytest.mark.verilog
def test_state_that_is_read_too_early_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(accelerator, "WriteMaster", Hasty)
    monkeypatch.setattr("reports.run._diagnosed", lambda *_: None)  # it takes another build
    assert not run_design("single", SLOW, tmp_path).equal
