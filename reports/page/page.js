"use strict";
// What all scripts of the page share; those that follow add to it.
const page = (function () {
  // Texts of the data come from users and plug-ins: they become text nodes and attributes, never markup.
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const DASH = "—";

  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null));
    return node;
  }
  function symbol(lower) {
    return el("span", {}, "X", el("sub", {}, lower));
  }
  // 'X_{i,j}' with its lower part set lower
  function mathematics(text) {
    return text.split(/(_\{[^}]*\})/).map((part) => (part.startsWith("_{") ? el("sub", {}, part.slice(2, -1)) : part));
  }
  const fixed = (value, digits = 2) => {
    const text = value.toFixed(digits);
    return Number(text) === 0 ? text.replace("-", "") : text;
  };
  const interval = (low, high) => (low === null || high === null ? "" : `[${low}, ${high}]`);

  // Theme ------------------------------------------------------------------------------------------------------------
  for (const input of document.querySelectorAll("#theme input")) {
    input.checked = input.value === theme.get();
    input.addEventListener("change", () => theme.set(input.value));
  }

  // Tables to sort ---------------------------------------------------------------------------------------------------
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const heads = [...table.querySelectorAll("thead th[aria-sort]")];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const sign = up ? 1 : -1;
        const rows = [...body.rows].map((row) => {
          const cell = row.cells[column];
          return [row, column === 0 ? cell.textContent : cell.dataset.value];
        });
        rows.sort(([, a], [, b]) => {
          if (a === undefined || b === undefined) return (a === undefined) - (b === undefined); // missing ones last
          return sign * (column === 0 ? a.localeCompare(b, "en", { numeric: true }) : Number(a) - Number(b));
        });
        body.append(...rows.map(([row]) => row));
      });
    });
  }

  // Where a figure comes from ------------------------------------------------------------------------------------------
  const dialog = byId("source");
  byId("source-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside its content
  });

  function terms(pairs) {
    const list = el("dl");
    for (const [name, value] of pairs) {
      if (value !== "" && value !== null && value !== undefined) list.append(el("dt", {}, name), el("dd", {}, value));
    }
    return list;
  }
  const words = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const code = (text) => (text ? el("code", {}, text) : "");

  // seeds: [cell, value, low, high, n] each
  function openSource(title, text, about, meaning, unit, n, bounds, seeds) {
    byId("source-title").replaceChildren(...mathematics(title));
    const body = byId("source-body");
    body.replaceChildren(
      el("p", { class: "hint" }, about),
      el("p", { class: "big" }, text),
      el("p", {}, ...mathematics(meaning)),
      terms([
        ["Unit", unit],
        ["95 % interval", interval(bounds[0] ?? null, bounds[1] ?? null) || "none"],
        ["n", n.join(", ")],
        ["Seeds", seeds.map(([cell]) => data.cells[cell].seed).join(", ")],
      ]),
    );
    const rows = el("tbody");
    for (const [cell, value, low, high, count] of seeds) {
      rows.append(
        el("tr", {},
          el("th", { scope: "row" }, String(data.cells[cell].seed)),
          el("td", {}, value === null ? "n/a" : String(value)),
          el("td", {}, interval(low, high) || DASH),
          el("td", {}, String(count || DASH))),
      );
    }
    const head = el("tr", {}, ...["seed", "value", "95 % interval", "n"].map((name) => el("th", { scope: "col" }, name)));
    body.append(
      el("h3", {}, "Values of the seeds"),
      el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), rows)),
    );
    for (const group of alike(seeds.map(([cell]) => cell))) {
      const first = data.cells[group[0]];
      const which = group.length === seeds.length ? "" : ` (seed ${group.map((c) => data.cells[c].seed).join(", ")})`;
      body.append(
        el("h3", {}, `Options${which}`),
        terms([["method", first.method], ...Object.entries(data.options[first.options]).map(([k, v]) => [k, words(v)])]),
        el("h3", {}, `Protocol${which}`),
        terms(Object.entries(data.protocols[first.protocol])),
      );
    }
    body.append(el("h3", {}, "In the store"));
    for (const [cell] of seeds) {
      const { seed, key, variant, store, run, order } = data.cells[cell];
      body.append(
        terms([
          ["seed", String(seed)], ["score", code(key)], ["variant", code(variant)], ["store", code(store)],
          ["run", code(run)], ["order of tasks", order ? `shuffled, number ${order}` : ""],
        ]),
      );
    }
    dialog.showModal();
    dialog.scrollTop = 0;
  }
  // Cells of the same options and protocol together.
  function alike(cells) {
    const groups = new Map();
    for (const cell of cells) {
      const name = `${data.cells[cell].options}/${data.cells[cell].protocol}`;
      groups.set(name, [...(groups.get(name) || []), cell]);
    }
    return [...groups.values()];
  }
  for (const button of document.querySelectorAll("button[data-source]")) {
    button.setAttribute("aria-haspopup", "dialog");
    button.addEventListener("click", () => {
      const [table, line, metric] = button.dataset.source.split("/");
      const { setting, caption, lines } = data.tables[table];
      const of = lines[line];
      const [text, bounds, n, seeds] = of.figures[metric];
      const [title, unit] = data.columns[metric];
      openSource(`${title}: ${of.label}`, text, caption, data.meanings[setting][metric] || "", unit, n, bounds, seeds);
    });
  }
  return { data, byId, el, symbol, mathematics, fixed, openSource };
})();
