"""Hadamard in hardware; the arithmetic is defined by `models.units.hadamard`.

H_base comes first, while the codes are narrow: each row of it adds up the codes that the `base`
banks hold at one place. H_points is log2(points) butterflies: between beats by single-path delay
feedback (He and Torkelson 1996, "A new approach to pipeline FFT processor"), the longest delay
first, then within beats.
"""

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from models.formats import Fixed
from models.units.hadamard import base_matrix
from rtl.arith import bounded, round_shift, saturate, shape_of
from rtl.streams import Pipeline, codes_of, layout_of, stream_of

LEVELS = 2
"""Additions one after the other in a pipeline stage."""


class Hadamard(wiring.Component):
    """Multiply vectors, one after another, by a matrix of +-1; a vector leaves when it is complete.

    Parameters
    ----------
    config : :class:`models.units.hadamard.HadamardConfig`

    Members
    -------
    i : In(stream of config.i_beat)
    o : Out(stream of config.o_beat)
    """

    def __init__(self, config):
        self.config = config
        super().__init__({"i": In(stream_of(config.i_beat)), "o": Out(stream_of(config.o_beat))})

    def elaborate(self, platform):
        m = Module()
        config = self.config
        if config.base > 1:
            m.submodules.banks = banks = _Banks(config)
            wiring.connect(m, wiring.flipped(self.i), banks.i)
            pipe = Pipeline(m, valid=banks.row_valid, o=self.o)
            m.d.comb += banks.advance.eq(pipe.advance)
            codes = _times_row(pipe, banks)
        else:
            pipe = Pipeline(m, valid=self.i.valid, o=self.o)
            m.d.comb += self.i.ready.eq(pipe.advance)
            codes = codes_of(self.i.p.x)

        apart = config.points // config.lanes // 2
        while apart:
            codes = _fold_beats(m, pipe, codes, apart)
            apart //= 2
        apart = config.lanes // 2
        while apart:
            codes = pipe.stage(within=_fold_lanes(codes, apart))["within"]
            apart //= 2
        totals = [bounded(code, config.total) for code in codes]
        pipe.finish(y=[saturate(round_shift(each, config.shift), config.o) for each in totals])
        return m


