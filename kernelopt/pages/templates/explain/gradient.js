// Exhibit 3: a kernel's gradient as the cross-correlation of the image with the gradient for the output.
function gradient() {
  const box = document.getElementById("gradient-exhibit");
  const at = (name) => box.querySelector(`[data-grid="${name}"]`);
  const tally = (name, text) => { box.querySelector(`[data-tally="${name}"]`).textContent = text; };
  const picture = new Grid(at("image"), side, side, "grey"), map = new Grid(at("output"), out, out, "signed");
  const kernel = new Grid(at("kernel"), k, k, "signed");
  const filter = pick("gradient-filter", choose), entry = pick("gradient-entry", choose);
  const step = new Stepper("gradient-step", show, 350);
  let terms = [];
  picture.paint(image);
  function choose() {
    const u = Math.floor(entry.value / k), v = entry.value % k, back = new Array(out * out).fill(0);
    terms = [];
    for (const [i, j, value] of lesson.backward.places[filter.value]) {
      back[i * out + j] = value;
      const pixel = image[(i + u) * side + j + v];
      if (pixel !== 0) terms.push({ i, j, value, pixel });
    }
    map.paint(back);
    kernel.paint(lesson.backward.autograd[filter.value]);
    kernel.write(lesson.backward.autograd[filter.value].map((value) => fixed(value, 2)));
    kernel.frame("entry", u, v);
    kernel.label("Gradient for the kernel: " + lesson.backward.autograd[filter.value].map((value) => brief(value)).join(", "));
    picture.frame("shift", u, v, out, out);
    step.limit(terms.length, Math.min(20, terms.length));
    show();
  }
  function show() {
    const u = Math.floor(entry.value / k), v = entry.value % k, done = step.value, exact = lesson.backward.autograd[filter.value][entry.value];
    const sum = terms.slice(0, done).reduce((total, term) => total + term.value * term.pixel, 0);
    let text = `Kernel ${Number(filter.value) + 1}, number in row ${u + 1}, column ${v + 1}: `;
    if (terms.length === 0) text += "no product is other than zero, so this image does not move it.";
    else if (done === 0) text += `${terms.length} products to add.`;
    else {
      const { i, j, value, pixel } = terms[done - 1];
      picture.frame("pixel", i + u, j + v); map.frame("place", i, j);
      text += `product ${done} of ${terms.length}, gradient ${brief(value)} at row ${i + 1}, column ${j + 1} \u00d7 pixel ${fixed(pixel)} at row ${i + u + 1}, column ${j + v + 1} = ${brief(value * pixel)}. Sum so far ${fixed(sum, 6)}.`;
    }
    if (done === 0) { picture.unframe("pixel"); map.unframe("place"); }
    if (done === terms.length && done > 0) {
      const error = Math.abs(sum - exact);
      text += ` That is all: torch\u2019s automatic differentiation found ${fixed(exact, 6)}${error < 1e-9 ? ", the same to nine digits after the point" : `, ${error.toExponential(1)} away`}.`;
      text += ` A step downhill makes this number ${exact < 0 ? "larger" : exact > 0 ? "smaller" : "neither larger nor smaller"}, as far as this image goes.`;
    }
    tally("sum", fixed(sum, 6)); tally("autograd", fixed(exact, 6)); tally("left", String(terms.length - done));
    picture.label(`The image; the part that this number looked at starts at row ${u + 1}, column ${v + 1}`);
    map.label(`Gradient for the ${out} by ${out} outputs of the kernel`);
    step.tell(`${done} of ${terms.length}, sum ${fixed(sum, 6)}`);
    say("gradient-said", text, step.playing);
  }
  choose();
}
