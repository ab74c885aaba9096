// Every concept by all methods side by side: filtered, and the worst forgotten first.
(function () {
  const { data, byId, el, fixed, fill, opener } = page;
  if (!byId("gallery")) return;
  const [tableOf, seedOf, whenOf, orderOf] = ["table", "seed", "when", "order"].map((name) => byId(`g-${name}`));
  const [methodsOf, conceptsOf] = ["methods", "concepts"].map((name) => byId(`g-${name}`));
  const list = byId("g-concepts-list");
  const [LAST, FORGOTTEN, LEARNED] = [0, 1, 2]; // where a task's figures stand

  const table = () => data.tables[tableOf.value];
  // 'lora, cd': what has one of these words in it, whatever the case; nothing to look for finds all
  function matches(input, text) {
    const words = input.value.toLowerCase().split(",").map((word) => word.trim()).filter(Boolean);
    return !words.length || words.some((word) => text.toLowerCase().includes(word));
  }
  // The methods that are shown, each with its cell of the seed.
  function methods() {
    return table().lines.filter((line) => matches(methodsOf, line.label)).map((line) => ({
      label: line.name,
      cell: line.cells.map((k) => data.cells[k]).find(({ seed }) => String(seed) === seedOf.value),
    })).filter(({ cell }) => cell);
  }
  const figure = (cell, j, which) => cell.tasks[j]?.[2][which]?.[0];
  function forgotten(shown, j) {
    const values = shown.map(({ cell }) => figure(cell, j, FORGOTTEN)).filter((value) => value !== undefined);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  }
  function setOf(cell, j) {
    const [, after] = cell.tasks[j] ?? [null, []];
    const i = whenOf.value === "last" ? cell.n : j;
    return after.find(([step]) => step === i)?.[1] ?? null;
  }

  function draw() {
    const shown = methods();
    const every = table().tasks;
    const tasks = every.filter(([j, name, category]) => matches(conceptsOf, `${j} ${name} ${category}`))
      .map(([j, name]) => ({ j, name, lost: forgotten(shown, j) }));
    if (orderOf.value === "forgotten") tasks.sort((a, b) => (b.lost ?? -Infinity) - (a.lost ?? -Infinity) || a.j - b.j);
    list.replaceChildren(...tasks.map((task) => concept(task, shown)));
    const of = (count, all, noun) => `${count} of ${all} ${noun}${all === 1 ? "" : "s"}`;
    byId("g-count").textContent =
      `${of(shown.length, table().lines.length, "method")}, ${of(tasks.length, every.length, "concept")}` +
      (shown.length && tasks.length ? "" : "; nothing to show") + (table().changes ? `; all with ${table().changes}` : "");
  }
  function concept({ j, name, lost }, shown) {
    const real = shown.map(({ cell }) => cell.tasks[j]?.[0]).find((set) => set !== null && set !== undefined) ?? null;
    const all = [];
    const cards = [];
    const add = (set, label, alt, lines, kind) => {
      const caption = el("figcaption", {}, label, ...lines.map((line) => el("span", { class: "remark" }, line)));
      if (set === null) {
        cards.push(el("figure", { class: kind }, el("p", { class: "empty" }, "no image"), caption));
        return;
      }
      const shot = { set, k: 0, name: `${name}: ${label}`, alt, real };
      all.push(shot);
      cards.push(el("figure", { class: kind }, opener(shot, all), caption));
    };
    add(real, "real image", `A real image of ${name}`, [], "real");
    const when = whenOf.value === "last" ? "after the last task" : "just after it was learned";
    for (const { label, cell } of shown) {
      const now = figure(cell, j, whenOf.value === "last" ? LAST : LEARNED);
      const gone = figure(cell, j, FORGOTTEN);
      const lines = [now === undefined ? null : `A ${fixed(now)}`, gone === undefined ? null : `F ${fixed(gone)}`];
      add(setOf(cell, j), label, `${name} as ${label} draws it ${when}`, lines.filter(Boolean), "");
    }
    const words = lost === null ? "" : `F_mmd ${fixed(lost)}, the mean of these methods`;
    return el("section", { class: "concept", "aria-label": `Task ${j}: ${name}` },
      el("h3", {}, `${j}: ${name} `, el("span", { class: "remark" }, words)), el("div", { class: "cards-of-pictures" }, ...cards));
  }

  function chooseTable() {
    const seeds = new Set(table().lines.flatMap((line) => line.cells.map((k) => data.cells[k].seed)));
    fill(seedOf, [...seeds].sort((a, b) => a - b).map((seed) => [seed, String(seed)]));
    draw();
  }
  fill(tableOf, [...data.tables.entries()].filter(([, t]) => t.pictures).map(([k, t]) => [k, t.short]));
  tableOf.addEventListener("change", chooseTable);
  for (const control of [seedOf, whenOf, orderOf]) control.addEventListener("change", draw);
  for (const input of [methodsOf, conceptsOf]) input.addEventListener("input", draw);
  chooseTable();
})();
