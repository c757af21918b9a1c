"""The fit of the energy model's two coefficients to the power of published designs.

Power is linear in both: least squares of the relative errors, at the speeds that the papers
measured, so that no error of the timing model enters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from hwsim.energy import Coefficients, Energy, coefficients, joules_per_token
from hwsim.published import Power, Published, find_published
from hwsim.published.timing import memory_behind, work

SMALLEST = 1e-6
"""A coefficient that counts as none, as the model's must be positive."""


@dataclass(frozen=True)
class Fit:
    """The model with the fitted coefficients, and its relative errors of power.

    errors    by name, of the designs that were fitted and of those that were not
    alone     of each that was fitted, by the model that is fitted to the others
    """

    model: Coefficients
    errors: dict[str, float]
    alone: dict[str, float]

    @property
    def spread(self) -> float:
        """Largest factor between model and paper of a design that was not fitted."""
        unseen = [self.errors[name] for name in self.model.checked_on]
        return exp(max(abs(log(1 + error)) for error in (*unseen, *self.alone.values())))


def fit() -> Fit:
    """Fit to the designs that energy.yaml names for it."""
    model = coefficients()
    used, checked = (
        {name: find_published(name) for name in names}
        for names in (model.fitted_on, model.checked_on)
    )
    fitted = _fitted(model, used)
    errors = {name: _error(fitted, design) for name, design in (used | checked).items()}
    alone = {}
    for name, design in used.items():
        others = {other: kept for other, kept in used.items() if other != name}
        alone[name] = _error(_fitted(model, others), design)
    return Fit(fitted, errors, alone)


def energy_of(design: Published, seconds: float, model: Coefficients | None = None) -> Energy:
    """Energy of a token that takes `seconds`, in the scope of the published power."""
    power, device = _power(design), design.device
    assert device is not None
    return joules_per_token(
        work(design, seconds),
        device.chip.node_nm,
        memory_behind(design).type if power.scope == "card" else None,
        device.number("static_w") if power.static else 0.0,
        model,
    )


def _power(design: Published) -> Power:
    assert design.told.power is not None, f"{design.name} tells no power of a chip"
    return design.told.power


def _error(model: Coefficients, design: Published) -> float:
    watts = energy_of(design, 1 / design.told.tokens_per_second, model).watts
    return float(watts / _power(design).watts) - 1


def _fitted(model: Coefficients, designs: Mapping[str, Published]) -> Coefficients:
    """`model` with the coefficients that suit these designs best."""
    rows = np.array([_row(model, design) for design in designs.values()])
    found: NDArray[np.float64] = np.linalg.lstsq(rows[:, 1:], 1 - rows[:, 0], rcond=None)[0]
    product, register = np.maximum(found, SMALLEST)
    return model.model_copy(update={"product_pj": product, "register_fj": register})


def _row(model: Coefficients, design: Published) -> tuple[float, float, float]:
    """Watts over the published ones: of all that is not fitted, and for 1 of each that is."""
    seconds = 1 / design.told.tokens_per_second

    def share(product: float, register: float) -> float:
        changed = model.model_copy(update={"product_pj": product, "register_fj": register})
        return float(energy_of(design, seconds, changed).watts) / _power(design).watts

    rest = share(0, 0)
    return rest, share(1, 0) - rest, share(0, 1) - rest
