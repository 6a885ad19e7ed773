// Exhibit 7: the kernel that learned filters make, beside the one that learned weights make.
function meeting() {
  const box = document.getElementById("meeting-exhibit"), n = lesson.shown.length, meet = lesson.meeting, w = lesson.weights;
  const network = new Grid(box.querySelector('[data-grid="network"]'), n, n, "amount");
  const machine = new Grid(box.querySelector('[data-grid="machine"]'), n, n, "amount");
  const K = mix(w.grams.map((triangle) => unfold(triangle, n)), w.weights[w.weights.length - 1]);
  machine.paint(K.map((value, index) => value / Math.sqrt(K[Math.floor(index / n) * (n + 1)] * K[(index % n) * (n + 1)])), 1);
  machine.label("Likeness by the learned weights");
  borders(network, n); borders(machine, n);
  const title = box.querySelector('[data-title="network"]'), epoch = new Stepper("meeting-epoch", show, 900);
  function show() {
    const t = epoch.value;
    network.paint(unfold(meet.grams[t], n), 1);
    network.label(`Likeness by the network\u2019s features at epoch ${meet.epochs[t]}`);
    title.textContent = `By the network\u2019s features, epoch ${meet.epochs[t]}`;
    epoch.tell(`epoch ${meet.epochs[t]}`);
    say("meeting-said", `Epoch ${meet.epochs[t]}: the features\u2019 kernel has centred alignment ${fixed(meet.alignment[t])} with the classes${t ? `; it had ${fixed(meet.alignment[0])} at the start` : ""}. The learned weights\u2019 kernel has ${fixed(w.alignment[w.alignment.length - 1])}; equal weights had ${fixed(w.alignment[0])}.`, epoch.playing);
  }
  show();
}
