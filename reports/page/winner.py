"""The sections of an exploration's winner: what bounds it, where time and resources go, knobs."""

from collections.abc import Mapping

from models.counters import UNITS, Activity
from reports.page import usage
from reports.page.charts import Bar, Stack, bars, stacks
from reports.page.designs import Told, prefixed
from reports.page.document import section
from reports.page.html import Html, tag
from reports.page.roofline import Point, Roof, roofline
from reports.page.scatter import readable
from reports.page.sections import MEANINGS, most_to_do
from reports.page.sensitivity import Effect, Trial, panels
from reports.run_report import share

BOUNDS = {"port": "the memory port", "multipliers": "the multipliers", "scan": "the scan"}
LEAST = 0.0005
"""Of a gain that is told."""


def figures(told: Told, winner: Told) -> dict[str, Html]:
    """Figures by their names, with the network's when there are several winners."""
    drawn = {
        "roofline": _roofline(winner),
        "time": _time(winner) if winner["cycles"]["total"] else None,
        "resources": usage.resources(told, winner),
        "memories": usage.memories(winner),
        "energy": _energy(winner),
        "sensitivity": _swept(told, winner),
    }
    return {_name(told, winner, name): each for name, each in drawn.items() if each is not None}


def sections(told: Told, winner: Told, drawn: Mapping[str, Html]) -> Html:
    """Everything about one winner."""

    def of(name: str) -> Html | None:
        return drawn.get(_name(told, winner, name))

    return tag(
        "div",
        tag("h2", f"The winner: {winner['network']}"),
        _bound(winner, of("roofline")),
        _spent(winner, of("time")),
        usage.used(told, winner, of("resources"), of("memories")),
        _joules(winner, of("energy")),
        _knobs(told, winner, of("sensitivity")),
        _design(winner),
        class_="winner",
    )


def effects(told: Told, winner: Told) -> list[Effect]:
    """What the values of each knob do to the first objective, the knob that does most first."""
    objective = told["space"]["objectives"][0]
    found = []
    for knob, trials in winner["sensitivity"].items():
        words = [word.strip("'").partition("=")[2] for word in told["space"]["words"][knob]]
        rows = [
            Trial(word, trial["measures"].get(objective), trial["reason"], trial["chosen"])
            for word, trial in zip(words, trials, strict=True)
        ]
        if len(rows) > 1:
            found.append(Effect(knob, rows))
    return sorted(found, key=lambda effect: -effect.reach)


def what_holds(told: Told, winner: Told) -> str:
    """Which single change would make the winner better but is rejected, or that there is none."""
    name = told["space"]["objectives"][0]
    measure, now = told["measures"][name], winner["measures"][name]
    better = 1 if measure["best"] == "largest" else -1
    tried = [
        (
            better * (trial.number - now) / (abs(now) or 1),
            f"{effect.knob}={trial.value}",
            trial.number,
            why,
        )
        for effect in effects(told, winner)
        for trial in effect.trials
        if trial.number is not None and (why := trial.reason)
    ]
    gain, change, number, why = max(tried, default=(0.0, "", 0.0, ""))
    if gain < LEAST:
        return f"No rejected value of a knob would make it better in {measure['label']}"
    return (
        f"{change} alone would make it {gain:.1%} better, with {readable(number)} "
        f"{measure['unit']}, but for: {why}"
    )


def _name(told: Told, winner: Told, name: str) -> str:
    return f"{name}{winner['file'].removeprefix('winner').removesuffix('.yaml')}"


def _roofline(winner: Told) -> Html:
    return roofline([_roof(winner)], [_reached(winner)])


def _roof(winner: Told) -> Roof:
    line, name = winner["roofline"], winner["board"] or "a plain memory"
    return Roof(
        f"port and multipliers, {name}", line["bandwidth"], line["peak_macs_per_s"], "series-4"
    )


def _reached(winner: Told) -> Point:
    line = winner["roofline"]
    macs = line["macs_per_token"]
    rate = macs * line["tokens_per_second"]
    return Point(winner["network"], macs / line["bytes_per_token"], rate, "series-0")


