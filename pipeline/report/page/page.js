"use strict";
// Pictures, the confusion matrix and the map of a report. No library, no network.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function text(tag, words, name) {
  const element = document.createElement(tag);
  if (words !== undefined) element.textContent = words;
  if (name) element.className = name;
  return element;
}

// A name of the user's, whose direction does not spill over.
const named = (words) => text("bdi", words);

function caption(place) {
  const [path, split, label, predicted, sure] = data.pictures[place];
  const truth = data.classes[label] ?? "no label";
  if (predicted < 0) return `${truth}, ${split} image, ${path}`;
  const judged = predicted === label ? "predicted rightly" : `taken for ${data.classes[predicted]}`;
  return `${truth}, ${judged} (${sure.toFixed(2)}), ${path}`;
}

function paint(element, place, scale = 1) {
  const sheet = Math.floor(place / 100), row = Math.floor((place % 100) / 10), column = place % 10;
  element.classList.add(`s${sheet}`);
  element.style.backgroundPosition = `${-column * 64 * scale}px ${-row * 64 * scale}px`;
}

function fill(button) {
  const place = Number(button.dataset.pic);
  const [, , label, predicted] = data.pictures[place];
  paint(button, place);
  button.setAttribute("aria-label", caption(place));
  button.title = caption(place);
  if (predicted >= 0 && predicted !== label) button.classList.add("wrong");
}
document.querySelectorAll("[data-pic]").forEach(fill);

// Under a picture: its class, and the one that it was taken for.
document.querySelectorAll(".captioned li").forEach((item) => {
  const [, , label, predicted, sure] = data.pictures[Number(item.firstElementChild.dataset.pic)];
  const words = text("span");
  words.append(named(data.classes[label]));
  if (predicted !== label) words.append(" taken for ", named(data.classes[predicted]));
  words.append(` ${sure.toFixed(2)}`);
  item.append(words);
});

// The dialog: one picture large, with what each feature adds, and those beside it.
const dialog = byId("gallery");

function scoreTable(place) {
  const scores = data.pictures[place][5];
  const table = text("table");
  const head = table.insertRow();
  for (const name of ["class", ...data.features, "score"]) {
    const cell = text("th", name, name === "class" ? "" : "number");
    cell.scope = "col";
    head.append(cell);
  }
  for (const [k, ...parts] of scores) {
    const row = table.insertRow();
    const name = text("th");
    name.scope = "row";
    name.append(named(data.classes[k]));
    row.append(name);
    const total = parts.reduce((sum, part) => sum + part, 0);
    for (const value of [...parts, total]) row.append(text("td", value.toFixed(3), "number"));
  }
  return table;
}

function show(place) {
  const one = byId("gallery-one");
  const large = text("div", undefined, "pic large");
  paint(large, place, 3);
  large.setAttribute("role", "img");
  large.setAttribute("aria-label", caption(place));
  const words = text("div");
  words.append(text("p", caption(place)));
  if (data.pictures[place][5].length) words.append(scoreTable(place));
  one.replaceChildren(large, words);
}

function open(title, places) {
  byId("gallery-title").textContent = title;
  byId("gallery-all").replaceChildren(...places.map((place) => {
    const item = text("li"), button = text("button", undefined, "pic");
    button.type = "button";
    button.dataset.pic = place;
    fill(button);
    button.addEventListener("click", () => show(place));
    item.append(button);
    return item;
  }));
  if (places.length) show(places[0]);
  else byId("gallery-one").replaceChildren(text("p", "There was no room for these pictures."));
  dialog.showModal();
}
byId("gallery-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

document.querySelectorAll("main [data-pic]").forEach((button) => button.addEventListener("click", () => {
  const shelf = button.closest(".shelf");
  const others = shelf ? [...shelf.querySelectorAll("[data-pic]")].map((b) => Number(b.dataset.pic)) : [];
  const place = Number(button.dataset.pic);
  open("Pictures", [place, ...others.filter((other) => other !== place)]);
}));

// The confusion matrix.
const matrix = byId("confusion");
matrix.addEventListener("click", (event) => {
  const button = event.target.closest("[data-cell]");
  if (!button) return;
  const [i, j] = button.dataset.cell.split(",").map(Number);
  const same = i === j ? "predicted rightly" : `taken for ${data.classes[j]}`;
  open(`${data.classes[i]}, ${same}: ${button.dataset.count}`, data.cells[button.dataset.cell] ?? []);
});

byId("rates").addEventListener("click", (event) => {
  const rates = event.target.getAttribute("aria-pressed") !== "true";
  event.target.setAttribute("aria-pressed", rates);
  matrix.querySelectorAll("[data-cell]").forEach((button) => {
    const { count, total } = button.dataset;
    button.textContent = rates ? `${(100 * count / total).toFixed(0)} %` : count;
  });
});

const shown = [...matrix.tBodies[0].rows].map((row) => Number(row.dataset.class));
const count = (i, j) => data.counts[shown.indexOf(i)][shown.indexOf(j)];

// Put each class beside the one that it is confused with most among those left.
function likeTogether() {
  const left = [...shown], order = [left.shift()];
  const confused = (i, j) => count(i, j) + count(j, i);
  while (left.length) {
    const last = order[order.length - 1];
    left.sort((a, b) => confused(last, b) - confused(last, a) || a - b);
    order.push(left.shift());
  }
  return order;
}

byId("order").addEventListener("change", (event) => {
  const recall = (i) => count(i, i) / data.totals[shown.indexOf(i)] || (data.totals[shown.indexOf(i)] ? 0 : 2); // those without images last
  const order = { name: () => [...shown], recall: () => [...shown].sort((a, b) => recall(a) - recall(b)), like: likeTogether }[event.target.value]();
  const now = [...matrix.tBodies[0].rows].map((row) => Number(row.dataset.class));
  for (const row of [matrix.tHead.rows[0], ...matrix.tBodies[0].rows]) {
    const [first, ...cells] = [...row.cells];
    row.replaceChildren(first, ...order.map((k) => cells[now.indexOf(k)]));
  }
  const rows = [...matrix.tBodies[0].rows];
  matrix.tBodies[0].replaceChildren(...order.map((k) => rows[now.indexOf(k)]));
});

// The map.
const points = [...document.querySelectorAll("#map circle")];
let at = -1;

function visit(index) {
  points[at]?.classList.remove("at");
  at = index;
  const point = points[at], place = Number(point.dataset.p);
  point.classList.add("at");
  const note = byId("mapnote");
  if (place < 0) { note.replaceChildren(named(data.classes[point.dataset.k])); return; }
  const picture = text("span", undefined, "pic");
  paint(picture, place);
  note.replaceChildren(picture, text("span", caption(place)));
}
points.forEach((point, index) => point.addEventListener("pointerenter", () => visit(index)));
byId("map").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step || !points.length) return;
  event.preventDefault();
  visit((Math.max(at, step < 0 ? 0 : -1) + step + points.length) % points.length);
});
const markClass = (k) => points.forEach((point) => point.classList.toggle("on", point.dataset.k === k));
byId("mapclass").addEventListener("change", (event) => markClass(event.target.value));
byId("mapclass").value = "0";
markClass("0");
if (points.length) visit(0);
