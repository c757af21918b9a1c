"""Calibration: factors that bring modelled LUTs, flip-flops and DSPs to what a vendor's tool found.

A YAML file of the user's; `puffadder calibrate` makes one from a report of Vivado.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hwsim.devices.families import FamilyName
from models.documents import check, read_mapping
from models.errors import InputError

Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Calibration(BaseModel):
    """What to multiply modelled counts by, on chips of a family, and where that is from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    family: FamilyName | None = None
    """Without it, any."""
    lut: Factor = 1.0
    ff: Factor = 1.0
    dsp: Factor = 1.0


def read_calibration(path: Path) -> Calibration:
    """The calibration in the YAML file `path`.

    Raises InputError naming the file, the key and the rule of everything wrong in it.
    """
    raw = read_mapping(path, Calibration, "calibration")
    way_out = "make the file with `puffadder calibrate`"
    return check(Calibration, raw, f"{path}", "calibration", way_out)


def require_family(calibration: Calibration, family: FamilyName) -> None:
    """Raises InputError for a calibration on chips of another family."""
    if calibration.family not in (None, family):
        raise InputError(
            f"calibration {calibration.source}: family",
            f"must be {family} as the board's, not {calibration.family}",
            "calibrate with a report of such a chip, or name a board with one",
        )
