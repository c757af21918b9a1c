"use strict";
/* Turns the scatter to other quantities, and tells the design that is pointed at or chosen. */
const data = JSON.parse(document.getElementById("designs").textContent);
const section = document.getElementById("front");
const svg = section.querySelector("svg");
const circles = [...svg.querySelectorAll("circle")];
const [across, up] = section.querySelectorAll("select");
const boxes = [...section.querySelectorAll("input")];
const near = section.querySelector(".beside"), told = section.querySelector(".told");
const [left, top_, right, bottom, fine, beside] = data.box;
const names = [...svg.querySelectorAll(".names text")];
const REACH = 14;
let chosen = -1;

const x = at => left + (right - left) * at / fine;
const y = at => bottom - (bottom - top_) * at / fine;
const short = value => String(+value.toFixed(2));
const axes = () => [data.quantities[across.value], data.quantities[up.value]];
const shown = number => circles[number].getAttribute("display") !== "none";
const at = number => ["cx", "cy"].map(name => +circles[number].getAttribute(name));

function element(name, text, attributes = {}, space = section.namespaceURI) {
  const made = document.createElementNS(space, name);
  made.append(...[text].flat());
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function draw() {
  const [h, v] = axes();
  circles.forEach((circle, number) => {
    const places = [h.at[number], v.at[number]];
    const hidden = places.includes(null) || !boxes[data.of[number]].checked;
    if (hidden) return circle.setAttribute("display", "none");
    circle.removeAttribute("display");
    circle.setAttribute("cx", short(x(places[0])));
    circle.setAttribute("cy", short(y(places[1])));
  });
  names.forEach((name, place) => {
    const number = data.named[place], [cx, cy] = at(number), end = cx > (left + right) / 2;
    if (!shown(number)) return name.setAttribute("display", "none");
    name.removeAttribute("display");
    name.setAttribute("text-anchor", end ? "end" : "start");
    name.setAttribute("x", short(end ? cx - beside : cx + beside));
    name.setAttribute("y", short(cy - beside));
  });
  svg.querySelector(".across").textContent = h.title;
  svg.querySelector(".up").textContent = v.title;
  svg.querySelector(".ticks").replaceChildren(...ticks(h, v));
  svg.querySelector(".border").setAttribute("d", border(h, v));
}

function ticks(h, v) {
  const line = (x1, y1, x2, y2) =>
    element("line", [], {x1: short(x1), y1: short(y1), x2: short(x2), y2: short(y2), class: "grid"},
      svg.namespaceURI);
  const text = (told, x, y, kind) =>
    element("text", told, {x: short(x), y: short(y), class: kind}, svg.namespaceURI);
  return [
    ...h.marks.flatMap(([at, told]) =>
      [line(x(at), top_, x(at), bottom), text(told, x(at), bottom + 18, "tick")]),
    ...v.marks.flatMap(([at, told]) =>
      [line(left, y(at), right, y(at)), text(told, left - 8, y(at) + 4, "name")]),
  ];
}

function border(h, v) {
  const fronts = data.fronts[`${across.value},${up.value}`] || [];
  const turns = number => [`H${x(h.at[number]).toFixed(1)}`, `V${y(v.at[number]).toFixed(1)}`];
  return fronts.flatMap(front => front.filter(shown).map((number, place) => {
    if (!place) return `M${turns(number).join(" ").replace(/[HV]/g, "")}`;
    return (h.best === "smallest" ? turns(number) : turns(number).reverse()).join("");
  })).join("");
}

function command(number) {
  return [data.command, ...data.knobs.map(knob => knob.words[knob.chosen[number]])].join(" ");
}

function facts(number) {
  const row = (name, value) =>
    element("tr", [element("th", name), element("td", value, {class: "number"})]);
  const numbers = data.quantities.filter(each => each.text[number] !== null)
    .map(each => row(each.name, `${each.text[number]} ${each.unit}`));
  const knobs = data.knobs.filter(knob => knob.words.length > 1)
    .map(knob => row(knob.name, knob.words[knob.chosen[number]].replace(`${knob.name}=`, "")));
  return [
    element("strong", data.series[data.of[number]]),
    element("div", [element("table", numbers), element("table", knobs)], {class: "tables"}),
  ];
}

function nearest(event) {
  const place = new DOMPoint(event.clientX, event.clientY)
    .matrixTransform(svg.getScreenCTM().inverse());
  const distance = number => Math.hypot(at(number)[0] - place.x, at(number)[1] - place.y);
  let found = -1, least = REACH;
  circles.forEach((_, number) => {
    /* The front is drawn over the others, and is found first. */
    const away = shown(number) ? distance(number) + (data.of[number] ? 3 : 0) : Infinity;
    if (away < least) [found, least] = [number, away];
  });
  return found;
}

function point(number) {
  circles.forEach((circle, each) => circle.classList.toggle("near", each === number));
  near.hidden = number < 0;
  if (number < 0) return;
  near.replaceChildren(...facts(number));
  const circle = circles[number].getBoundingClientRect();
  const figure = near.parentElement.getBoundingClientRect();
  const beyond = circle.left - figure.left > figure.width / 2;
  near.style.left = `${circle.left - figure.left + (beyond ? -near.offsetWidth - 12 : 20)}px`;
  near.style.top = `${Math.min(circle.top - figure.top, figure.height - near.offsetHeight)}px`;
}

function choose(number) {
  if (number < 0) return;
  chosen = number;
  circles.forEach((circle, each) => circle.classList.toggle("chosen", each === number));
  const line = element("code", command(number));
  const button = element("button", "Copy", {type: "button"});
  button.addEventListener("click", () => copy(line, button));
  told.replaceChildren(...facts(number), element("p", [line, " ", button], {class: "command"}));
}

async function copy(line, button) {
  getSelection().selectAllChildren(line);
  try {
    await navigator.clipboard.writeText(line.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected: copy it with Ctrl+C";
  }
}

function step(by) {
  const places = circles.map((_, number) => number)
    .filter(number => data.of[number] === 0 && shown(number))
    .sort((a, b) => at(a)[0] - at(b)[0] || at(b)[1] - at(a)[1]);
  const now = places.indexOf(chosen);
  const next = places[now < 0 ? 0 : (now + by + places.length) % places.length];
  if (next !== undefined) { choose(next); point(next); }
}

section.querySelectorAll("[hidden]:not(.beside)").forEach(each => { each.hidden = false; });
[across, up, ...boxes].forEach(each => each.addEventListener("change", draw));
svg.addEventListener("pointermove", event => point(nearest(event)));
svg.addEventListener("pointerleave", () => point(-1));
svg.addEventListener("click", event => choose(nearest(event)));
svg.setAttribute("tabindex", "0");
svg.setAttribute("role", "application");
svg.addEventListener("keydown", event => {
  const by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (by) { event.preventDefault(); step(by); }
  if (event.key === "Escape") point(-1);
});
choose(data.best);
