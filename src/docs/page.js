const sections = [...document.querySelectorAll("main section")];
const words = new Map(sections.map((section) => [section, section.textContent.toLowerCase()]));
document.getElementById("search").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of sections) {
    const hidden = !wanted.every((word) => words.get(section).includes(word));
    section.hidden = hidden;
    document.querySelector(`nav a[href="#${section.id}"]`).parentElement.hidden = hidden;
  }
});
const graph = document.getElementById("graph");
const edges = [...graph.querySelectorAll("path")];
const trace = (node, on, near, far) => {
  for (const edge of edges.filter((edge) => edge.dataset[near] === node)) {
    on.add(edge);
    const next = edge.dataset[far];
    const box = graph.querySelector(`a[data-node="${next}"]`);
    if (!on.has(box)) {
      on.add(box);
      trace(next, on, near, far);
    }
  }
};
for (const box of graph.querySelectorAll("a")) {
  box.addEventListener("mouseenter", () => {
    const behind = new Set([box]), before = new Set([box]);
    trace(box.dataset.node, behind, "from", "to");
    trace(box.dataset.node, before, "to", "from");
    for (const part of [...behind, ...before]) part.classList.add("on");
    graph.classList.add("traced");
  });
  box.addEventListener("mouseleave", () => {
    graph.classList.remove("traced");
    for (const part of graph.querySelectorAll(".on")) part.classList.remove("on");
  });
}
