// Exhibit 1: a kernel slides over a real image, multiply-add by multiply-add.
function slide() {
  const box = document.getElementById("slide-exhibit");
  const at = (name) => box.querySelector(`[data-grid="${name}"]`);
  const picture = new Grid(at("image"), side, side, "grey"), map = new Grid(at("output"), out, out, "signed");
  const numbers = new Grid(at("kernel"), k, k, "signed");
  const products = box.querySelector("[data-products]"), total = box.querySelector("[data-sum]");
  const cards = Array.from({ length: k * k }, () => html("div", "", products));
  const filter = pick("slide-filter", show), state = pick("slide-state", show);
  const place = new Stepper("slide-place", () => { step.range.value = step.last; show(); }, 90);
  const step = new Stepper("slide-step", show, 700);
  products.style.gridTemplateColumns = `repeat(${k}, minmax(0, 1fr))`;
  picture.paint(image);
  picture.steer(() => [Math.floor(place.value / out), place.value % out], (i, j) => {
    place.stop(); step.stop(); step.range.value = step.last; place.set(i * out + j);
  }, [out, out]);
  function show() {
    const epoch = state.value === "start" ? 0 : lesson.training.epochs;
    const kernel = lesson.filters.filters[epoch][filter.value], bias = lesson.filters.bias[epoch][filter.value];
    const i = Math.floor(place.value / out), j = place.value % out, done = step.value;
    const sums = correlate(image, side, kernel, 0);
    numbers.paint(kernel); numbers.write(kernel.map((value) => fixed(value, 2)));
    numbers.label("The kernel: " + kernel.map((value) => fixed(value, 2)).join(", "));
    if (done > 0) numbers.frame("entry", Math.floor((done - 1) / k), (done - 1) % k); else numbers.unframe("entry");
    map.paint(sums.slice(0, place.value + (done === k * k ? 1 : 0)), largest(sums));
    map.frame("place", i, j);
    picture.frame("window", i, j, k, k);
    let sum = 0, said = "";
    cards.forEach((card, n) => {
      const u = Math.floor(n / k), v = n % k, pixel = image[(i + u) * side + j + v], product = pixel * kernel[n];
      if (n < done) sum += product;
      card.className = (n >= done ? "todo" : product > 0 ? "positive" : product < 0 ? "negative" : "") + (n === done - 1 ? " now" : "");
      card.replaceChildren(document.createTextNode(`${fixed(pixel, 2)} \u00d7 ${fixed(kernel[n], 2)}`), html("b", "", null, `= ${fixed(product)}`));
      if (n === done - 1) {
        picture.frame("pixel", i + u, j + v);
        said = `Product ${done} of ${k * k}: ${fixed(pixel)} \u00d7 ${fixed(kernel[n])} = ${fixed(product)}. `;
      }
    });
    if (done === 0) picture.unframe("pixel");
    const whole = done === k * k;
    total.replaceChildren(whole ? "sum " : "sum so far ", html("strong", "", null, fixed(sum)));
    if (whole) html("span", "", total, `with bias ${fixed(bias)}: ${fixed(sum + bias)}`);
    if (whole) html("span", "", total, `rectified: ${fixed(Math.max(0, sum + bias))}`);
    const where = `row ${i + 1}, column ${j + 1}`;
    picture.label(`The image, 28 by 28 pixels, and the window at ${where}`.replace(/28/g, side));
    map.label(`Output of the kernel up to ${where}: ${fixed(sum)} there`);
    place.tell(where); step.tell(`${done} of ${k * k}, sum ${fixed(sum)}`);
    say("slide-said", `At ${where}: ${said}Sum ${whole ? "" : "so far "}${fixed(sum)}.`, place.playing);
  }
  show();
}
