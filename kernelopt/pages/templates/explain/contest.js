// Exhibit 5: learned minus fixed, size by size, with intervals.
function contest() {
  const study = JSON.parse(document.getElementById("study").textContent);
  const box = document.getElementById("contest-exhibit"), host = box.querySelector('[data-plot="difference"]');
  const rival = pick("contest-rival", draw), size = new Stepper("contest-size", show, 1200);
  const every = Object.values(study).flat(); // one scale for all choices
  const low = 100 * Math.min(0, ...every.map((d) => d[2])), high = 100 * Math.max(0, ...every.map((d) => d[3]));
  const points = (value) => (value > 0 ? "+" : "") + fixed(100 * value, 1);
  let plot;
  function draw() {
    const found = study[rival.value], sizes = found.map((d) => d[0]);
    size.limit(sizes.length - 1, Math.min(size.value, sizes.length - 1));
    plot = new Plot(host, {
      low: low - 0.3, high: high + 0.3, first: sizes[0] * 0.75, last: sizes[sizes.length - 1] * 1.35, log: true,
      ticksX: sizes.map((n) => [n, count(n)]), ticksY: ticks(low, high), nameX: "training images", nameY: "points of test accuracy",
      label: `Learned minus ${rival.selectedOptions[0].textContent}, by training images; the table below has the numbers`,
    });
    const between = (plot.x(sizes[0]) + plot.x(sizes[1])) / 2;
    node("text", { x: between, y: plot.top + 8, "text-anchor": "middle" }, plot.svg, "learned is better \u2191");
    node("text", { x: between, y: plot.floor - 8, "text-anchor": "middle" }, plot.svg, "fixed is better \u2193");
    plot.line(found.map((d) => [d[0], 100 * d[1]]), "filters dim");
    plot.marks = found.map(([n, mean, from, to]) => {
      const group = node("g", { class: "filters bold" }, plot.svg), x = plot.x(n);
      node("line", { x1: x, x2: x, y1: plot.y(100 * from), y2: plot.y(100 * to), class: "whisker" }, group);
      node("circle", { cx: x, cy: plot.y(100 * mean), r: 5, class: "mark" }, group);
      return group;
    });
    show();
  }
  function show() {
    const found = study[rival.value], [n, mean, from, to, words] = found[Math.min(size.value, found.length - 1)];
    plot.marks.forEach((mark, index) => mark.setAttribute("class", index === size.value ? "filters bold" : "filters bold dim"));
    plot.cursor(n);
    size.tell(`${count(n)} training images`);
    say("contest-said", `${count(n)} training images, learned kernels minus ${rival.selectedOptions[0].textContent}: ${points(mean)} points [${points(from)}, ${points(to)}]. Verdict: ${words}.`, size.playing);
  }
  draw();
}
