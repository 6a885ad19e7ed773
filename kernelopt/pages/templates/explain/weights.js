// Exhibit 6: the Gram matrix while the weights of its kernels are learned.
function weights() {
  const box = document.getElementById("weights-exhibit"), w = lesson.weights, n = lesson.shown.length, labels = JSON.parse(document.getElementById("kernel-labels").textContent);
  const bases = w.grams.map((triangle) => unfold(triangle, n));
  const gram = new Grid(box.querySelector('[data-grid="gram"]'), n, n, "amount");
  const pair = ["left", "right"].map((name) => new Grid(box.querySelector(`[data-grid="${name}"]`), side, side, "grey"));
  const bars = box.querySelector("[data-bars]"), title = box.querySelector('[data-title="gram"]');
  const rows = labels.map((name) => {
    const label = html("span", "name", bars, name), track = html("span", "track", bars), fill = html("i", "", track);
    return { label, fill, value: html("span", "value", bars) };
  });
  let chosen = [0, Math.min(1, n - 1)];
  borders(gram, n);
  const view = pick("weights-view", show), step = new Stepper("weights-step", show, 800);
  gram.steer(() => chosen, (i, j) => { chosen = [i, j]; show(); });
  // the two bounds may start far apart and of either sign: show the part where they close in
  const best = w.dual[w.dual.length - 1], high = Math.max(...w.primal), low = Math.min(...w.dual);
  const plot = new Plot(box.querySelector('[data-plot="bounds"]'), {
    low: low - 0.04 * (high - low), high: high + 0.04 * (high - low), first: 0, last: w.primal.length - 1,
    ticksX: ticks(0, w.primal.length - 1, 6).filter(([value]) => Number.isInteger(value)), ticksY: ticks(low, high), nameX: "step", nameY: "cost",
    label: "Upper and lower bound of the best cost, by step; the text below the slider has the numbers",
  });
  plot.line(w.primal.map((value, t) => [t, value]), "convex bold");
  plot.line(w.dual.map((value, t) => [t, value]), "convex v0");
  const frames = w.weights.map((mu) => mix(bases, mu));
  function show() {
    const t = step.value, alone = view.value !== "sum", [i, j] = chosen, index = i * n + j;
    const K = alone ? bases[view.value] : frames[t];
    gram.paint(K);
    gram.frame("pair", i, j);
    title.textContent = alone ? `${labels[view.value]}, alone` : `Gram matrix of ${n} images, step ${t}`;
    const most = Math.max(...w.weights.flat());
    rows.forEach(({ label, fill, value }, m) => {
      fill.style.width = `${100 * w.weights[t][m] / most}%`;
      value.textContent = w.weights[t][m].toFixed(3);
      label.className = alone && Number(view.value) === m ? "name chosen" : "name";
    });
    pair[0].paint(pixels(lesson.shown[i])); pair[1].paint(pixels(lesson.shown[j]));
    const names = [i, j].map((which) => lesson.classes[lesson.shown_labels[which]]);
    pair.forEach((grid, side_) => grid.label(`Image ${[i, j][side_] + 1}, ${names[side_]}`));
    const shares = bases.map((base, m) => [w.weights[t][m], base[index], m]).filter(([mu, value]) => mu * value >= 0.0005 * frames[t][index]).sort((a, b) => b[0] * b[1] - a[0] * a[1]);
    box.querySelector("[data-pair]").textContent = `${names[0]} and ${names[1]}: ` + shares.slice(0, 3).map(([mu, value]) => `${mu.toFixed(3)} \u00d7 ${brief(value)}`).join(" + ") + (shares.length > 3 ? " + \u2026" : "") + ` = ${fixed(frames[t][index])}`;
    plot.cursor(t);
    plot.dot("dual", t, w.dual[t], "convex v0"); plot.dot("primal", t, w.primal[t], "convex bold");
    gram.label(`Likeness of ${n} images; marked: ${names[0]} and ${names[1]}, ${fixed(K[index])}`);
    step.tell(`step ${t} of ${step.last}`);
    say("weights-said", `Step ${t} of ${step.last}: cost ${fixed(w.primal[t], 1)}; the least possible is proven to be at least ${fixed(w.dual[t], 1)}. Images ${i + 1} and ${j + 1} (${names.join(", ")}): ${alone ? `${labels[view.value]} alone says ${fixed(K[index])}` : `likeness ${fixed(K[index])}`}. Centred alignment with the classes ${fixed(w.alignment[t])}.`, step.playing);
  }
  show();
}
const mix = (bases, mu) => bases[0].map((_, index) => bases.reduce((sum, base, m) => sum + mu[m] * base[index], 0));
// fine lines between the classes
function borders(grid, n) {
  for (let i = 1; i < n; i++) if (lesson.shown_labels[i] !== lesson.shown_labels[i - 1]) {
    node("path", { d: `M0 ${i}H${n}M${i} 0V${n}`, class: "line" }, grid.svg);
  }
}
