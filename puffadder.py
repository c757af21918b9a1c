"""The command line: arguments, then one call."""

import errno
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from models.errors import InputError

MISMATCH, REFUSED, FAULT = 1, 2, 3
PACKAGES = ("codegen", "hwsim", "models", "reports", "rtl")
WAYS_OUT = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "name a folder",
    errno.EISDIR: "name a file",
    errno.EEXIST: "name another path",
    errno.EACCES: "change its permissions, or name another path",
    errno.EPERM: "change its permissions, or name another path",
    errno.EROFS: "name a path on another file system",
    errno.ENOSPC: "make room on the disk, or name a path on another",
    errno.EDQUOT: "make room within the quota, or name a path on another disk",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog=(
        "Exit codes: 0 done and equal, 1 a mismatch between hardware and reference, 2 wrong input "
        "or something missing on this machine, 3 a fault of puffadder's own."
    ),
)


@app.callback()
def puffadder() -> None:
    """From a Mamba checkpoint and a design file to a verified FPGA accelerator.

    puffadder quantizes the network with powers of two, generates hardware for it, and proves in
    simulation that the hardware computes, code for code, what the integer reference computes.

    A **model** is a folder with config.json and *.safetensors as transformers saves it, or one
    that puffadder quantize has written.
    A **design** is a YAML file that says how much hardware to use and in which formats.

    Start with **puffadder doctor**, which tells whether this machine has what is needed.
    Every command explains itself: **puffadder COMMAND --help**.
    """


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Tell what is installed, what is missing, and how to get it.

    Exits with 0 when everything required is there, with 2 otherwise.
    """
    from reports.doctor import examine

    health = examine()
    typer.echo(health.to_json() if as_json else health.to_text())
    raise typer.Exit(0 if health.healthy else REFUSED)


Model = Annotated[
    str, typer.Argument(help="Folder of a checkpoint; `bundled` for the one that comes along.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def run(
    model: Model,
    design: Annotated[
        str, typer.Argument(help="A YAML file, or the name of a design that comes along.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changes to the design: `scan.states=4`.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="The text to continue.")] = "The ",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to generate.")] = 8,
    out: Annotated[Path, typer.Option(help="Folder for what is generated and found.")] = Path(
        "build/run"
    ),
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Let the generated hardware continue a text, and compare every logit code.

    Quantizes the network to nearest codes (one that puffadder quantize has written is taken as it
    is, in its own precision), generates the accelerator (accelerator.v) and its memory image
    (image.bin), runs both in Verilator, and compares each token and all of its logits with the
    integer network; report.json has the result, report.html shows it, and trace.json, for
    ui.perfetto.dev, has one token cycle by cycle. Exits with 0 when all codes are equal, with 1
    otherwise.

    Example: **puffadder run bundled tiny --prompt "The for statement" --tokens 8**
    """
    from reports.run import run as run_network

    show = _told(quiet)
    report = run_network(model, design, tuple(overrides or ()), prompt, tokens, out, show)
    typer.echo(report.to_json() if as_json else report.to_text())
    raise typer.Exit(0 if report.equal else MISMATCH)


