"use strict";
(function () {
  const SVG = "http://www.w3.org/2000/svg";
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // The table of cells: a button in each heading sorts, a box filters.
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
        const rows = [...body.rows].sort((a, b) => {
          const p = value(a), q = value(b);
          if (p === "" || q === "") return (p === "") - (q === ""); // what is missing stays last
          const order = head.dataset.kind === "number" ? p - q : p.localeCompare(q);
          return down ? -order : order;
        });
        body.append(...rows);
      });
    });
  }
  for (const box of document.querySelectorAll("[data-filter]")) {
    const table = document.getElementById(box.dataset.filter);
    const said = document.getElementById(box.dataset.filter + "-count");
    const rows = [...table.tBodies[0].rows];
    const apply = () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
        shown += !row.hidden;
      }
      said.textContent = `${shown} of ${rows.length} cells`;
    };
    box.addEventListener("input", apply);
    apply();
  }

  // The filters: a slider over the recorded epochs, and a choice of training size and seed.
  function draw(svg, cell, frame) {
    const [n, h, w] = cell.shape;
    const columns = Math.ceil(Math.sqrt(n));
    const paths = new Map();
    [...cell.frames[frame]].forEach((letter, index) => {
      const which = Math.floor(index / (h * w)), i = Math.floor((index % (h * w)) / w), j = index % w;
      const x = (which % columns) * (w + 1) + j, y = Math.floor(which / columns) * (h + 1) + i;
      paths.set(letter, (paths.get(letter) || "") + `M${x} ${y}h1v1h-1z`);
    });
    const group = document.createElementNS(SVG, "g");
    group.setAttribute("class", "shades");
    for (const [letter, d] of paths) {
      const level = letter.charCodeAt(0) - 65 - LEVELS;
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", d);
      path.setAttribute("class", level < 0 ? "negative" : "positive");
      path.setAttribute("fill-opacity", Math.abs(level) / LEVELS);
      group.append(path);
    }
    svg.querySelector(".shades").replaceWith(group);
  }
  let LEVELS = 1;
  for (const box of document.querySelectorAll("[data-scrubber]")) {
    const data = JSON.parse(box.querySelector("script").textContent);
    LEVELS = data.levels;
    const find = (name) => box.querySelector(`[data-control="${name}"]`);
    const range = find("epoch"), play = find("play"), size = find("size"), seed = find("seed"), said = find("said");
    let timer = 0;
    const cell = () => data.cells[size.value + "/" + seed.value];
    const lead = () => (cell() || {})[data.lead];
    function show() {
      const chosen = cell() || {};
      const leading = lead();
      const epoch = leading ? leading.epochs[range.value] : Infinity;
      for (const svg of box.querySelectorAll("svg[data-panel]")) {
        const own = chosen[svg.dataset.panel];
        const panel = svg.closest(".panel");
        panel.hidden = !own;
        if (!own) continue;
        let frame = 0;
        if (svg.dataset.role === "moving") own.epochs.forEach((at, k) => { if (at <= epoch) frame = k; });
        draw(svg, own, frame);
        panel.querySelector("[data-epoch]").textContent = svg.dataset.role === "still" ? "" : `epoch ${own.epochs[frame]}, `;
        panel.querySelector("[data-largest]").textContent = own.largest;
        svg.setAttribute("aria-label", svg.getAttribute("aria-label")
          .replace(/at epoch \S+:/, `at epoch ${own.epochs[frame]}:`).replace(/plus \S+$/, `plus ${own.largest}`));
      }
      if (!leading) { said.textContent = "no cell recorded its filters at this size and seed"; return; }
      const moved = leading.moves[range.value];
      said.textContent = `epoch ${epoch} of ${leading.epochs[leading.epochs.length - 1]}`
        + (moved === null ? "" : `; moved by ${(100 * moved).toFixed(0)}% of the start’s norm`);
      range.setAttribute("aria-valuetext", said.textContent);
    }
    function stop() { clearInterval(timer); timer = 0; play.textContent = "Play"; }
    function choose() {
      stop();
      const leading = lead();
      range.max = leading ? leading.frames.length - 1 : 0;
      range.value = range.max;
      range.disabled = play.disabled = !leading;
      show();
    }
    range.addEventListener("input", () => { stop(); show(); });
    size.addEventListener("change", choose);
    seed.addEventListener("change", choose);
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (range.value === range.max) range.value = 0;
      show();
      play.textContent = "Pause";
      timer = setInterval(() => {
        if (range.value === range.max) { stop(); return; }
        range.value = Number(range.value) + 1;
        show();
      }, calm.matches ? 1400 : 450);
    });
    choose();
  }

  // Alignment over epochs: a slider moves a line through the charts of one training size and fills the table.
  for (const box of document.querySelectorAll("[data-epochs]")) {
    const data = JSON.parse(box.querySelector("script").textContent);
    const find = (name) => box.querySelector(`[data-control="${name}"]`);
    const range = find("epoch"), size = find("size"), said = find("said"), caption = find("caption");
    const show = () => {
      const own = data[size.value], which = Number(range.value), epoch = own.epochs[which];
      for (const group of box.querySelectorAll("[data-size]")) {
        group.hidden = group.dataset.size !== size.value;
        for (const svg of group.querySelectorAll("svg.chart")) {
          const line = svg.querySelector(".cursor"), left = Number(svg.dataset.left), right = Number(svg.dataset.right);
          const x = left + (right - left) * own.at[which];
          line.setAttribute("x1", x);
          line.setAttribute("x2", x);
          line.setAttribute("visibility", "visible");
        }
      }
      for (const cell of box.querySelectorAll("[data-value-of]")) {
        const value = (own.values[cell.dataset.valueOf] || [])[which];
        cell.textContent = value === undefined || value === null ? "–" : value.toFixed(3);
      }
      const chosen = size.selectedOptions[0].textContent;
      said.textContent = `epoch ${epoch} of ${own.epochs[own.epochs.length - 1]}`;
      caption.textContent = `epoch ${epoch}, ${chosen} training ${caption.dataset.things}`;
      range.setAttribute("aria-valuetext", said.textContent);
    };
    range.addEventListener("input", show);
    size.addEventListener("change", () => {
      range.max = data[size.value].epochs.length - 1;
      range.value = range.max;
      show();
    });
    show();
    // On paper all sizes are seen.
    addEventListener("beforeprint", () => box.querySelectorAll("[data-size]").forEach((group) => { group.hidden = false; }));
    addEventListener("afterprint", show);
  }

  // Only now offer the controls: without scripts the page is complete, but still.
  for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
