"""Calibration: Vivado's reports are read, flat and hierarchical, and what is malformed is told."""

import re

import pytest

from codegen.designs import find_design
from hwsim.logic import Logic, logic, total
from hwsim.logic.calibration import read_calibration
from models.errors import InputError
from models.networks.machine import machine_config
from reports.calibration import WAY_OUT, calibrate, read_utilization
from reports.energy import design_energy
from reports.estimate import estimate, shape_of

FLAT = """\
| Site Type                  |  Used  | Fixed | Prohibited | Available | Util% |
+----------------------------+--------+-------+------------+-----------+-------+
| {luts}                  | {lut} |     0 |          0 |    230400 | 46.44 |
|   LUT as Logic             | 100000 |     0 |          0 |    230400 | 43.40 |
| {ffs}              |  90001 |     0 |          0 |    460800 | 19.53 |
| CLB LUTs*                  |      7 |     0 |          0 |    230400 | 46.44 |
| Block RAM Tile             |  155.5 |     0 |          0 |       312 | 49.84 |
| {dsps}                       |    228 |     0 |          0 |      1728 | 13.19 |
"""
DEEP = """\
+---------------+-------------+------------+------------+---------+------+-------+--------+-------+
| Instance      | Module      | Total LUTs | Logic LUTs | LUTRAMs | SRLs | FFs   | RAMB36 | {dsp} |
+---------------+-------------+------------+------------+---------+------+-------+--------+-------+
| top           | (top)       |      99999 |      99990 |       9 |    0 | 88888 |      9 |   999 |
|   inst        | accelerator |      12345 |      12000 |     345 |    0 | 23456 |     10 |    87 |
|     (inst)    | accelerator |          1 |          1 |       0 |    0 |     2 |      0 |     3 |
"""


def written(folder, text):
    path = folder / "utilization.rpt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("luts", "ffs", "dsps"),
    [
        ("CLB LUTs*", "CLB Registers", "DSPs"),
        ("Slice LUTs", "Slice Registers", "DSPs"),
        ("CLB LUTs", "Registers", "DSP Slices"),
    ],
)
def test_flat_reports(tmp_path, luts, ffs, dsps):
    text = FLAT.format(luts=luts, ffs=ffs, dsps=dsps, lut=107000)
    found = read_utilization(written(tmp_path, text))
    assert (found.lut, found.ff, found.dsp) == (107000, 90001, 228)


@pytest.mark.parametrize("dsp", ["DSP Blocks", "DSP48 Blocks"])
def test_the_accelerator_of_a_hierarchical_report(tmp_path, dsp):
    found = read_utilization(written(tmp_path, DEEP.format(dsp=dsp)))
    assert (found.lut, found.ff, found.dsp) == (12345, 23456, 87)


def test_factors_are_kept_and_estimates_use_them(tmp_path):
    out = tmp_path / "factors.yaml"
    report = written(tmp_path, DEEP.format(dsp="DSP Blocks"))
    told = calibrate("bundled", "tiny", ("device=zcu104",), report, out)
    design = find_design("tiny", ("device=zcu104",))
    before = total(logic(machine_config(shape_of("bundled"), design), "ultrascale_plus"))
    factors = read_calibration(out)
    assert factors.lut == pytest.approx(12345 / before.lut, rel=1e-3)
    assert factors.source == "utilization.rpt, bundled on design tiny"
    assert "12,345" in told
    assert f"{before.lut:,}" in told
    after = estimate("bundled", "tiny", ("device=zcu104",), calibration=out)
    assert after.logic.total == Logic(12345, 23456, after.logic.total.dsp)

    plain = estimate("bundled", "tiny", ("device=zcu104",))
    clocked = energy_of(plain, factors).clock - energy_of(plain).clock
    assert energy_of(plain, factors).clock == pytest.approx(
        energy_of(plain).clock * factors.ff, rel=1e-3
    )
    assert joules(after) - joules(plain) == pytest.approx(clocked)


