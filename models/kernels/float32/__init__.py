"""Compiled float32 kernels of the networks, held against `models.networks.oracle`.

Public functions check their arguments and return new arrays. Those named `..._into` and `..._row`
are compiled, check nothing, and write into their last argument; the networks in
`models.networks.cpu` are made of them. Parallel ones use the threads that `numba.set_num_threads`
allows.
"""

import os

# GNU OpenMP, which runs numba's threads on most systems, else lets a thread that waits for another
# spin for milliseconds, even when the other needs the very core that it spins on.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
