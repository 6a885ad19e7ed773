// Exhibit 4: loss, kernels and their answers, scrubbed through training.
function training() {
  const box = document.getElementById("training-exhibit");
  const { learned, fixed: frozen, epochs, steps } = lesson.training, all = lesson.filters;
  const count_ = all.filters[0].length, columns = 4, rows = Math.ceil(count_ / columns);
  const title = box.querySelector('[data-title="kernels"]');
  const high = Math.max(...learned.loss, ...frozen.loss) * 1.04;
  const plot = new Plot(box.querySelector('[data-plot="loss"]'), {
    low: 0, high, first: 0, last: epochs, ticksX: ticks(0, epochs, 6).filter(([value]) => Number.isInteger(value)), ticksY: ticks(0, high), nameX: "epoch", nameY: "mean cross-entropy",
    label: "Training loss by epoch with learned and with frozen kernels; the text below the slider has the numbers",
  });
  plot.line(frozen.loss.map((value, epoch) => [epoch, value]), "filters v0");
  plot.line(learned.loss.map((value, epoch) => [epoch, value]), "filters bold");
  const farthest = Math.max(...learned.move, ...learned.deep_move) * 1.08;
  const moved = new Plot(box.querySelector('[data-plot="move"]'), {
    low: 0, high: farthest, first: 0, last: epochs, ticksX: ticks(0, epochs, 6).filter(([value]) => Number.isInteger(value)),
    ticksY: ticks(0, farthest).map(([value]) => [value, percent(value)]), nameX: "epoch", nameY: "distance from the start, over the start\u2019s size",
    label: "How far each layer\u2019s kernels are from their start, by epoch; the text below the slider has the numbers",
  });
  moved.line(learned.deep_move.map((value, epoch) => [epoch, value]), "filters v1");
  moved.line(learned.move.map((value, epoch) => [epoch, value]), "filters bold");
  // several small squares side by side, one cell apart, as one grid
  function sheet(name, width, kind) {
    const grid = new Grid(box.querySelector(`[data-grid="${name}"]`), rows * (width + 1) - 1, columns * (width + 1) - 1, kind);
    grid.svg.querySelector(".ground").setAttribute("class", "nothing");
    grid.svg.querySelector(".nothing").setAttribute("fill", "none");
    for (let f = 0; f < count_; f++) {
      const ground = node("rect", { x: (f % columns) * (width + 1), y: Math.floor(f / columns) * (width + 1), width, height: width, class: "ground" });
      grid.svg.prepend(ground);
    }
    return (squares, most) => {
      const values = new Array(grid.rows * grid.columns).fill(undefined);
      squares.forEach((square, f) => square.forEach((value, index) => {
        const row = Math.floor(f / columns) * (width + 1) + Math.floor(index / width);
        values[row * grid.columns + (f % columns) * (width + 1) + index % width] = value;
      }));
      grid.paint(values.map((value) => value === undefined ? 0 : value), most);
      return grid;
    };
  }
  const kernels = sheet("kernels", k, "signed"), answers = sheet("answers", all.answer_side, "amount");
  const change = all.filters.map((found) => found.map((kernel, f) => kernel.map((value, index) => value - all.filters[0][f][index])));
  const most = { kernels: largest(all.filters.flat(2)), change: largest(change.flat(2)), answers: largest(all.answers.flat(2)) };
  const view = pick("training-view", show), epoch = new Stepper("training-epoch", show, 600);
  function show() {
    const t = epoch.value, changes = view.value === "change";
    title.textContent = changes ? "How far they are from their start" : "The first layer\u2019s kernels";
    kernels((changes ? change : all.filters)[t], most[view.value]).label(`${count_} kernels of ${k} by ${k} ${changes ? "minus their start " : ""}at epoch ${t}`);
    answers(all.answers[t], most.answers).label(`What each of the ${count_} kernels passes on of the image at epoch ${t}`);
    plot.cursor(t); moved.cursor(t);
    moved.dot("deep", t, learned.deep_move[t], "filters v1"); moved.dot("first", t, learned.move[t], "filters bold");
    plot.dot("frozen", t, frozen.loss[t], "filters v0"); plot.dot("learned", t, learned.loss[t], "filters bold");
    epoch.tell(`epoch ${t} of ${epochs}`);
    say("training-said", `Epoch ${t} of ${epochs}, ${count(Math.round(steps * t / epochs))} steps: loss ${fixed(learned.loss[t])} with learned kernels, ${fixed(frozen.loss[t])} with frozen ones. The first layer\u2019s kernels have moved by ${percent(learned.move[t], 1)} of their size, the second layer\u2019s by ${percent(learned.deep_move[t], 1)}; frozen ones by 0%.`, epoch.playing);
  }
  show();
}
