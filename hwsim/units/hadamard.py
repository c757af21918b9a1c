"""Timing of the hadamard unit."""

from dataclasses import dataclass

from models.units.hadamard import HadamardConfig


@dataclass(frozen=True)
class HadamardTiming:
    """A block is gathered in banks, where H_base is larger than 1, then passes the butterflies.

    Each result is a sum of all codes of its block, so none can leave before the last one came, as
    `gather` and `butterfly_delay` say; the rest of the latency is stages of the pipeline.
    """

    config: HadamardConfig

    interval = 1  # clock edges between two beats of a block, in and out

    @property
    def beats(self) -> int:
        """Beats of a block."""
        return self.config.n // self.config.lanes

    @property
    def row(self) -> int:
        """Beats of a row of H_base, that is of H_points."""
        return self.config.points // self.config.lanes

    @property
    def gather(self) -> int:
        """Clock edges from a block's first beat to the first of those that fill the last bank."""
        return (self.config.base - 1) * self.row

    @property
    def times_base(self) -> int:
        """Write to the banks; read them; the adder tree, two levels to a stage."""
        if self.config.base == 1:
            return 0
        levels = (self.config.base - 1).bit_length()
        return 1 + 1 + (levels + 1) // 2

    @property
    def butterfly_delay(self) -> int:
        """Clock edges that beats wait for their partners in all delay lines: row / 2 + ... + 1."""
        return self.row - 1

    @property
    def butterflies(self) -> int:
        """A stage for each; those that delay by more than a beat read a memory first."""
        between_beats = self.row.bit_length() - 1
        within_beats = self.config.lanes.bit_length() - 1
        return between_beats + max(0, between_beats - 1) + within_beats

    @property
    def latency(self) -> int:
        """Clock edges from accepting a block's first beat to handing over its first result."""
        narrow = 1  # round and saturate
        return self.gather + self.times_base + self.butterfly_delay + self.butterflies + narrow

    @property
    def block_interval(self) -> int:
        """Clock edges from a block's first beat to the next one's.

        The banks are filled up to the last one, then read row by row; a place is filled anew on
        the edge after the last row was read from it.
        """
        if self.config.base == 1:
            return self.beats
        write_then_read, read_then_write = 1, 1
        return self.gather + write_then_read + self.gather + read_then_write

    def cycles(self, vectors: int) -> int:
        """Clock edges from accepting the first of `vectors` to handing over the last, unstalled."""
        before = (vectors * self.config.blocks - 1) * self.block_interval
        return before + self.latency + (self.beats - 1) * self.interval
