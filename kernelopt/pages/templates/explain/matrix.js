// Exhibit 2: the same layer as a fully connected matrix with tied entries, and what ties do to gradients.
function matrix() {
  const box = document.getElementById("matrix-exhibit");
  const m = lesson.matrix, width = m.side, span = width - k + 1, n = width * width;
  const at = (name) => box.querySelector(`[data-grid="${name}"]`);
  const kernel = lesson.backward.filters[m.filter], bias = lesson.backward.bias[m.filter];
  const crop = Array.from({ length: n }, (_, q) => image[(m.top + Math.floor(q / width)) * side + m.left + q % width]);
  const sums = correlate(crop, width, kernel, 0);
  const back = new Array(span * span).fill(0);
  for (const [i, j, value] of lesson.backward.places[m.filter]) {
    const row = i - m.top, column = j - m.left;
    if (row >= 0 && row < span && column >= 0 && column < span) back[row * span + column] = value;
  }
  // which number of the kernel an entry of the matrix is tied to; -1 for none
  const number = Array.from({ length: span * span * n }, (_, index) => {
    const p = Math.floor(index / n), q = index % n;
    const u = Math.floor(q / width) - Math.floor(p / span), v = q % width - p % span;
    return u >= 0 && u < k && v >= 0 && v < k ? u * k + v : -1;
  });
  const grids = {
    crop: new Grid(at("crop"), width, width, "grey"), kernel: new Grid(at("kernel"), k, k, "signed"),
    output: new Grid(at("output"), span, span, "signed"), matrix: new Grid(at("matrix"), span * span, n, "signed", 0.04),
  };
  grids.crop.paint(crop);
  const view = pick("matrix-view", show), tie = pick("matrix-tie", show);
  const row = new Stepper("matrix-row", show, 600);
  const title = (name, text) => { box.querySelector(`[data-title="${name}"]`).textContent = text; };
  function show() {
    const p = row.value, i = Math.floor(p / span), j = p % span, followed = tie.value === "" ? -1 : Number(tie.value);
    const gradient = view.value === "gradient";
    const entries = number.map((which, index) => gradient ? back[Math.floor(index / n)] * crop[index % n] : which < 0 ? 0 : kernel[which]);
    const tied = new Array(k * k).fill(0);
    number.forEach((which, index) => { if (which >= 0) tied[which] += entries[index]; });
    grids.matrix.paint(entries);
    grids.output.paint(gradient ? back : sums);
    grids.kernel.paint(gradient ? tied : kernel);
    grids.kernel.write((gradient ? tied : kernel).map((value) => fixed(value, 2)));
    title("kernel", gradient ? "Tied copies summed" : "The kernel");
    title("output", gradient ? "Gradient for the outputs" : "The outputs");
    title("matrix", gradient ? "Gradient of a fully connected layer" : `The matrix: ${span * span} outputs \u00d7 ${n} pixels`);
    grids.crop.frame("window", i, j, k, k);
    grids.output.frame("place", i, j);
    grids.matrix.frame("row", p, 0, 1, n);
    for (const grid of Object.values(grids)) grid.unframe("tied");
    if (followed >= 0) {
      grids.kernel.frame("tied", Math.floor(followed / k), followed % k);
      number.forEach((which, index) => { if (which === followed) grids.matrix.frame(`tied${index}`, Math.floor(index / n), index % n, 1, 1, "tied"); });
      grids.crop.frame("tied", i + Math.floor(followed / k), j + followed % k, 1, 1);
    }
    const name = `Output ${p + 1} (row ${i + 1}, column ${j + 1})`;
    let text = gradient
      ? `${name}: its gradient ${brief(back[p])} times each of the ${n} pixels is row ${p + 1}.`
      : `${name} is row ${p + 1} of the matrix times the ${n} pixels: ${k * k} products and ${n - k * k} zeros, sum ${fixed(sums[p])}.`;
    if (followed >= 0) {
      const shown = number.flatMap((which, index) => which === followed && entries[index] !== 0 ? [brief(entries[index])] : []);
      text += gradient
        ? ` The number followed has ${span * span} copies in the matrix; their gradients${shown.length ? " that are not zero, " + shown.join(" + ").replaceAll("+ \u2212", "\u2212 ") + "," : " are all zero and"} add up to ${brief(tied[followed])}: that is its gradient, for the outputs of this crop.`
        : ` The number followed, ${fixed(kernel[followed])}, stands in ${span * span} places; change it and all of them change.`;
    } else if (gradient) text += " Follow one kernel number to see its copies added up. Entries that are always zero have nothing to learn.";
    grids.matrix.label(`${gradient ? "Gradient for a matrix" : "Matrix"} of ${span * span} rows and ${n} columns; row ${p + 1} is marked`);
    grids.crop.label(`Crop of ${width} by ${width} pixels, window at row ${i + 1}, column ${j + 1}`);
    grids.kernel.label((gradient ? "Gradient for the kernel: " : "The kernel: ") + (gradient ? tied : kernel).map((value) => fixed(value, 2)).join(", "));
    grids.output.label(`${name}: ${gradient ? brief(back[p]) : fixed(sums[p])}`);
    row.tell(name);
    say("matrix-said", text, row.playing);
  }
  show();
}
