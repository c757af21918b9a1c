"""Compiled kernels on weights and states of 8 and 4 bits, for decoding on a CPU.

Public functions take and give what those of `models.units` do, code for code, and check it. The
compiled ones check nothing: their vectors must reach 16 elements past what they hold, since lanes
read and write past the end, and exponents are one for every 8 channels (`blocks.BLOCK`).
"""
