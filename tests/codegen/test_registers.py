"""Header, page and driver say what the register map says, and the driver drives registers."""

import re
import shutil
import struct
import subprocess
import types
from dataclasses import replace

import pytest

from codegen.registers import Layout, c_header, markdown, python_driver
from models.counters import Activity
from models.registers import VERSION, register_map
from tests.codegen.examples import ORIGIN

MAP = register_map(["matvec_busy", "scan_input"])
LAYOUT = Layout(
    image_words=100,
    prefix_words=10,
    embedding_offset=4096,
    embedding_stride=24,
    row_words=3,
    image_bytes=4336,
    token_bytes=2,
    vocab=300,
)
HEADER = c_header(MAP, LAYOUT, ORIGIN)


def defines(header):
    """Values of the header's constants."""
    found = re.findall(r"^#define PUFFADDER_(\w+) (\w+?)u?\b", header, re.MULTILINE)
    return {name: int(value.rstrip("u"), 0) for name, value in found}


def driver_module(registers=MAP, layout=LAYOUT):
    module = types.ModuleType("driver")
    source = python_driver(registers, layout, ORIGIN)
    exec(compile(source, "driver.py", "exec"), module.__dict__)
    return module


def test_header_has_every_word_and_field():
    constants = defines(HEADER)
    words = {name: at for register in MAP.values() for name, at in register.words.items()}
    assert {name: constants[name] for name in words} == words
    for register in MAP.values():
        for field in register.fields:
            if len(register.fields) == 1 and field.bits >= 32:
                continue
            name = f"{register.name}_{field.name.upper()}"
            assert constants[f"{name}_SHIFT"] == field.low
            assert constants[f"{name}_MASK"] == (1 << field.bits) - 1 << field.low
    assert constants["VERSION_VALUE"] == VERSION
    assert constants["COUNTER_SCAN_INPUT_HIGH"] == 0x10C
    layout = {name.removeprefix("LAYOUT_") for name in constants if name.startswith("LAYOUT_")}
    assert layout == set(LAYOUT.by_name())
    assert constants["LAYOUT_EMBEDDING_OFFSET"] == 4096


def test_no_constant_has_two_values():
    names = re.findall(r"^#define (\w+) ", HEADER, re.MULTILINE)
    assert len(names) == len(set(names))


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("language", ["c", "c++"])
def test_header_compiles(language, tmp_path):
    (tmp_path / "registers.h").write_text(HEADER)
    source = tmp_path / "main.c"
    uses = " + ".join(f"PUFFADDER_{name}" for name in defines(HEADER))
    source.write_text(
        '#include "registers.h"\n#include "registers.h"\n'
        f"unsigned long all(void) {{ return {uses}; }}\n"
    )
    command = ["c++", "-x", language, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source]
    subprocess.run(command, check=True)


def test_page_has_a_row_for_each_field():
    page = markdown(MAP, LAYOUT, ORIGIN)
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    fields = [(register, field) for register in MAP.values() for field in register.fields]
    assert [(int(row[0].strip("`"), 16), row[1], row[3], row[4]) for row in rows] == [
        (register.offset, register.name, field.name, field.access) for register, field in fields
    ]
    assert [rows[2][at].strip("`") for at in (0, 2, 5)] == ["0x000", "2", "0x1"]
    assert "| 47:0 | counter_matvec_busy |" in page
    assert "| VOCAB | 300 | tokens that there are |" in page


def test_page_tells_of_counters_where_there_are_some():
    page = markdown(MAP, LAYOUT, ORIGIN)
    for at in Activity:
        assert f"| {at.word} | {at.value} | " in page
    without = markdown(register_map(), LAYOUT, ORIGIN)
    assert "## Counters" in page
    assert "ounter" not in without


class Registers:
    """Registers in memory; a run ends when CONTROL has been read `polls` times."""

    def __init__(self, polls=2):
        self.words = dict.fromkeys(
            (at for register in MAP.values() for at in register.words.values()), 0
        )
        self.words[MAP["VERSION"].offset] = VERSION
        self.polls, self.left = polls, 0
        self.written = []

    def read(self, offset):
        if offset == 0:
            word = 0b0001 if self.left else 0b0100
            self.left = max(0, self.left - 1)
            return word
        return self.words[offset]

    def write(self, offset, word):
        assert 0 <= word < 1 << 32
        assert offset in self.words
        self.written.append(offset)
        if offset == 0:
            self.left = self.polls
        else:
            self.words[offset] = word

    def driver(self):
        return driver_module().Driver(self.read, self.write)


def test_driver_has_every_field():
    module = driver_module()
    expected = {
        field.name: (register.offset, field.low, field.bits)
        for register in MAP.values()
        for field in register.fields
    }
    assert expected == module.FIELDS
    assert module.VERSION == VERSION
    for name, (value, _) in LAYOUT.by_name().items():
        assert getattr(module, name) == value


