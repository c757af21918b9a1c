"""A job: a network, a design and a prompt, brought to what the simulator takes."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codegen.files import write_whole
from codegen.image import Image, joined, network_image
from codegen.verilog import to_verilog
from hwsim.devices import device_of, memory_of
from hwsim.memory import MemoryModel
from hwsim.resources import require_fit
from models.design import Design
from models.networks.machine import MachineConfig, machine_config
from models.networks.parameters import NetworkParameters
from models.networks.quantized import QuantizedNetwork
from models.registers import image_addresses
from reports.inputs import Given, Show, integers_of
from reports.simulation import build, require_tools, simulate
from rtl.accelerator import Accelerator

TOP = "accelerator"
BENCH, WAVES_BENCH = "reports.benches.accelerator", "reports.benches.waves"


@dataclass(frozen=True)
class Job:
    """What a run is made of; `folder` gets what is generated.

    The hardware reads `tokens` and then adds `new` ones; `memory` is behind its ports. `parameters`
    are of the float network, unless the checkpoint has integers alone.
    """

    parameters: NetworkParameters | None
    quantized: QuantizedNetwork
    config: MachineConfig
    image: Image
    verilog: str
    folder: Path
    tokens: list[int]
    new: int
    memory: MemoryModel

    @property
    def image_paths(self) -> list[Path]:
        """A file for each memory port."""
        return [self.folder / name for name in self.image.names]

    def write(self) -> None:
        """Write accelerator.v and the image into the folder."""
        write_whole(self.folder / "accelerator.v", self.verilog.encode())
        for name, octets in self.image.files().items():
            write_whole(self.folder / name, octets)

    def read_image(self) -> bytes:
        """The words of the image as they lie in the folder."""
        return joined([path.read_bytes() for path in self.image_paths], self.image.octets)

    def build(self) -> None:
        """Compile the simulation."""
        build(self.verilog, TOP)

    def simulate(self, show: Show) -> dict[str, Any]:
        """What the bench receives; the text is shown as the hardware writes it."""
        with _followed(len(self.tokens), self.new, show) as progress:
            return simulate(self.verilog, TOP, BENCH, self._vectors(), progress)

    def watch(self, watch: str, count: int, plusargs: list[str], until: int | None) -> None:
        """Simulate the first `count` tokens with the Verilog `watch` looking on, until an edge."""
        prompt, new = self.tokens[:count], max(1, count - len(self.tokens) + 1)
        vectors = self._vectors() | {
            "registers": self.image.settings(len(prompt), new),
            "timeline": len(prompt) - 1,
            "tokens": prompt,
            "until": until,
        }
        bench = BENCH if until is None else WAVES_BENCH
        simulate(self.verilog + watch, TOP, bench, vectors, plusargs=plusargs, waves=True)

    def _vectors(self) -> dict[str, Any]:
        """What the bench is given."""
        settings = self.image.settings(len(self.tokens), self.new)
        addresses = [settings[name] for name in image_addresses(self.image.ports)]
        return {
            "clock": "ap_clk",
            "reset": "ap_rst_n",
            "memory": asdict(self.memory),
            "ports": self.image.ports,
            "regions": [
                {"address": address, "path": str(path.resolve())}
                for address, path in zip(addresses, self.image_paths, strict=True)
            ],
            "registers": settings,
            "counters": self.config.counters,
            "units": list(self.config.units.counted),
            "timeline": len(self.tokens) - 1,
            "read": ["cycles", "read_error"],
            "tokens": self.tokens,
            "willingness": 1.0,
            "poll": 1000,
            "deadline": 1_000_000,
        }


def prepare(
    network: Given,
    design: Design,
    tokens: list[int],
    new: int,
    folder: Path,
    memory: MemoryModel | None,
    show: Show,
) -> Job:
    """Quantize a network, unless it is, and generate its accelerator; nothing is written.

    Without `memory`, that of `hwsim.devices.memory_of`. Raises InputError when the design does not
    fit the network, the board not the design, or a tool is missing.
    """
    config = machine_config(network.shape, design)
    device = device_of(design)
    if device:
        require_fit(config, device)
    require_tools()
    quantized = integers_of(network, design, show)
    image = network_image(quantized, config)
    show(f"generating Verilog for design {design.name}")
    verilog = to_verilog(Accelerator(config), TOP)
    memory = memory or memory_of(design)
    parameters = network if isinstance(network, NetworkParameters) else None
    return Job(parameters, quantized, config, image, verilog, folder, tokens, new, memory)


@contextmanager
def _followed(prompt: int, new: int, show: Show) -> Iterator[Path]:
    """A file of tokens, a line each; those after the prompt's are shown as they come."""
    with tempfile.TemporaryDirectory() as scratch:
        path, over = Path(scratch) / "tokens", threading.Event()
        path.touch()

        def follow() -> None:
            shown = 0
            while not over.wait(0.5) or shown < len(path.read_text().split()):
                tokens = [int(line) for line in path.read_text().split()]
                if len(tokens) > shown:
                    text = text_of(tokens[prompt - 1 :])
                    show(f"{len(tokens)} of {prompt + new - 1} tokens: {text!r}")
                    shown = len(tokens)

        follower = threading.Thread(target=follow)
        follower.start()
        try:
            yield path
        finally:
            over.set()
            follower.join()


def text_of(tokens: list[int]) -> str:
    """What byte tokens spell; those beyond a byte are left out."""
    return bytes(token for token in tokens if token < 256).decode(errors="replace")
