// Helpers that all exhibits use: the record, grids of numbers, steppers, text.
const lesson = JSON.parse(document.getElementById("lesson").textContent);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const SVG = "http://www.w3.org/2000/svg";
const side = lesson.side, k = lesson.filters.side, out = lesson.backward.side;

function node(name, attributes, parent, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}
function html(name, css, parent, text) {
  const made = document.createElement(name);
  if (css) made.className = css;
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}
const signed = (text) => text.replace("-", "\u2212");
const fixed = (value, digits = 3) => signed(Math.abs(value) < 0.5 * 10 ** -digits ? (0).toFixed(digits) : value.toFixed(digits));
// three significant digits, for numbers of any size
const brief = (value) => value === 0 ? "0" : signed(Number(value.toPrecision(3)).toString());
const percent = (value, digits = 0) => (100 * value).toFixed(digits) + "%";
const count = (value) => value.toLocaleString("en-US");
const pixels = (hex) => Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16) / 255);
const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const image = pixels(lesson.image);

// cross-correlation of a square picture with one kernel, without padding
function correlate(picture, width, kernel, bias) {
  const rows = width - k + 1, sums = new Array(rows * rows).fill(bias);
  for (let i = 0; i < rows; i++) for (let j = 0; j < rows; j++)
    for (let u = 0; u < k; u++) for (let v = 0; v < k; v++) sums[i * rows + j] += kernel[u * k + v] * picture[(i + u) * width + j + v];
  return sums;
}
// the full symmetric matrix of an upper triangle
function unfold(triangle, n) {
  const full = new Array(n * n);
  for (let i = 0, at = 0; i < n; i++) for (let j = i; j < n; j++, at++) full[i * n + j] = full[j * n + i] = triangle[at];
  return full;
}

// A grid of numbers as coloured squares. kind: "grey" (0 to 1), "signed" (about zero) or "amount" (from zero up).
class Grid {
  constructor(host, rows, columns, kind, gap = 0) {
    this.rows = rows; this.columns = columns; this.kind = kind; this.host = host;
    this.svg = node("svg", { viewBox: `-.1 -.1 ${columns + 0.2} ${rows + 0.2}`, role: "img", "shape-rendering": "crispEdges" });
    node("rect", { x: 0, y: 0, width: columns, height: rows, class: kind === "grey" ? "photo" : "ground" }, this.svg);
    const group = node("g", {}, this.svg);
    this.cells = Array.from({ length: rows * columns }, (_, index) => node("rect", {
      x: index % columns + gap, y: Math.floor(index / columns) + gap, width: 1 - 2 * gap, height: 1 - 2 * gap,
      class: kind === "grey" ? "cell grey" : "cell amount", "fill-opacity": 0,
    }, group));
    this.frames = {};
    host.replaceChildren(this.svg);
    if (kind !== "grey") this.note = html("p", "full", host);
  }
  paint(values, most = this.kind === "grey" ? 1 : largest(values)) {
    this.cells.forEach((cell, index) => {
      const value = values[index];
      if (this.kind === "signed") cell.setAttribute("class", value < 0 ? "cell negative" : "cell positive");
      cell.setAttribute("fill-opacity", value === undefined || most === 0 ? 0 : Math.min(1, Math.abs(value) / most).toFixed(3));
    });
    if (this.note) this.note.textContent = most === 0 ? "all zero" : `full colour at ${this.kind === "signed" ? "\u00b1" : ""}${brief(most)}`;
  }
  label(text) { this.svg.setAttribute("aria-label", text); }
  write(texts) {
    if (!this.texts) this.texts = this.cells.map((_, index) => node("text", { transform: `translate(${index % this.columns + 0.5} ${Math.floor(index / this.columns) + 0.6}) scale(.02)` }, this.svg));
    this.texts.forEach((text, index) => { text.textContent = texts[index] ?? ""; });
  }
  frame(name, row, column, height = 1, width = 1, css = "frame") {
    const found = this.frames[name] || (this.frames[name] = node("rect", { class: css }, this.svg));
    for (const [key, value] of Object.entries({ x: column, y: row, width, height, visibility: "visible" })) found.setAttribute(key, value);
  }
  unframe(start) {
    for (const [name, rect] of Object.entries(this.frames)) if (name.startsWith(start)) rect.setAttribute("visibility", "hidden");
  }
  // arrow keys and pointer choose a row and a column; `at` returns the present ones
  steer(at, go, limit = [this.rows, this.columns]) {
    const inside = (value, end) => Math.max(0, Math.min(end - 1, value));
    const point = (event) => {
      const box = this.svg.getBoundingClientRect();
      const spot = (place, start, length, cells) => Math.floor((place - start) / length * (cells + 0.2) - 0.1);
      go(inside(spot(event.clientY, box.top, box.height, this.rows) - Math.floor((this.rows - limit[0]) / 2), limit[0]),
         inside(spot(event.clientX, box.left, box.width, this.columns) - Math.floor((this.columns - limit[1]) / 2), limit[1]));
    };
    this.svg.addEventListener("click", point);
    this.svg.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && event.buttons === 1) point(event); });
    this.host.addEventListener("keydown", (event) => {
      const [row, column] = at();
      const moves = {
        ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
        Home: [row, 0], End: [row, limit[1] - 1], PageUp: [0, column], PageDown: [limit[0] - 1, column],
      };
      if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const [i, j] = moves[event.key];
      go(inside(i, limit[0]), inside(j, limit[1]));
    });
  }
}