class _Banks(wiring.Component):
    """Hold the codes of a block, one bank for each `a`, and read all banks for each row of H_base.

    The first row is read while the last bank is filled. Places that the last row was read from are
    filled by the next block. `signs` of a row come with `row_valid`, the codes that are read,
    `column`, one stage later.
    """

    def __init__(self, config):
        self.beat = config.i_beat
        self.base, self.beats = config.base, config.points // config.lanes
        super().__init__(
            {
                "i": In(stream_of(self.beat)),
                "advance": In(1),
                "row_valid": Out(1),
                "column": Out(data.ArrayLayout(layout_of(self.beat), self.base)),
                "signs": Out(self.base),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Not below 2: Verilog has no vector without bits for the address of a single place.
        depth = max(2, self.beats)
        bank, place = Signal(range(self.base)), Signal(range(depth))
        row, read_place = Signal(range(self.base)), Signal(range(depth))
        complete, taken, read = Signal(), Signal(), Signal()
        last_bank, last_row = bank == self.base - 1, row == self.base - 1

        for a in range(self.base):
            m.submodules[f"bank{a}"] = memory = Memory(
                shape=layout_of(self.beat), depth=depth, init=[]
            )
            write, port = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.addr.eq(place),
                write.data.eq(self.i.payload),
                write.en.eq(taken & (bank == a)),
                port.addr.eq(read_place),
                port.en.eq(self.advance),
                self.column[a].eq(port.data),
            ]
        m.d.comb += [
            self.i.ready.eq(~complete | (last_row & (place < read_place))),
            taken.eq(self.i.valid & self.i.ready),
            self.row_valid.eq(complete | (last_bank & (place > read_place))),
            read.eq(self.row_valid & self.advance),
            self.signs.eq(_signs_of_rows(self.base)[row]),
        ]
        with m.If(taken):
            ended = self._step(m, place, bank)
            with m.If(ended):
                m.d.sync += complete.eq(1)
        with m.If(read):
            ended = self._step(m, read_place, row)
            with m.If(ended):
                m.d.sync += complete.eq(0)
        return m

    def _step(self, m, place, turn):
        """Advance `place` and, when it was the last one, `turn`; whether both were."""
        last_place, last_turn = place == self.beats - 1, turn == self.base - 1
        m.d.sync += place.eq(Mux(last_place, 0, place + 1))
        with m.If(last_place):
            m.d.sync += turn.eq(Mux(last_turn, 0, turn + 1))
        return last_place & last_turn


def _signs_of_rows(base):
    """For each row of H_base, a bit for each code, set where that is subtracted."""
    minus = (base_matrix(base) < 0).tolist()
    return Array(Cat(Const(int(each), 1) for each in row) for row in minus)


def _times_row(pipe, banks):
    """The sums of the codes in the banks, one for each lane, with the signs of a row.

    A node of the tree has the sign of its leftmost code, and so adds or subtracts its right side by
    the sign relative to that; the first code of all is never subtracted.
    """
    s = pipe.stage(signs=banks.signs)
    signs = list(s["signs"])
    lanes = list(zip(*(codes_of(beat.x) for beat in codes_of(banks.column)), strict=True))
    while len(signs) > 1:
        for _ in range(LEVELS):
            lanes = [_level(codes, signs) for codes in lanes]
            signs = signs[::2]
        s = pipe.stage(signs=Cat(signs), **{f"lane{at}_": each for at, each in enumerate(lanes)})
        signs, lanes = list(s["signs"]), [s[f"lane{at}_"] for at in range(len(lanes))]
    return [codes[0] for codes in lanes]


def _level(codes, signs):
    """Sums or differences of neighbours, and the last one as it is when it has none."""
    pairs = [
        _plus_or_minus(codes[at], codes[at + 1], signs[at] ^ signs[at + 1])
        for at in range(0, len(codes) - 1, 2)
    ]
    return pairs + list(codes[len(codes) & ~1 :])


def _plus_or_minus(a, b, minus):
    """`a - b` if `minus`, else `a + b`, with one adder: `minus` is its carry in."""
    left = Cat(1, a).as_signed()
    right = Cat(minus, b.as_unsigned() ^ minus.replicate(len(b))).as_signed()
    return (left + right)[1:].as_signed()


def _fold_lanes(codes, apart):
    """Butterflies of the codes of a beat that are `apart` lanes from each other."""
    return [
        codes[at ^ apart] - code if at & apart else code + codes[at ^ apart]
        for at, code in enumerate(codes)
    ]


def _fold_beats(m, pipe, codes, apart):
    """Butterflies of beats that are `apart` beats from each other.

    The first of two halves waits in a delay line. The second one passes as sums and leaves the
    differences in the line; they follow, one on each edge, whether or not beats come in. The first
    half of the next beats takes no less long, so that its sums never meet them.
    """
    at, left = Signal(range(2 * apart)), Signal(range(apart + 1))
    place, second, following = at[:-1], at[-1], left.any()
    with m.If(pipe.advance):
        with m.If(pipe.valid):
            m.d.sync += at.eq(at + 1)
        with m.If(following):
            m.d.sync += left.eq(left - 1)
        with m.If(pipe.valid & (at == 2 * apart - 1)):
            m.d.sync += left.eq(apart)

    sums = Fixed(len(codes[0]) + 1)
    line = data.ArrayLayout(shape_of(sums), len(codes))
    if apart == 1:
        held = Signal(line, name="held")
    else:
        m.submodules[f"line{apart}"] = memory = Memory(shape=line, depth=apart, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            read.addr.eq(Mux(following, (apart - left)[: len(place)], place)),
            read.en.eq(pipe.advance),
        ]
        s = pipe.stage(code=codes, place=place, second=second, following=following)
        codes, place, second, following = s["code"], s["place"], s["second"], s["following"]
        held = read.data

    put = Cat(
        bounded(Mux(second, old - code, code), sums)
        for old, code in zip(codes_of(held), codes, strict=True)
    )
    if apart == 1:
        with m.If(pipe.advance & pipe.valid):
            m.d.sync += held.as_value().eq(put)
    else:
        m.d.comb += [
            write.addr.eq(place),
            write.en.eq(pipe.advance & pipe.valid),
            write.data.as_value().eq(put),
        ]
    passed = [
        bounded(old + Mux(following, 0, code), sums)
        for old, code in zip(codes_of(held), codes, strict=True)
    ]
    pipe.valid = following | (pipe.valid & second)
    return pipe.stage(folded=passed)["folded"]
