"use strict";
// Three classes in two dimensions: weights, loss, penalty and step size moved by hand.
const toy = JSON.parse(document.getElementById("toy").textContent);
const handsOn = { W: toy.W.map((row) => [...row]), loss: "softmax", alpha: 0.01, rate: 0.5 };
window.handsOn = handsOn;
const get = (id) => document.getElementById(id);

const scores = (x) => handsOn.W.map(([a, b, c]) => a * x[0] + b * x[1] + c);

// The loss of one point, and its derivative by each score.
function pointLoss(s, y) {
  if (handsOn.loss === "hinge") {
    const margins = s.map((score, k) => (k === y ? 0 : Math.max(0, 1 + score - s[y])));
    const slopes = margins.map((margin) => (margin > 0 ? 1 : 0));
    slopes[y] = -slopes.reduce((sum, slope) => sum + slope, 0);
    return [margins.reduce((sum, margin) => sum + margin, 0), slopes];
  }
  const top = Math.max(...s), powers = s.map((score) => Math.exp(score - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  const slopes = powers.map((power, k) => power / total - (k === y ? 1 : 0));
  return [Math.log(total) + top - s[y], slopes];
}

// mean loss + alpha / 2 * ||W||^2; the intercepts, the last column, are not penalised.
handsOn.value = () => {
  const losses = toy.X.map((x, i) => pointLoss(scores(x), toy.y[i])[0]);
  const squares = handsOn.W.flatMap(([a, b]) => [a * a, b * b]).reduce((sum, v) => sum + v, 0);
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length + handsOn.alpha / 2 * squares;
};

handsOn.gradient = () => {
  const gradient = handsOn.W.map(([a, b]) => [handsOn.alpha * a, handsOn.alpha * b, 0]);
  toy.X.forEach((x, i) => {
    const slopes = pointLoss(scores(x), toy.y[i])[1];
    slopes.forEach((slope, k) => [x[0], x[1], 1].forEach((value, j) => {
      gradient[k][j] += slope * value / toy.X.length;
    }));
  });
  return gradient;
};

handsOn.step = () => {
  const gradient = handsOn.gradient();
  handsOn.W = handsOn.W.map((row, k) => row.map((weight, j) => weight - handsOn.rate * gradient[k][j]));
  update();
};

const REACH = 3;
const canvas = get("plane"), side = canvas.width, pen = canvas.getContext("2d");
const COLOURS = ["#0072b2", "#e69f00", "#009e73"], FAINT = ["#a9cfe6", "#f7dca6", "#a6dccb"];
const place = ([x, y]) => [(x / REACH + 1) * side / 2, (1 - y / REACH) * side / 2];

function mark(shape, x, y, size) {
  pen.beginPath();
  if (shape === 0) pen.arc(x, y, size, 0, 2 * Math.PI);
  else if (shape === 1) pen.rect(x - size, y - size, 2 * size, 2 * size);
  else { pen.moveTo(x, y - size - 2); pen.lineTo(x + size + 1, y + size); pen.lineTo(x - size - 1, y + size); pen.closePath(); }
}

function draw() {
  const grain = 4;
  for (let i = 0; i < side; i += grain) for (let j = 0; j < side; j += grain) {
    const s = scores([(i + grain / 2) / side * 2 * REACH - REACH, REACH - (j + grain / 2) / side * 2 * REACH]);
    pen.fillStyle = FAINT[s.indexOf(Math.max(...s))];
    pen.fillRect(i, j, grain, grain);
  }
  toy.X.forEach((x, i) => {
    mark(toy.y[i], ...place(x), 6);
    pen.fillStyle = COLOURS[toy.y[i]];
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = "#222";
    pen.stroke();
  });
}

function update() {
  draw();
  const gradient = handsOn.gradient();
  handsOn.W.forEach((row, k) => row.forEach((weight, j) => {
    get(`w${k}${j}`).value = weight;
    get(`v${k}${j}`).textContent = `${weight.toFixed(2)}, slope ${gradient[k][j].toFixed(3)}`;
  }));
  const right = toy.X.filter((x, i) => { const s = scores(x); return s.indexOf(Math.max(...s)) === toy.y[i]; }).length;
  get("value").textContent = handsOn.value().toFixed(4);
  get("right").textContent = `${right} of ${toy.X.length}`;
  canvas.setAttribute("aria-label", `Points of three classes and the regions where each class scores highest; ${right} of ${toy.X.length} points lie in their own region.`);
}

handsOn.W.forEach((row, k) => row.forEach((_, j) => get(`w${k}${j}`).addEventListener("input", (event) => {
  handsOn.W[k][j] = Number(event.target.value);
  update();
})));
get("loss").addEventListener("change", (event) => { handsOn.loss = event.target.value; update(); });
get("alpha").addEventListener("input", (event) => { handsOn.alpha = 10 ** Number(event.target.value); get("alphavalue").textContent = handsOn.alpha.toPrecision(2); update(); });
get("rate").addEventListener("input", (event) => { handsOn.rate = 10 ** Number(event.target.value); get("ratevalue").textContent = handsOn.rate.toPrecision(2); });
get("step").addEventListener("click", () => handsOn.step());
get("steps").addEventListener("click", () => { for (let n = 0; n < 20; n++) handsOn.step(); });
get("reset").addEventListener("click", () => { handsOn.W = toy.W.map((row) => [...row]); update(); });
update();
