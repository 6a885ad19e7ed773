for (const exhibit of [slide, matrix, gradient, training, contest, weights, meeting]) exhibit();
// Only now offer the controls: without scripts the page is complete, but still.
for (const controls of document.querySelectorAll(".controls, .stepper")) controls.hidden = false;
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
