"""The observer reads streams that are there, under the names that the Verilog has for them."""

import re

import pytest

from codegen.designs import find_design
from codegen.observer import observer
from codegen.verilog import to_verilog
from models.networks.machine import machine_config
from reports.diagnose import CORE, NETWORK, observed
from rtl.accelerator import Accelerator
from tests.networks.examples import ODD

MACHINE = machine_config(ODD, find_design("tiny", ("lanes=2", "state.placement=memory")))


def test_every_name_is_a_signal_of_its_module():
    verilog = to_verilog(Accelerator(MACHINE), "top")
    streams = observed(MACHINE)
    watch = observer(Accelerator(MACHINE), "top", streams)
    modules = dict(re.findall(r"(?s)\nmodule \\?(\S+) ?\(.*?;\n(.*?)\nendmodule", verilog))
    names = re.findall(r"((?:\\\S+ \.)+)\\(\S+) ", watch)
    assert len(names) == 3 * len(streams) + 1
    for path, name in names:
        module = modules[".".join(re.findall(r"\\(\S+) ", path))]
        assert re.search(rf" \\?{re.escape(name)} ?;\n", module), f"{path}{name}"
    assert watch.endswith("bind top observer observer(.clock(ap_clk));\n")


@pytest.mark.parametrize("place", [((*CORE, "nothing"), "o"), ((*NETWORK, "none"), "o")])
def test_a_stream_that_does_not_exist_is_refused(place):
    with pytest.raises(KeyError):
        observer(Accelerator(MACHINE), "top", {"x": place})
