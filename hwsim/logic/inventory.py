"""Inventory: what a unit is built from, counted in bits, before a tool maps it to a chip."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hwsim.storage import Read, Storage
from models.beats import Beat
from models.formats import Fixed


@dataclass(frozen=True)
class Product:
    """`count` multipliers of codes of two formats."""

    count: int
    a: Fixed
    b: Fixed


@dataclass(eq=False)
class Inventory:
    """What a unit of some `kind` is built from.

    parts      bits of each kind of logic; the methods say which there are
    registers  bits of flip-flops, but those beside products and those that memories are read into
    products   multipliers, with registers before and behind them
    memories   what is addressed
    """

    kind: str
    parts: Counter[str] = field(default_factory=Counter)
    registers: int = 0
    products: list[Product] = field(default_factory=list)
    memories: list[Storage] = field(default_factory=list)

    def multiply(self, count: int, a: Fixed, b: Fixed) -> int:
        """`count` products; the bits of one."""
        self.products.append(Product(count, a, b))
        return a.width + b.width

    def hold(self, words: int, bits: int, read: Read = Read.CLOCKED, count: int = 1) -> None:
        """`count` memories; the shortest has two words, as in `rtl`."""
        self.memories.append(Storage(max(2, words), bits, count, read))

    def register(self, *bits: int) -> None:
        self.registers += sum(bits)

    def add(self, count: int, bits: int) -> None:
        """`count` adders, subtractors or accumulators of `bits`."""
        self.parts["adders"] += count * bits

    def tree(self, count: int, terms: int, bits: int) -> int:
        """`count` adder trees over `terms` terms of `bits`; the bits of a sum."""
        while terms > 1:
            bits += 1
            self.add(count * (terms // 2), bits)
            terms -= terms // 2
        return bits

    def shift(self, count: int, i: int, o: int, by: int) -> None:
        """`count` shifters from `i` to `o` bits, by an amount of `by` bits."""
        widths = (min(o, i + (2 << stage) - 1) for stage in range(by))
        self.parts["shifters"] += count * sum(widths)

    def choose(self, bits: int, ways: int = 2) -> None:
        """`bits` bits, each one of `ways`."""
        self.parts["choices"] += bits * (ways - 1)

    def saturate(self, count: int, i: int, o: int) -> None:
        """`count` clamps of `i` bits to `o`."""
        self.parts["clamps"] += count * o
        self.parts["excess"] += count * max(0, i - o)

    def compare(self, count: int, bits: int) -> None:
        """`count` comparisons of codes of `bits`."""
        self.parts["compares"] += count * bits

    def measure(self, count: int, bits: int) -> None:
        """`count` bit lengths of codes of `bits`."""
        self.parts["lengths"] += count * bits

    def merge(self, bits: int) -> None:
        """`bits` magnitudes' bits that are joined by OR."""
        self.parts["merges"] += bits

    def control(self, bits: int) -> None:
        """Counters and states of `bits` in all."""
        self.parts["control"] += bits
        self.registers += bits

    def queue(self, beat: Beat | int, depth: int = 3) -> None:
        """A queue of `depth` beats, the last of them in registers."""
        bits = beat if isinstance(beat, int) else beat.bits
        self.hold(depth - 1, bits)
        self.parts["queues"] += 1
        self.control(3 * (depth - 1).bit_length() + 1)

    def include(self, others: "Iterable[Inventory]") -> None:
        """Everything of `others` too."""
        for other in others:
            self.parts.update(other.parts)
            self.registers += other.registers
            self.products += other.products
            self.memories += other.memories
