"""Arithmetic on Amaranth values, named after `models.arith` and `models.formats`."""

from amaranth import Cat, Mux, Shape, Value, signed, unsigned


def shape_of(fmt):
    """Amaranth shape of a `models.formats.Fixed`."""
    return signed(fmt.width) if fmt.signed else unsigned(fmt.width)


def lossless(target, value):
    """`target.eq(value)`, refused where Amaranth would silently drop bits."""
    to, of = Shape.cast(Value.cast(target).shape()), Shape.cast(Value.cast(value).shape())
    needed = of.width + (to.signed and not of.signed)
    if to.width < needed or (of.signed and not to.signed):
        raise ValueError(
            f"{target!r} is {to!r}, which cannot hold every value of {of!r}; "
            "widen it, or narrow the value with saturate(), bounded() or an explicit slice"
        )
    return target.eq(value)


def bounded(value, fmt):
    """`value` in the shape of `fmt`, a format that its configuration derived as wide enough.

    Shapes alone cannot know that a shift by up to 15 is only ever by up to 12; the interval
    arithmetic of `models.formats` does.
    """
    value = Value.cast(value)
    if len(value) < fmt.width:
        return value if value.shape().signed else Cat(value, 0).as_signed()
    return value[: fmt.width].as_signed() if fmt.signed else value[: fmt.width]


def round_shift(value, shift):
    """Divide by `2**shift`, rounding to nearest with ties toward +infinity.

    `shift` is a number, or an unsigned value for a shift that varies.
    """
    if isinstance(shift, int):
        return value if shift == 0 else (value + (1 << shift - 1)).shift_right(shift)
    return (value + ((1 << shift) >> 1)) >> shift


def saturate(value, fmt):
    """Clamp to the range of `fmt`; the result has the shape of `fmt`."""
    at_least_min = Mux(value < fmt.min_code, fmt.min_code, value)
    clamped = Mux(value > fmt.max_code, fmt.max_code, at_least_min)
    bits = clamped[: fmt.width]
    return bits.as_signed() if fmt.signed else bits


def magnitude(value):
    """Bits of a two's-complement `value` that differ from its sign, as an unsigned value."""
    if not value.shape().signed:
        return value
    return (value[:-1] ^ value[-1].replicate(len(value) - 1)).as_unsigned()


def bit_length(value):
    """Bits that an unsigned `value` needs: 0 for 0, 8 for 128..255."""
    length = 0
    for at in range(len(value)):
        length = Mux(value[at], at + 1, length)
    return Value.cast(length)


def total(values):
    """Sum of `values` as a balanced tree."""
    values = list(values)
    while len(values) > 1:
        pairs = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(values) & ~1 :]
    return values[0]