// A slider with buttons: arrow keys, Home and End come with the slider; space plays and pauses.
class Stepper {
  constructor(id, show, delay = 500) {
    const box = document.querySelector(`[data-stepper="${id}"]`);
    this.range = document.getElementById(id);
    this.button = box.querySelector('[data-go="play"]');
    this.show = show; this.delay = delay; this.timer = 0;
    this.range.addEventListener("input", () => { this.stop(); show(); });
    this.range.addEventListener("keydown", (event) => {
      if (event.key === " " && this.button) { event.preventDefault(); this.play(); }
    });
    for (const button of box.querySelectorAll("[data-go]")) button.addEventListener("click", () => {
      if (button === this.button) { this.play(); return; }
      this.stop();
      this.set(this.value + Number(button.dataset.go));
    });
  }
  get value() { return Number(this.range.value); }
  get last() { return Number(this.range.max); }
  set(value) { this.range.value = value; this.show(); }
  limit(last, value) { this.stop(); this.range.max = last; this.range.value = value; }
  tell(text) { this.range.setAttribute("aria-valuetext", text); }
  get playing() { return this.timer !== 0; }
  stop() {
    clearInterval(this.timer); this.timer = 0;
    if (this.button) { this.button.textContent = "Play"; this.button.setAttribute("aria-pressed", "false"); }
  }
  play() {
    if (this.timer) { this.stop(); this.show(); return; }
    if (this.value >= this.last) this.set(0);
    this.button.textContent = "Pause"; this.button.setAttribute("aria-pressed", "true");
    this.timer = setInterval(() => {
      if (this.value >= this.last) { this.stop(); this.show(); return; }
      this.set(this.value + 1);
    }, calm.matches ? Math.max(1400, this.delay) : this.delay);
  }
}
// say what has changed, but leave a screen reader in peace while something plays
function say(id, text, quiet) {
  const place = document.getElementById(id);
  place.setAttribute("aria-live", quiet ? "off" : "polite");
  if (place.textContent !== text) place.textContent = text;
}
const pick = (id, change) => {
  const found = document.getElementById(id);
  found.addEventListener("change", change);
  return found;
};

// A small plot: lines over steps, or points with whiskers; `x` and `y` map values to the drawing.
class Plot {
  constructor(host, { low, high, first, last, log = false, ticksX, ticksY, nameX, nameY, label }) {
    const [width, height, left, right, top, bottom] = [420, 280, 46, 16, 26, 42];
    const scale = log ? Math.log : (value) => value;
    this.x = (value) => left + (width - left - right) * (scale(value) - scale(first)) / (scale(last) - scale(first));
    this.y = (value) => top + (height - top - bottom) * (1 - (value - low) / (high - low));
    this.top = top; this.floor = height - bottom; this.left = left; this.end = width - right;
    this.svg = node("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    node("text", { x: 0, y: 12 }, this.svg, nameY);
    for (const [value, text] of ticksY) {
      node("line", { x1: left, x2: this.end, y1: this.y(value), y2: this.y(value), class: value === 0 && low < 0 ? "zero" : "axis" }, this.svg);
      node("text", { x: left - 7, y: this.y(value) + 4, "text-anchor": "end" }, this.svg, text);
    }
    for (const [value, text] of ticksX) node("text", { x: this.x(value), y: this.floor + 18, "text-anchor": "middle" }, this.svg, text);
    node("text", { x: (left + this.end) / 2, y: height - 4, "text-anchor": "middle" }, this.svg, nameX);
    host.replaceChildren(this.svg);
  }
  line(points, css) {
    const group = node("g", { class: css }, this.svg);
    node("polyline", { points: points.map(([x, y]) => `${this.x(x).toFixed(1)},${this.y(y).toFixed(1)}`).join(" "), class: "line" }, group);
    return group;
  }
  cursor(value) {
    this.hair = this.hair || node("line", { class: "cursor", y1: this.top, y2: this.floor }, this.svg);
    this.hair.setAttribute("x1", this.x(value)); this.hair.setAttribute("x2", this.x(value));
  }
  dot(name, x, y, css) {
    this.dots = this.dots || {};
    const found = this.dots[name] || (this.dots[name] = node("circle", { r: 5, class: "dot-now" }, node("g", { class: css }, this.svg)));
    found.setAttribute("cx", this.x(x)); found.setAttribute("cy", this.y(y));
  }
}
// round values between two ends
function ticks(low, high, about = 5) {
  const raw = (high - low) / about, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((width) => width >= 0.75 * raw);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push([n * step, signed(String(Number((n * step).toPrecision(6))))]);
  return found;
}