def _bound(winner: Told, figure: Html | None) -> Html:
    line, reached = winner["roofline"], _reached(winner)
    title = (
        f"the winner reaches {reached.rate / _roof(winner).at(reached.intensity):.1%} of its roof"
    )
    note = (
        f"The port sustains {line['bandwidth'] / 1e9:.3g} GB/s, the multipliers do at most "
        f"{line['peak_macs_per_s'] / 1e9:,.4g} G multiply-adds/s at {line['clock_hz'] / 1e6:g} MHz."
    )
    if bounds := winner["bounds"]:
        largest = max(bounds, key=lambda name: float(bounds[name]))
        total = winner["cycles"]["total"]
        alone = ", ".join(f"{BOUNDS[name]} {share(bounds[name], total)}" for name in bounds)
        title = f"bound by {BOUNDS[largest]}: {title}"
        note += f" Of a token's {total:,.0f} cycles, each needs alone: {alone}."
    if breaks := winner["breaks"]:
        note += f" With what the engine says, it does not keep {', '.join(breaks)}."
    drawn = tag("div", figure, class_="wide")
    return section(title[0].upper() + title[1:], note, drawn, tags=["modelled"])


def _time(winner: Told) -> Html:
    units, total = winner["cycles"]["units"], winner["cycles"]["total"]
    styles = {at.word: f"{_spoken(at.word)}: {MEANINGS[at]}" for at in Activity}
    rows = [
        Stack(unit, {word: units[unit][word] for word in styles if units[unit].get(word)},
              _most(units[unit], total))
        for unit in UNITS if unit in units
    ]  # fmt: skip
    return stacks(rows, styles, "Cycles of each unit by what it is at", total)


def _most(activities: Mapping[str, float], total: float) -> str:
    """What a unit is at most."""
    ordered = sorted(activities, key=lambda word: -activities[word])
    told = [f"{_spoken(word)} {share(activities[word], total)}" for word in ordered]
    return ", ".join(told[:2])


def _spent(winner: Told, figure: Html | None) -> Html | None:
    if figure is None:
        return None
    units = {unit: {"predicted": at} for unit, at in winner["cycles"]["units"].items()}
    return section(
        most_to_do(units),
        f"Every row is the {winner['cycles']['total']:,.0f} cycles of one token, as the engine has "
        "them.",
        tag("div", figure, class_="wide"),
        tags=["modelled"],
    )


def _energy(winner: Told) -> Html | None:
    parts = winner["energy"]
    if not parts:
        return None
    total, (by, unit) = sum(parts.values()), prefixed("J", max(parts.values()))
    drawn = [
        Bar(_spoken(name), joules / by, 0.0,
            f"{readable(joules / by)}, {share(joules, total)}", "series-4")
        for name, joules in sorted(parts.items(), key=lambda part: -part[1])
    ]  # fmt: skip
    return bars({"": drawn}, "Energy of a token", f"{unit}/token")


def _joules(winner: Told, figure: Html | None) -> Html | None:
    if figure is None:
        return None
    parts = winner["energy"]
    total, largest = sum(parts.values()), max(parts, key=lambda name: float(parts[name]))
    by, unit = prefixed("J", total)
    return section(
        f"A token takes {readable(total / by)} {unit}, {share(parts[largest], total)} of it "
        f"{_spoken(largest)}",
        "By what takes it; static is what the chip draws while nothing switches.",
        tag("div", figure, class_="wide"),
        tags=["modelled"],
    )


def _swept(told: Told, winner: Told) -> Html | None:
    found = effects(told, winner)
    measure = told["measures"][told["space"]["objectives"][0]]
    return panels(found, f"{measure['label']}, {measure['unit']}, by knob") if found else None


def _knobs(told: Told, winner: Told, figure: Html | None) -> Html | None:
    if figure is None:
        return None
    measure = told["measures"][told["space"]["objectives"][0]]
    return section(
        what_holds(told, winner),
        f"What each value of a knob makes of {measure['label']}, in {measure['unit']}, the others "
        "as the winner has them, all on one scale; the knob that does most comes first. "
        "Hollow points are rejected by a constraint or need more than the board has; crosses do "
        "not fit the network, or the board has no such port.",
        tag("div", figure, class_="wide"),
        tags=[measure["tag"]],
    )


def _design(winner: Told) -> Html:
    return section(
        f"Its design file, {winner['file']}",
        "The command tells more about it. `puffadder run` with a checkpoint and this file builds "
        "its hardware and compares all logit codes.",
        tag("pre", winner["command"], class_="text"),
        tag("pre", winner["yaml"], class_="text"),
        tags=["design"],
    )


def _spoken(word: str) -> str:
    return word.replace("_", " ")
