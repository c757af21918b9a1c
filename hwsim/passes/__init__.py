"""Passes: when a token's layers and head are through on a design, without stepping its clock.

The engine's model in closed form. A word of the stream is taken when the memory can have it there
and the queues have room for it; a pass begins when its vector is there and ends when its weights
are through and what it feeds has kept up. So times are sums and maxima over a few words of each
pass. Times are edges from the one on which the token before leaves, words are counted from the
beginning of the stream, the prefix. Names of `hwsim.units` and `models.networks` keep their sense.

In all functions, `net` is a record of a shape and `u` of the units of a parallelism, as
`hwsim.passes.records` makes them, `d` of a design with its memory, `hwsim.closed_form.DESIGN`.
"""
