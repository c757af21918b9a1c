"""Design files: what is read, and what a mistake in one is told."""

import pytest

from codegen.designs import find_design, names
from models.design import Design, read_design
from models.errors import InputError
from models.networks.layer import layer_units
from models.precision import NAMED
from tests.networks.examples import GROUPED, PLAIN

GOOD = "lanes: 4\nmatvec: {rows: 4, columns: 4}\nscan: {channels: 1, states: 8}\n"
KEYS = f"a design has the keys {', '.join(Design.model_fields)}"
CORRECT = "correct it in the file, or override it like scan.states=8"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", names())
def test_designs_that_come_along_are_read(name):
    assert find_design(name).name == name


def test_precision_by_name_and_by_field(write):
    assert read_design(write(GOOD + "precision: w4a4")).precision == NAMED["w4a4"]
    spelled = read_design(write(GOOD + "precision: {weight_bits: 4, stream: s26f12}")).precision
    assert (spelled.weight_bits, str(spelled.stream)) == (4, "s26f12")


def test_overrides(write):
    design = read_design(write(GOOD + "precision: w4a4"), ("scan.states=2", "precision.group=4"))
    assert (design.scan.states, design.precision.group) == (2, 4)
    assert design.precision.weight_bits == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7", f" must be a mapping of design keys, not 7; {KEYS}"),
        ("", f" must be a mapping of design keys, not None; {KEYS}"),
        (GOOD.replace("lanes", "lane"), f": lanes must be given; lane must not be there; {KEYS}"),
        (GOOD.replace("rows", "row"), ": matvec.rows must be given; matvec.row must not be there; "
         "matvec has the keys rows, columns"),
        (GOOD.replace("lanes: 4", "lanes: 0"), f": lanes must be at least 1, not 0; {CORRECT}"),
        (GOOD.replace("lanes: 4", "lanes: '4'"), f": lanes must be an integer, not '4'; {CORRECT}"),
        (GOOD.replace("lanes: 4", "lanes: 4.0"), f": lanes must be an integer, not 4.0; {CORRECT}"),
        (GOOD.replace("lanes: 4", "lanes: yes"),
         f": lanes must be an integer, not True; {CORRECT}"),
        (GOOD + "name: 3", f": name must be a text, not 3; {CORRECT}"),
        (GOOD + "counters: 1", f": counters must be true or false, not 1; {CORRECT}"),
        (GOOD + "device: 85", f": device must be a text, not 85; {CORRECT}"),
        (GOOD + "clock_hz: 400", f": clock_hz must be at least 1000000.0, not 400; {CORRECT}"),
        (GOOD + "clock_hz: 2.0e+9", ": clock_hz must be at most 1000000000.0, not 2000000000.0; "
         f"{CORRECT}"),
        (GOOD + "memory: {prefetch: 4294967296}", ": memory.prefetch must be at most 1048576, not "
         f"4294967296; {CORRECT}"),
        (GOOD + "memory: {burst: 64.0, port_bits: '64'}", ": memory.port_bits must be an integer, "
         f"not '64'; memory.burst must be an integer, not 64.0; {CORRECT}"),
        (GOOD + "memory: {ports: 3}", f": memory.ports must be a power of two, not 3; {CORRECT}"),
        (GOOD + "memory: {ports: 0}", f": memory.ports must be at least 1, not 0; {CORRECT}"),
        (GOOD + "memory: {ports: 64}", f": memory.ports must be at most 32, not 64; {CORRECT}"),
        (GOOD + "clock_hz: fast", f": clock_hz must be a number, not 'fast'; {CORRECT}"),
        (GOOD.replace("{rows: 4, columns: 4}", "4"),
         f": matvec must be a mapping, not 4; {CORRECT}"),
        (GOOD + "precision: w3a3", ": precision must be one of w8a8, w4a8, w4a4 or a mapping, "
         f"not 'w3a3'; {CORRECT}"),
        (GOOD + "precision: {stream: s8}", ": precision.stream: format must look like 's8f4' or "
         f"'u16f15', not 's8'; {CORRECT}"),
        (GOOD + "precision: {weight_bits: 9, weight_scale: float}", ": precision.weight_bits must "
         "be at most 8, not 9; precision.weight_scale must be 'pot', 'pot2' or 'mantissa', "
         f"not 'float'; {CORRECT}"),
        (GOOD + "order: mixed", ": order must be 'interleaved' or 'naive', not 'mixed'; "
         f"{CORRECT}"),
    ],
)  # fmt: skip
def test_names_the_mistake(write, text, message):
    path = write(text)
    assert refusal(path) == f"{path}{message}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"lanes: [", "while parsing a flow node expected the node content"),
        (b"lanes: \x00", "unacceptable character #x0000"),
        (b"lanes: !!python/object:os.system x", "could not determine a constructor for the tag"),
        (b"name: 2024-13-45", "month must be in 1..12"),
        (b"[" * 5000, "nested too deeply; mend the YAML"),
    ],
)
def test_names_what_is_no_yaml(write, text, problem):
    path = write("")
    path.write_bytes(text)
    assert refusal(path).startswith(f"{path} must be YAML, not with an error: {problem}")


