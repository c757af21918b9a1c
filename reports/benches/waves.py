"""cocotb bench that does what `reports.benches.accelerator` does, until a time.

The file named by VECTORS also holds `until`, in nanoseconds; what came until then is not told.
"""

import json
import os
from pathlib import Path

import cocotb
from cocotb.triggers import First, Timer

from reports.benches.accelerator import Bench


@cocotb.test()
async def waves(dut):
    vectors = json.loads(Path(os.environ["VECTORS"]).read_text())
    with open(os.devnull, "w") as progress:
        run = cocotb.start_soon(Bench(dut, vectors, progress).run())
        await First(run, Timer(vectors["until"], unit="ns"))
        run.cancel()
    Path(os.environ["RECEIVED"]).write_text("{}")