@app.command()
def generate(
    model: Model,
    design: Annotated[
        str, typer.Argument(help="A YAML file, or the name of a design that comes along.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changes to the design: `scan.states=4`.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("build/ip"),
    clock_hz: Annotated[
        float | None, typer.Option(help="Clock for the constraint, in Hz; otherwise the design's.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write the accelerator as an IP package: Verilog, memory image, registers, vendor files.

    The Verilog holds no weights, image.bin does; manifest.json, written last, has the hash of
    every file. There are a C header, a Python driver and a page for the registers, a file list, a
    FuseSoC core, a Tcl script that packages the IP in Vivado, and a clock constraint.

    Example: **puffadder generate bundled tiny --out ip --clock-hz 250e6**
    """
    from reports.generate import generate as generate_package

    show = _told(quiet)
    made = generate_package(
        model, design, tuple(overrides or ()), out, show=show, clock_hz=clock_hz
    )
    typer.echo(made.to_json() if as_json else made.to_text())


@app.command()
def estimate(
    model: Annotated[
        str,
        typer.Argument(
            help="Folder of a checkpoint, `bundled`, or a published shape: `mamba2-2.7b`."
        ),
    ],
    design: Annotated[
        str, typer.Argument(help="A YAML file, or the name of a design that comes along.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Changes to the design: `scan.states=4`, `device=u280`."),
    ] = None,
    tokens: Annotated[
        int, typer.Option(min=1, max=1000, help="Tokens to predict; the last is told.")
    ] = 2,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Factors for LUTs, registers and DSPs, as `puffadder calibrate` writes."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Step through every cycle, however many there are.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Predict cycles, tokens per second, memory and logic on chip, without generating hardware.

    Tells what a token takes: its cycles, what bounds them (the port, the multipliers or the scan),
    what each unit is at meanwhile, the bytes that move, the memory blocks of the design's board,
    its joules, and each unit's LUTs, registers and DSPs. No weights are read. Every number says how
    it is known: modelled, assumed, or cited.

    The cycles are those of the engine that `puffadder run` is compared with. In a large network it
    leaps over what repeats, tiles of a matrix and layers, and says what share it stepped through;
    `--exact` steps through every cycle.

    Example: **puffadder estimate mamba2-2.7b lightmamba-vck190 state.placement=memory**
    """
    from reports.estimate import estimate as estimate_design

    given = tuple(overrides or ())
    told = estimate_design(model, design, given, tokens, _told(quiet), calibration, exact)
    typer.echo(told.to_json() if as_json else told.to_text())


@app.command()
def clock(
    model: Annotated[str, typer.Argument(help="As for `estimate`.")],
    design: Annotated[str, typer.Argument(help="A YAML file, or the name of a design.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changes to the design: `scan.states=4`.")
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="Only this unit; may be given several times.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Place and route each unit on an ECP5: the clock that it reaches, and its slowest path.

    Yosys and nextpnr map each unit alone to the chip of the board ULX3S-85F: a few seconds for a
    small unit, a minute or two for a large one, and none for one that the chip does not hold.

    Example: **puffadder clock bundled ecp5 --unit norm --unit residual**
    """
    from reports.clock import clocks

    told = clocks(model, design, tuple(overrides or ()), unit or (), _told(quiet))
    typer.echo(told.to_json() if as_json else told.to_text())


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(help="What was synthesized: as for `estimate`.")],
    design: Annotated[str, typer.Argument(help="A YAML file, or the name of a design.")],
    report: Annotated[Path, typer.Argument(help="Text of Vivado's `report_utilization`.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changes to the design: `device=u280`.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The YAML file to write.")] = Path("calibration.yaml"),
) -> None:
    """Compare modelled LUTs, registers and DSPs with what Vivado found, and keep the factors.

    The report is that of the accelerator alone, or one with `-hierarchical`, where the instance of
    module `accelerator` is taken. `puffadder estimate` multiplies by them with `--calibration`.

    Example: **puffadder calibrate mamba2-130m tiny utilization.rpt device=zcu104**
    """
    from reports.calibration import calibrate as calibrate_design

    typer.echo(calibrate_design(model, design, tuple(overrides or ()), report, out))


@app.command()
def explore(
    space: Annotated[
        str, typer.Argument(help="A YAML file, or the name of a space that comes along.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for what is found.")] = Path("build/explore"),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: as many as there are cores]")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, whose workers do the work.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find the best designs among millions: which one for this network on this board, and why.

    A space names networks, a base design, knobs (keys of a design file, each with its values),
    objectives and constraints. Every point is screened by the closed form of the cycles and the
    models of memory and logic; the engine then predicts the first designs of the front, and Yosys
    and Verilator try the best of these, as many as the space says. What each stage says of the one
    before is printed.

    Leaves front.csv, winner.yaml (the best design's file), explore.json, explore.html with its
    figures as SVG and, where chromium is installed, PNG in figures/, and results.sqlite with
    everything that was computed: nothing of it is computed again for the same base and knobs, also
    after the command was killed.

    Example: **puffadder explore vck190 --out build/explore**
    """
    from reports.explore import explore as explore_space
    from reports.explore import to_json, to_text

    found = explore_space(
        space, out, workers=workers, scheduler=scheduler, pictures=True, show=_told(quiet)
    )
    typer.echo(to_json(found) if as_json else to_text(found))
    raise typer.Exit(0 if found.equal else MISMATCH)


@app.command()
def why(
    space: Annotated[str, typer.Argument(help="As for `explore`.")],
    values: Annotated[
        list[str] | None, typer.Argument(help="Values of the space's knobs: `lanes=4`.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of what `explore` has found, or will find.")
    ] = Path("build/explore"),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: as many as there are cores]")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Tell why designs of a space are, or are not, on its front.

    Of all points that have the given values: how many are on the front and how many each rule,
    constraint or better design removes; and the point that comes nearest, with its measures, what
    it does not keep, and which point of the front is as good in every objective. The front is that
    of `puffadder explore`, and is computed first where its folder does not have it.

    Example: **puffadder why vck190 matvec.rows=64 state.placement=chip**
    """
    from reports.explore import why as why_not

    told = why_not(space, values or (), out, workers=workers, show=_told(quiet))
    typer.echo(told.to_json() if as_json else told.to_text())


@app.command()
def layer(
    model: Model = "bundled",
    design: Annotated[
        str, typer.Argument(help="A YAML file, or the name of a design that comes along.")
    ] = "tiny",
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changes to the design: `scan.states=4`.")
    ] = None,
    index: Annotated[int, typer.Option(help="Which layer, from 0.")] = 0,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of the text to run.")] = 16,
    text: Annotated[
        Path | None, typer.Option(help="File with the text; held-out documentation otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Generate one layer of a network, run it in Verilator, and compare every output code.

    Exits with 0 when all codes equal those of the integer network, with 1 otherwise.

    Example: **puffadder layer bundled tiny precision=w8a8 matvec.rows=8 --tokens 64**
    """
    from reports.layer import report_layer

    with _working("simulating a layer; a new one is compiled for about a minute"):
        report = report_layer(model, design, tuple(overrides or ()), index, tokens, text)
    typer.echo(report.to_json() if as_json else report.to_text())
    raise typer.Exit(MISMATCH if report.mismatches else 0)


@app.command()
def accuracy(
    model: Model = "bundled",
    text: Annotated[
        Path | None, typer.Option(help="File with the text; held-out documentation otherwise.")
    ] = None,
    window: Annotated[int, typer.Option(min=2, help="Tokens of a sequence.")] = 512,
    sequences: Annotated[
        int | None, typer.Option(min=1, help="Sequences to read; the whole text otherwise.")
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="Recipe, name or file; give several. [default: rtn]"),
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="w8a8, w4a8 or w4a4; give several. [default: all]")
    ] = None,
    scan_bits: Annotated[
        list[int] | None, typer.Option(help="Bits inside the scan; give several. [default: 8]")
    ] = None,
    stress: Annotated[
        float, typer.Option(min=0, max=1, help="Give the network outliers as large ones have.")
    ] = 0.0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for accuracy.json and accuracy.html; else none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well the quantized networks predict text, against the float oracle.

    Prints nats per token, perplexity, its ratio to the oracle's, the Kullback-Leibler divergence
    from the oracle, what narrowing the inputs of in_proj and out_proj costs (squared error of the
    output over its square), and tokens per second on this machine.

    With --out, accuracy.json has all of it, and accuracy.html shows it: the losses, the errors of
    every matrix and tensor, and how the inputs are distributed before and after each recipe.

    Example: **puffadder accuracy bundled --recipe lightmamba --recipe puffadder --precision w4a4**
    """
    from models.precision import NAMED
    from reports.accuracy import measure

    with _working("reading the text with each network; all of it takes some minutes"):
        table = measure(
            model, text, window, sequences, recipe or ["rtn"], precision or tuple(NAMED), stress,
            scan_bits or [8], out,
        )  # fmt: skip
    typer.echo(table.to_json() if as_json else table.to_text())


@app.command()
def certify(
    model: Model = "bundled",
    text: Annotated[
        Path | None, typer.Option(help="File with the text; held-out documentation otherwise.")
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to read.")] = 512,
    recipe: Annotated[str, typer.Option(help="Recipe, name or file.")] = "rtn",
    precision: Annotated[str, typer.Option(help="w8a8, w4a8 or w4a4.")] = "w8a8",
    as_json: AsJson = False,
) -> None:
    """Bound the rounding error of the scan's state, layer by layer.

    The bound is propagated beside the state, element by element, and never exceeded; the static one
    follows from the largest decay and holds for any longer text with no larger decay and no larger
    state.

    Example: **puffadder certify bundled --tokens 512**
    """
    from reports.certificate import certificates

    with _working("reading the text"):
        table = certificates(model, text, tokens, recipe, precision)
    typer.echo(table.to_json() if as_json else table.to_text())


@app.command()
def quantize(
    model: Model,
    recipe: Annotated[str, typer.Option(help="Recipe, by name or as a YAML file.")] = "puffadder",
    precision: Annotated[str, typer.Option(help="w8a8, w4a8 or w4a4.")] = "w4a4",
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("build/quantized"),
    text: Annotated[
        Path | None,
        typer.Option(help="File to calibrate on; the bundled training topics otherwise."),
    ] = None,
    window: Annotated[int, typer.Option(min=2, help="Bytes of a calibration sequence.")] = 512,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Quantize a network by a recipe, and write the integers: a checkpoint for puffadder run.

    Writes model.safetensors, with every code in the smallest type, and puffadder.json, a manifest
    with the shape, all formats, the recipe, and the hashes of the float weights and of the file.
    The same input gives the same bytes. The folder is a MODEL for run, generate, estimate and
    layer, which then use its precision in place of the design's.

    Example: **puffadder quantize bundled --recipe smoothquant --precision w4a4 --out integers**
    """
    from reports.quantize import quantize as quantize_checkpoint

    made = quantize_checkpoint(model, recipe, precision, out, text, window, _told(quiet))
    typer.echo(made.to_json() if as_json else made.to_text())


@app.command()
def validate(
    pairs: Annotated[int, typer.Option(min=1, help="Pairs to draw.")] = 24,
    seed: Annotated[int, typer.Option(help="What they are drawn from.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("build/validation"),
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure the engine's prediction against generated hardware, over random pairs.

    Draws pairs of a network's shape and a design, runs each in Verilator with the memory in the
    loop, and compares all codes, all cycles, and every activity of every unit. Writes
    validation.json and validation.md, the worst first. A pair takes about a minute. Exits with 0
    when all codes are equal and all errors as small as promised (1 % of the cycles, 2 % for an
    activity), with 1 otherwise.

    Example: **puffadder validate --pairs 3 --seed 7**
    """
    from reports.validate import validate as validate_pairs

    validation = validate_pairs(pairs, seed, out, _told(quiet))
    typer.echo(validation.to_json() if as_json else validation.to_markdown())
    raise typer.Exit(0 if validation.holds else MISMATCH)


@app.command()
def bench(
    networks: Annotated[
        list[str] | None,
        typer.Argument(help="Published shapes, `mamba2-130m`. [default: all that fit the memory]"),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="fp32, w8a8, w4a8 or w4a4; give several. [default: fp32, w8a8, w4a4]"),
    ] = None,
    work: Annotated[
        list[str] | None,
        typer.Option(help="decode, prefill, scan or kernels; several. [default: all]"),
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Give several. [default: 1, and all cores]")
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens that prefill reads.")] = 512,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of each.")] = 7,
    quick: Annotated[
        bool, typer.Option("--quick", help="mamba2-130m, decode, all cores, 3 repeats.")
    ] = False,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="`torch`, or a command that prints tokens/s; give several."),
    ] = None,
    watts: Annotated[
        float | None,
        typer.Option(min=0, help="Of a core, where its counters are not told. [default: 5]"),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(help="Design, with changes behind, to put beside the CPU; give several."),
    ] = None,
    board_watts: Annotated[
        float | None, typer.Option(min=0, help="Assumed power of the boards of these designs.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for bench.json and bench.html.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure kernels on this CPU: tokens per second, against what the machine can do at most.

    Networks have published shapes and random weights, in float32 and as integers whose codes are
    those of the hardware. What the machine reads and multiplies at most is measured in turns with
    them, so that shares are of the same moments. Prefill is in float32 alone.

    Example: **puffadder bench mamba2-130m --compare torch --beside lightmamba-vck190 --out bench**
    """
    from reports.bench import FLOAT, WATTS_PER_CORE, WORKS
    from reports.bench import bench as measure_bench
    from reports.limits import cores

    counts = threads or ([cores()] if quick else sorted({1, cores()}))
    found = measure_bench(
        networks or (["mamba2-130m"] if quick else []),
        precision or [FLOAT, "w8a8", "w4a4"],
        work or (["decode"] if quick else WORKS),
        counts, tokens, 3 if quick else repeats, compare or [],
        WATTS_PER_CORE if watts is None else watts, beside or [],
        board_watts, out,
        _told(quiet),
    )  # fmt: skip
    typer.echo(found.to_json() if as_json else found.to_text())
    raise typer.Exit(MISMATCH if found.slower else 0)


@app.command()
def reproduce(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page that is kept as reproduce.md.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the model of published accelerators with what their papers measured.

    Tokens/s, watts and tokens/J of LightMamba, FastMamba, LowRank-SSM, FlightLLM and the rooflines
    of GPUs, from the inputs in hwsim/published alone: paper, model, difference, and why. Beside
    them puffadder's own design of about as much parallelism, with its LM head. Inputs that are
    derived or assumed are named, and so is what the energy model was fitted on.

    Example: **puffadder reproduce --json**
    """
    from reports.reproduce import reproduce as reproduce_all

    found = reproduce_all()
    text = found.to_markdown() if markdown else found.to_text()
    typer.echo(found.to_json() if as_json else text, nl=not markdown or as_json)


def _working(what: str) -> AbstractContextManager[object]:
    """Says on a terminal's standard error what is being waited for; nothing elsewhere."""
    return Console(stderr=True).status(what)


def main() -> None:
    """Run the command line; the user's mistakes and the machine's limits end in a message."""
    try:
        app()
    except InputError as error:
        _stop(str(error), REFUSED)
    except OSError as error:
        if error.errno not in WAYS_OUT:
            _fault()
        thing = error.filename or "puffadder"
        _stop(f"{thing}: {error.strerror}; {WAYS_OUT[error.errno]}", REFUSED)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing in PACKAGES:
            _fault()
        way_out = "run `.venv/bin/pip install -e .`, then `puffadder doctor`"
        _stop(f"Python package {missing} must be installed, but is not; {way_out}", REFUSED)
    except Exception:
        _fault()


def _told(quiet: bool) -> Callable[[str], None]:
    """Takes lines of progress: for standard error, or for nobody."""
    return (lambda line: None) if quiet else (lambda line: typer.echo(line, err=True))


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(code)


def _fault() -> NoReturn:
    """End with a traceback, and not with the exit code of a mismatch as Python would."""
    traceback.print_exc()
    sys.exit(FAULT)


if __name__ == "__main__":
    main()
