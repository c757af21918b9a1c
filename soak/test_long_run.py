"""Long runs do not drift: 2,000 tokens of the bundled checkpoint, equal to the last code."""

import pytest

from codegen.designs import find_design
from models.checkpoints import bundled
from models.checkpoints.reader import read_checkpoint
from reports.inputs import read_tokens
from reports.run import run_network

WIDE = (
    "lanes=8",
    "matvec={rows: 16, columns: 16}",
    "scan={channels: 2, states: 16}",
    "memory.port_bits=512",
)


@pytest.mark.parametrize("precision", ["w4a4"])
def test_2000_tokens(precision, tmp_path):
    design = find_design("tiny", (*WIDE, f"precision={precision}"))
    prompt = read_tokens(None, 256, 1000)[:1000].tolist()
    report = run_network(read_checkpoint(bundled()), design, prompt, 1001, tmp_path, print)
    print(report.to_text())
    assert report.equal
    assert report.match["compared"] == 2000 * 256
