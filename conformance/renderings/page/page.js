// The page says everything without these. The result in one line, to be copied:
(() => {
  const button = document.getElementById("copy");
  if (!button) return;
  const result = document.querySelector("#result code");
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(result);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return document.execCommand("copy");
  };
  const copy = () => navigator.clipboard
    ? navigator.clipboard.writeText(result.textContent).then(() => true, select)
    : Promise.resolve(select());
  button.addEventListener("click", () => copy().then((done) => {
    button.textContent = done ? "Copied" : "Press Ctrl+C";
  }));
  button.hidden = false;
})();

// What is folded is printed.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});

// Filters of the matrix.
(() => {
  const bar = document.getElementById("filters");
  const grid = document.getElementById("grid");
  if (!bar || !grid) return;
  const rows = [...grid.querySelectorAll("tr[data-facet]")];
  const facets = [...bar.querySelectorAll("button[data-facet]")];
  const toggles = [...bar.querySelectorAll("button[data-toggle]")];
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const bad = new Set(["failed", "errored"]);
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const press = (button, yes) => button.setAttribute("aria-pressed", String(yes));
  const on = (name) => toggles.some((button) => button.dataset.toggle === name && pressed(button));

  const wanted = (row, facet, word, failing) =>
    (!facet || row.dataset.facet === facet) &&
    (!failing || bad.has(row.dataset.status)) &&
    row.dataset.name.includes(word);

  const update = () => {
    const chosen = facets.find(pressed);
    const facet = chosen ? chosen.dataset.facet : "";
    const word = search.value.trim().toLowerCase();
    const failing = on("failing");
    for (const row of rows) row.hidden = !wanted(row, facet, word, failing);
    for (const body of grid.tBodies) body.hidden = ![...body.rows].some((row) => row.dataset.facet && !row.hidden);
    shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} features shown`;
  };

  for (const button of facets) {
    button.addEventListener("click", () => {
      for (const each of facets) press(each, each === button);
      update();
    });
  }
  for (const button of toggles) {
    button.addEventListener("click", () => {
      press(button, !pressed(button));
      update();
    });
  }
  search.addEventListener("input", update);
  bar.hidden = false;
  update();
})();