def test_driver_runs():
    registers = Registers()
    driver = registers.driver()
    driver.place(0x1_2345_6000)
    driver.start(5, 7)
    assert registers.written[-1] == 0
    assert not driver.idle
    words = MAP["CYCLES"].words
    registers.words[words["CYCLES_LOW"]], registers.words[words["CYCLES_HIGH"]] = 9, 3
    assert driver.wait(seconds=5, pause=0) == 3 << 32 | 9
    settings = [
        "image_address", "image_words", "prefix_words", "embedding_address",
        "embedding_stride", "embedding_words", "prompt_tokens", "new_tokens",
    ]  # fmt: skip
    expected = [0x1_2345_6000, 100, 10, 0x1_2345_7000, 24, 3, 5, 7]
    assert [driver.read(name) for name in settings] == expected
    registers.words[MAP["COUNTER_SCAN_INPUT"].offset] = 42
    assert driver.counters() == {"matvec": {"busy": 0}, "scan": {"input": 42}}


def test_driver_places_the_image_of_each_port():
    registers, written = register_map(ports=4), {}
    module = driver_module(registers, replace(LAYOUT, ports=4))
    driver = module.Driver(lambda offset: VERSION, written.__setitem__)
    driver.place(0x1000, 0x1_0000_0000, 0x3000, 0x4000)
    assert written[registers["IMAGE_ADDRESS"].offset] == 0x1000
    assert written[registers["EMBEDDING_ADDRESS"].offset] == 0x2000
    assert [written[registers[f"IMAGE_ADDRESS_{port}"].offset] for port in (1, 2, 3)] == [
        0, 0x3000, 0x4000
    ]  # fmt: skip
    assert written[registers["IMAGE_ADDRESS_1"].offset + 4] == 1
    message = "the image must have an address for each of 4 ports, not 1"
    with pytest.raises(ValueError, match=f"^{message}$"):
        driver.place(0x1000)


def test_page_tells_where_the_parts_of_the_image_belong():
    registers = register_map(ports=2)
    page = markdown(registers, replace(LAYOUT, ports=2), ORIGIN)
    assert "| image_address_1 |" in page
    assert "image.1.bin at IMAGE_ADDRESS_1" in page
    assert "m_axi_read_1" not in markdown(MAP, LAYOUT, ORIGIN)


def test_driver_reads_a_counter_that_moves_on():
    """The lower word wraps between two reads: neither half may be of another moment."""
    answers = iter([VERSION, 0xFFFF_FFFF, 1, 0, 2])
    driver = driver_module().Driver(lambda offset: next(answers), None)
    assert driver.read("cycles") == 2 << 32


def test_driver_over_a_buffer():
    memory = bytearray(4096)
    struct.pack_into("<I", memory, MAP["VERSION"].offset, VERSION)
    struct.pack_into("<I", memory, 0, 0b0100)
    driver = driver_module().Driver.over(memory)
    driver.write("image_address", 0x1_0000_2000)
    assert struct.unpack_from("<Q", memory, MAP["IMAGE_ADDRESS"].offset) == (0x1_0000_2000,)
    driver.start(1, 1)
    assert memory[0] == 1


def test_driver_packs_tokens():
    module = driver_module()
    octets = module.pack_tokens([1, 258, 299])
    assert octets == bytes([1, 0, 2, 1, 43, 1])
    assert module.unpack_tokens(octets) == [1, 258, 299]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (
            lambda driver: driver.place(100),
            ValueError,
            "the image must lie at a multiple of 4096, not at 0x64",
        ),
        (
            lambda driver: driver.start(0, 4),
            ValueError,
            "a run must have at least one token of prompt and one new token, not 0 and 4",
        ),
        (
            lambda driver: driver.write("new_tokens", 1 << 32),
            ValueError,
            "new_tokens must be 0 to 4294967295, not 4294967296",
        ),
        (
            lambda driver: driver.write("start", 1),
            ValueError,
            "start must be a field that is a whole register",
        ),
        (
            lambda driver: [driver.start(1, 1), driver.start(1, 1)],
            RuntimeError,
            "the accelerator must be idle to be started, but it runs",
        ),
        (
            lambda driver: [driver.start(1, 1), driver.wait(seconds=0)],
            TimeoutError,
            "the accelerator must be done in 0 s, but it runs",
        ),
    ],
)
def test_driver_refuses(act, error, message):
    driver = Registers(polls=9).driver()
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        act(driver)


@pytest.mark.parametrize(("status", "access"), [(0b01, "read"), (0b10, "write")])
def test_driver_tells_of_the_memory(status, access):
    registers = Registers()
    driver = registers.driver()
    registers.words[MAP["STATUS"].offset] = status
    message = f"the memory answered a {access} with an error; check the addresses"
    with pytest.raises(RuntimeError, match=f"^{message}$"):
        driver.wait()


def test_driver_refuses_another_map():
    message = "the accelerator's map must be version 0x10000, not 0x20000"
    with pytest.raises(RuntimeError, match=f"^{message}$"):
        driver_module().Driver(lambda offset: 0x2_0000, None)


def test_driver_refuses_a_token():
    with pytest.raises(ValueError, match=r"^a token must be 0 to 299, not 300$"):
        driver_module().pack_tokens([300])
