"""Figures as files: SVG that needs no page, and PNG of it, which a browser draws."""

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from codegen.files import fresh_folder, write_whole
from reports.doctor import BROWSERS
from reports.page.document import STYLE
from reports.page.html import Html, tag

FINER = 2
"""Pixels of a PNG for each of a figure."""
SECONDS = 60
"""That a browser gets."""
FONTS = "DejaVu Sans, sans-serif"
_NESTED = re.compile(r"@[^{}]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_GIVEN = re.compile(r"(--[a-z_-]+):\s*([^;]+)")
_VARIABLE = re.compile(r"var\((--[a-z_-]+)\)")
_DRAWS = re.compile(r"(?<![\w-])(fill|stroke|text-anchor)")
_PAINTER = """
addEventListener("load", () => document.querySelectorAll("img").forEach(image => {
  const canvas = document.createElement("canvas");
  canvas.width = FINER * image.naturalWidth;
  canvas.height = FINER * image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  image.removeAttribute("src");
  image.alt = canvas.toDataURL("image/png");
}));
"""


def browser() -> str | None:
    """The path of a browser that draws without a screen, if there is one."""
    found = (shutil.which(name) for name in BROWSERS)
    return next((path for path in found if path), None)


def standalone(figure: Html) -> str:
    """An SVG file of a figure of a page, in the light colours of the page's style, on white."""
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure)[0]
    namespace = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    namespace += f' font-family="{FONTS}"'
    ground = tag("rect", width=width, height=height, fill="#ffffff")
    opened, inner = figure.removeprefix("<svg").split(">", 1)
    return f"{namespace}{opened}>{tag('style', Html(_style()))}{ground}{inner}\n"


def write_figures(figures: Mapping[str, Html], folder: Path, pictures: bool) -> list[Path]:
    """Write NAME.svg, and if wanted NAME.png where there is a browser; returns the files.

    What an earlier figure of a name has left is taken away, also what is not written anew.
    """
    fresh_folder(folder, [f"{name}.{kind}" for name in figures for kind in ("svg", "png")])
    files = {name: standalone(figure) for name, figure in figures.items()}
    content = {f"{name}.svg": text.encode() for name, text in files.items()}
    if pictures:
        content |= {f"{name}.png": drawn for name, drawn in _paint(files).items()}
    for name, each in content.items():
        write_whole(folder / name, each)
    return [folder / name for name in content]


def _style() -> str:
    """What of the page's style draws figures, with every variable's light value put in its place.

    Not all programs know variables. That of a series is put into a rule of its own.
    """
    text = _NESTED.sub("", STYLE.read_text())
    rules = {selector.strip(): body.strip() for selector, body in _RULE.findall(text)}
    colours = dict(_GIVEN.findall(rules[":root"]))
    hues = {each: body for each, body in rules.items() if body.startswith("--hue")}
    told = []
    for selector, body in rules.items():
        if not _DRAWS.search(body):
            continue
        if "var(--hue)" not in body:
            told.append((selector, body))
            continue
        for series, hue in hues.items():
            told.append(
                (selector + series, body.replace("var(--hue)", dict(_GIVEN.findall(hue))["--hue"]))
            )
    return "\n".join(
        f"{selector} {{ {_VARIABLE.sub(lambda found: colours[found[1]], body)} }}"
        for selector, body in told
    )


def _paint(files: Mapping[str, str]) -> dict[str, bytes]:
    """PNG of each SVG; none without a browser, or when it does not answer."""
    program = browser()
    if program is None:
        return {}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
    images = [
        tag("img", id=name, src=f"data:image/svg+xml;base64,{each}") for name, each in data.items()
    ]
    painter = Html(_PAINTER.replace("FINER", f"{FINER}"))
    drawn = opened(program, tag("html", tag("body", images, tag("script", painter))))
    found = re.findall(r'<img id="([^"]*)" alt="data:image/png;base64,([^"]*)"', drawn)
    return {name: base64.b64decode(each) for name, each in found}


def opened(program: str, page: str) -> str:
    """What a page is after a browser has loaded it and run its scripts; nothing if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.html")
        path.write_text(page)
        root = ["--no-sandbox"] if os.geteuid() == 0 else []  # which it refuses root
        command = [program, "--headless", "--disable-gpu", f"--user-data-dir={folder}/profile",
                   *root, "--dump-dom", path.as_uri()]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return ""
    return done.stdout
