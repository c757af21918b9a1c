"""Timing of the scan unit."""

from dataclasses import dataclass

from models.units.scan import ScanConfig


@dataclass(frozen=True)
class ScanTiming:
    """A token fills B and C side by side, updates a tile on each edge, and drains.

    The next token's B and C wait for the last write of the state, not for the last result. A state
    that is spilled takes the same time, as long as its words come and go unstalled.
    """

    config: ScanConfig

    interval = 1  # clock edges between two tiles
    update_latency = 5  # from beginning a tile to handing it to the quantizers
    read_out_latency = 8  # from writing a tile's state to handing over the beat that it completes

    @property
    def fill(self) -> int:
        """Clock edges from accepting the first beat of B and C to beginning the first tile."""
        return self.config.groups * self.config.state // self.config.states

    @property
    def tiles(self) -> int:
        """Tiles of a token."""
        config = self.config
        return config.heads * config.head_dim * config.state // (config.channels * config.states)

    @property
    def quantize_latency(self) -> int:
        """Clock edges from handing a tile to the quantizers to writing it."""
        beats = self.config.h.group // self.config.states
        return 3 + (beats if beats > 1 else 0)

    @property
    def skips(self) -> int:
        """Skips that wait at most between the first tile of their beat and the last, and two more.

        As many tiles as there are rows of registers and places in banks are on the way.
        """
        config = self.config
        places = 2 * config.h.group // config.states
        tiles = self.update_latency + 3 + places + self.read_out_latency
        return 2 + tiles // (config.channel_tiles * config.state_tiles)

    @property
    def token_interval(self) -> int:
        """Clock edges between the first beats of B and C of two consecutive tokens."""
        busy = self.fill + self.tiles * self.interval
        return busy + self.update_latency + self.quantize_latency

    def cycles(self, tokens: int) -> int:
        """Clock edges from accepting the first beat of B and C to handing over the last of y."""
        last_written = tokens * self.token_interval - self.interval
        return last_written + self.read_out_latency