def test_names_what_is_no_text(write):
    path = write("")
    path.write_bytes(b"lanes: \xff")
    message = "must be a readable text file, not one with the byte 0xff at 7; check the path"
    assert refusal(path) == f"{path} {message}"
    message = "must be a readable text file, not 'Is a directory'; check the path"
    assert refusal(path.parent) == f"{path.parent} {message}"
    path.unlink()
    message = "must be a readable text file, not missing; check the path"
    assert refusal(path) == f"{path} {message}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("scan", "override 'scan' must look like key=value; e.g. scan.states=8"),
        ("=8", "override '=8' must look like key=value; e.g. scan.states=8"),
        ("lanes.x=1", f"override 'lanes.x=1' must name a key of a mapping, but lanes is 4; {KEYS}"),
        ("lanes=[", "override 'lanes=[' must be YAML, not with an error: while parsing a flow node "
         "expected the node content, but found '<stream end>' in \"<unicode string>\", line 1, "
         "column 2: [ ^; mend the YAML"),
        ("lanes=true", f"mine.yaml with lanes=true: lanes must be an integer, not True; {CORRECT}"),
    ],
)  # fmt: skip
def test_names_the_wrong_override(write, override, message):
    assert refusal(write(GOOD), override).endswith(message)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stream=u24f12", "precision.stream must be signed, such as s24f12, not u24f12"),
        ("delta=s22f18", "precision.delta must be unsigned, such as u22f18, not s22f18"),
        ("group=12", "precision.group must be a power of two, not 12"),
        ("stream=s63f12", "precision.stream: format width must be an integer in 1..62, not 63"),
        ("tap=s4f3", "precision: tap_bits must be at most the 4 bits of tap = s4f3, not 8"),
        ("scan_bits=16", None),
        ("state=s12f4", None),
        ("activated=s7f4", "precision: scan_bits must be at most the 7 bits of activated = s7f4, "
         "not 8"),
        ("stream=s24f2", "precision: stream must have at least 3 fractional bits, not 2"),
        ("delta=u43f18", "precision: delta and rate must have at most 62 bits together, not 63"),
        ("embedding=s25f12", "precision: embedding must fit the stream, which is s24f12, "
         "not s25f12"),
        ("embedding=s24f12", None),
        ("embedding=s25f13", "precision: embedding must fit the stream, which is s24f12, "
         "not s25f13"),  # its largest code rounds up, past the stream's
    ],
)  # fmt: skip
def test_refuses_formats_that_contradict_each_other(write, override, message):
    path, override = write(GOOD), f"precision.{override}"
    if message is None:
        read_design(path, (override,))
    else:
        assert refusal(path, override) == f"{path} with {override}: {message}; {CORRECT}"


def refusal(path, *overrides):
    with pytest.raises(InputError) as refused:
        read_design(path, overrides)
    return str(refused.value)


@pytest.mark.parametrize(
    ("design", "way_out"),
    [
        ("huge", "give one of them"),
        ("mine.txt", "give one of them"),
        ("scan.states=4", "name the design before its overrides: tiny scan.states=4"),
    ],
)
def test_names_a_design_that_is_not_there(design, way_out):
    with pytest.raises(InputError) as refused:
        find_design(design)
    rule = f"must be a file *.yaml or one of {', '.join(names())}"
    assert str(refused.value) == f"design {design!r} {rule}; {way_out}"


CHOOSE = "choose another design or network"


@pytest.mark.parametrize(
    ("shape", "overrides", "message"),
    [
        (PLAIN, ["lanes=3"], f"lanes must be a power of two, not 3; {CHOOSE}"),
        (GROUPED, ["lanes=32", "matvec.rows=32", "matvec.columns=32"],
         f"lanes must divide d_model = 48, not 32; use 16 or a smaller power of two, or {CHOOSE}"),
        (PLAIN, ["matvec.rows=2"], "matvec.rows must be a multiple of lanes = 4 and at most "
         f"in_proj's 164 rows, not 2; {CHOOSE}"),
        (PLAIN, ["matvec.rows=1000000"], "matvec.rows must be a multiple of lanes = 4 and at "
         f"most in_proj's 164 rows, not 1000000; {CHOOSE}"),
        (PLAIN, ["matvec.columns=3"], f"matvec.columns must be a power of two, not 3; {CHOOSE}"),
        (PLAIN, ["matvec.columns=64"], "matvec.columns must divide d_model = 32, not 64; "
         f"use 32 or a smaller power of two, or {CHOOSE}"),
        (PLAIN, ["scan.channels=8"], "scan.channels must divide lanes = 4, not 8; "
         f"use 4 or a smaller power of two, or {CHOOSE}"),
        (PLAIN, ["scan.states=32"], "scan.states must divide state = 16, not 32; "
         f"use 16 or a smaller power of two, or {CHOOSE}"),
        (PLAIN, ["precision.group=32"],
         f"discretize head_dim must be whole groups of 32, not 16; {CHOOSE}"),
        (PLAIN, ["precision.stream=s40f12"], "norm sum of 64 squares of s40f12 must fit 62 bits, "
         f"not 86; use a narrower input format, or {CHOOSE}"),
        (PLAIN, ["precision.stream=s28f20"], "norm epsilon times 64 channels must fit u28f40, "
         f"not 703687442; give precision.stream more bits before the point, or {CHOOSE}"),
        (PLAIN, ["precision.state=s50f16"], "scan decay * h + drive * B of b8g8 of s50f16, "
         "b8g8 of s34f22 and b8g8 of s20f12 must fit 62 bits, not 69; "
         f"use narrower source formats, or {CHOOSE}"),
    ],
)  # fmt: skip
def test_refuses_a_design_that_does_not_fit(write, shape, overrides, message):
    design = read_design(write(GOOD), tuple(overrides))
    with pytest.raises(InputError) as refused:
        layer_units(shape, design)
    assert str(refused.value) == f"design mine: {message}"