def energy_of(estimated, calibration=None):
    """Energy of a token that moves nothing."""
    machine = machine_config(estimated.shape, estimated.design)
    cycles, clock = (estimated.numbers[name].value for name in ("cycles_per_token", "clock_hz"))
    return design_energy(machine, estimated.device, cycles, clock, 0.0, calibration)


def joules(estimated):
    return estimated.numbers["joules_per_token"].value


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must have rows for CLB LUTs, CLB Registers, DSPs"),
        ("| CLB LUTs | 1 |\n| CLB Registers | 2 |\n", "must have rows for DSPs"),
        (FLAT.format(luts="CLB LUTs", ffs="CLB Registers", dsps="DSPs", lut="many"),
         ": lut must be a number, not 'many'"),
        (DEEP.format(dsp="Nothing"), "must have rows for DSPs"),
    ],
)  # fmt: skip
def test_malformed_reports(tmp_path, text, rule):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as told:
        read_utilization(path)
    assert rule in str(told.value)
    assert str(told.value).startswith(f"{path}")
    assert str(told.value).endswith(f"; {WAY_OUT}")


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(InputError, match="must be a text that can be read: No such file"):
        read_utilization(tmp_path / "none.rpt")
    binary = tmp_path / "binary.rpt"
    binary.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="must be a text that can be read"):
        read_utilization(binary)


def test_a_report_of_an_empty_design_is_refused(tmp_path):
    text = FLAT.format(luts="CLB LUTs", ffs="CLB Registers", dsps="DSPs", lut=0)
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=re.escape(f"{path}: lut must be more than 0 where")):
        calibrate("bundled", "tiny", (), path, tmp_path / "factors.yaml")
    assert not (tmp_path / "factors.yaml").exists()


def test_factors_far_from_1_are_kept(tmp_path):
    out, text = tmp_path / "factors.yaml", FLAT.format(luts="CLB LUTs", ffs="CLB Registers",
                                                       dsps="DSPs", lut=1)  # fmt: skip
    calibrate("bundled", "tiny", (), written(tmp_path, text), out)
    assert 0 < read_calibration(out).lut < 1e-3


def test_a_wrong_calibration_is_told(tmp_path):
    path = tmp_path / "factors.yaml"
    path.write_text("source: mine\nlut: 0\nclb: 3\n")
    with pytest.raises(InputError, match=r"lut must be more than 0"):
        read_calibration(path)


@pytest.mark.parametrize("told", ["xczu7ev-ffvc1156-2-e", "zu7ev-ffvc1156-2-e", ""])
def test_a_report_of_the_boards_chip_is_read(told, tmp_path):
    report = written(tmp_path, f"| Device : {told}\n" * bool(told) + DEEP.format(dsp="DSPs"))
    calibrate("bundled", "tiny", ("device=zcu104",), report, tmp_path / "factors.yaml")


def test_a_report_of_another_chip_is_refused(tmp_path):
    text = "| Device       : xck26-sfvc784-2LV-c\n" + DEEP.format(dsp="DSPs")
    report, out = written(tmp_path, text), tmp_path / "factors.yaml"
    with pytest.raises(InputError) as refused:
        calibrate("bundled", "tiny", ("device=vck190",), report, out)
    assert str(refused.value) == (
        f"{report}: Device must be of XCVC1902 as the board's, not xck26-sfvc784-2LV-c; "
        "name the board that it is of: `device=kv260`"
    )
    assert not out.exists()


def test_factors_of_another_family_are_refused(tmp_path):
    out = tmp_path / "factors.yaml"
    report = written(tmp_path, DEEP.format(dsp="DSPs"))
    calibrate("bundled", "tiny", ("device=zcu104",), report, out)
    estimate("bundled", "tiny", ("device=kv260",), calibration=out)
    with pytest.raises(InputError) as refused:
        estimate("bundled", "tiny", ("device=vck190",), calibration=out)
    assert str(refused.value) == (
        "calibration utilization.rpt, bundled on design tiny: family must be versal as the "
        "board's, not ultrascale_plus; calibrate with a report of such a chip, or name a board "
        "with one"
    )
