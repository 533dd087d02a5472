// Filters of the matrix. The page says everything without them.
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

  const wanted = (row, facet, word, failing, claimed) =>
    (!facet || row.dataset.facet === facet) &&
    (!failing || bad.has(row.dataset.status)) &&
    (!claimed || row.dataset.status !== "not_claimed") &&
    row.dataset.name.includes(word);

  const update = () => {
    const chosen = facets.find(pressed);
    const facet = chosen ? chosen.dataset.facet : "";
    const word = search.value.trim().toLowerCase();
    const failing = on("failing");
    const claimed = on("unclaimed");
    for (const row of rows) row.hidden = !wanted(row, facet, word, failing, claimed);
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
