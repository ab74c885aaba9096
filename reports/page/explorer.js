// X_{i,j}: one task through the training, of one method or two.
(function () {
  const { data, byId, el, symbol, mathematics, fixed, openSource, strip, fill } = page;
  if (!byId("explorer")) return;
  const [tableOf, firstOf, secondOf, seedOf, taskOf] = ["table", "first", "second", "seed", "task"].map((n) => byId(`x-${n}`));
  const slider = byId("x-step");
  let numbers = []; // the i that the slider goes over
  let wanted = Infinity; // the i that was chosen last; it is kept from task to task where there is one

  fill(tableOf, [...data.tables.entries()].filter(([, t]) => t.pictures).map(([k, t]) => [k, t.short]));
  const table = () => data.tables[tableOf.value];
  const ofSeed = (line) => line.cells.map((k) => [k, data.cells[k]]).find(([, cell]) => String(cell.seed) === seedOf.value);

  function chooseTable() {
    const lines = table().lines;
    fill(firstOf, lines.map((line, k) => [k, line.label]));
    fill(secondOf, [["", "no other"], ...lines.map((line, k) => [k, line.label])]);
    fill(taskOf, table().tasks.map(([j, name, category]) => [j, category && category !== name ? `${j}: ${name} (${category})` : `${j}: ${name}`]));
    chooseMethod();
  }
  function chosen() {
    const lines = [table().lines[firstOf.value]];
    if (secondOf.value !== "" && secondOf.value !== firstOf.value) lines.push(table().lines[secondOf.value]);
    return lines;
  }
  function chooseMethod() {
    const seeds = new Set(chosen().flatMap((line) => line.cells.map((k) => data.cells[k].seed)));
    fill(seedOf, [...seeds].sort((a, b) => a - b).map((seed) => [seed, String(seed)]));
    chooseTask();
  }
  function chooseTask() {
    const found = new Set();
    for (const line of chosen()) {
      const cell = ofSeed(line);
      for (const [i] of cell?.[1].tasks[taskOf.value]?.[1] ?? []) found.add(i);
    }
    numbers = [...found].sort((a, b) => a - b);
    slider.max = Math.max(numbers.length - 1, 0);
    slider.disabled = numbers.length < 2;
    let at = numbers.findIndex((i) => i >= wanted);
    if (at < 0) at = numbers.length - 1;
    slider.value = at;
    drawRows();
  }
  // The figure that belongs to X_{i,j}: [value, n, low, high] or null
  function figureAt([, , [last, , learned], matrix], i, j, n) {
    const row = matrix.find(([after, value]) => after === i && value !== undefined && value !== null);
    if (row) return [row.slice(1), "mmd"];
    if (i === n && last) return [last, "a_mmd"];
    return i === j && learned ? [learned, "learned_mmd"] : [null, "mmd"];
  }
  function drawRows() {
    const j = Number(taskOf.value);
    const i = numbers[slider.value];
    const rows = [];
    const lines = [];
    let real = null;
    for (const [position, line] of chosen().entries()) {
      const cell = ofSeed(line);
      const task = cell?.[1].tasks[j];
      const style = position ? "name-second" : "name-first";
      if (task) {
        real ??= task[0];
        lines.push({ line, number: cell[0], cell: cell[1], task, style });
      }
      const set = task?.[1].find(([after]) => after === i)?.[1];
      const caption = el("figcaption", {}, el("span", { class: style }, line.label), ", ", symbol(`${i},${j}`), when(i, j, cell?.[1].n));
      const why = cell ? "not generated after this task" : "no result with this seed";
      rows.push(el("figure", {}, caption, set === undefined ? el("p", { class: "empty" }, why) : strip(set, `${line.label}, after task ${i}`, real)));
    }
    const name = table().tasks.find(([index]) => index === j)?.[1] ?? "";
    byId("x-rows").replaceChildren(
      el("figure", {}, el("figcaption", {}, `${name}: real images, `, symbol(`D,${j}`)), strip(real, "real images")),
      ...rows,
    );
    const text = i === undefined ? "no images" : `i = ${i}`;
    byId("x-step-text").textContent = text + (i === undefined ? "" : when(i, j, lines[0]?.cell.n));
    slider.setAttribute("aria-valuetext", byId("x-step-text").textContent);
    drawFigures(lines, i, j);
  }
  function when(i, j, n) {
    if (i === n) return i === j ? " (just learned, the last task)" : " (after the last task)";
    return i === j ? " (just learned)" : "";
  }
  function drawFigures(lines, i, j) {
    const target = byId("x-figures");
    target.replaceChildren();
    const measured = lines.filter(({ task }) => task[2].some((v) => v) || task[3].length);
    if (!measured.length) return;
    const titles = [
      [`MMD(X_{D,${j}}, X_{i,${j}})`, `shown: i = ${i}`], [`MMD(X_{D,${j}}, X_{${j},${j}})`, "just learned"],
      [`MMD(X_{D,${j}}, X_{N,${j}})`, "after the last task"], [`MMD(X_{${j},${j}}, X_{N,${j}})`, "forgetting"],
    ];
    const head = el("tr", {}, el("th", { scope: "col" }, "method"), ...titles.map(([math, word]) =>
      el("th", { scope: "col" }, word, el("br"), el("span", { class: "remark" }, ...mathematics(math)))));
    const body = el("tbody");
    for (const { line, number, cell, task, style } of measured) {
      const [last, forgotten, learned] = task[2];
      const [now, metric] = figureAt(task, i, j, cell.n);
      const values = [[now, metric], [learned, "learned_mmd"], [last, "a_mmd"], [forgotten, "f_mmd"]];
      const row = el("tr", {}, el("th", { scope: "row", class: style }, line.label));
      values.forEach(([value, name], k) => {
        if (!value) return row.append(el("td", { class: "none" }, "n/a"));
        const button = el("button", { type: "button", class: "figure", "aria-haspopup": "dialog" }, fixed(value[0]));
        button.addEventListener("click", () => {
          const [figure, n, low = null, high = null] = value;
          const about = `${table().caption}; task ${j}, ${titles[k][1]}`;
          const meanings = data.meanings[table().setting];
          openSource(`${titles[k][0]}: ${line.label}`, fixed(figure), about,
            name === "f_mmd" || name === "a_mmd" ? meanings[name].replace(/, as a mean over tasks/, ", of this task") : meanings[name],
            data.columns.a_mmd[1], [n], [low ?? undefined, high ?? undefined], [[number, figure, low, high, n]]);
        });
        return row.append(el("td", {}, button));
      });
      body.append(row);
    }
    target.append(
      el("div", { class: "scroll", role: "region", "aria-label": "Figures of this task", tabindex: "0" },
        el("table", {}, el("caption", {}, `Figures of task ${j}, times 1000, lower is better`), el("thead", {}, head), body)),
    );
    const picture = chart(measured, i, j);
    if (picture) target.append(picture);
  }
  // The distance to the real images over i, where more of it is known than both ends ------------------------------------------
  function chart(lines, now, j) {
    const series = lines.map(({ task, cell, line, style }) => ({
      name: line.label,
      kind: style.slice(5),
      points: numbers.map((i) => [i, figureAt(task, i, j, cell.n)[0]?.[0]]).filter(([, v]) => v !== undefined && v !== null),
    }));
    if (!series.some(({ points }) => points.length > 2)) return null;
    const [width, height, left, right, top, bottom] = [620, 210, 52, 12, 12, 34];
    const highest = Math.max(...series.flatMap(({ points }) => points.map(([, v]) => v)), 1e-9);
    const [from, to] = [numbers[0], Math.max(numbers[numbers.length - 1], numbers[0] + 1)];
    const x = (i) => left + ((i - from) / (to - from)) * (width - left - right);
    const y = (v) => height - bottom - (Math.max(v, 0) / highest) * (height - top - bottom);
    const shape = (tag, attributes, text) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      if (text !== undefined) node.textContent = text;
      return node;
    };
    const name = `Distance to the real images of task ${j} over i: ` + series.map((s) => s.name).join(", ");
    const svg = shape("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name });
    for (const v of [0, highest / 2, highest]) {
      svg.append(shape("line", { class: "axis", x1: left, x2: width - right, y1: y(v), y2: y(v) }));
      svg.append(shape("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, fixed(v, highest < 10 ? 1 : 0)));
    }
    for (const i of [from, to]) {
      svg.append(shape("text", { x: x(i), y: height - 14, "text-anchor": i === from ? "start" : "end" }, `i = ${i}`));
    }
    if (now !== undefined) svg.append(shape("line", { class: "now", x1: x(now), x2: x(now), y1: top, y2: height - bottom }));
    for (const { kind, points } of series) {
      svg.append(shape("polyline", { class: `line ${kind}`, points: points.map(([i, v]) => `${x(i)},${y(v)}`).join(" ") }));
      for (const [i, v] of points) svg.append(shape("circle", { class: `dot ${kind}`, cx: x(i), cy: y(v), r: i === now ? 5 : 3 }));
    }
    const math = mathematics(`MMD(X_{D,${j}}, X_{i,${j}}), times 1000, over i`);
    return el("figure", { class: "plot" }, svg, el("figcaption", {}, ...math));
  }

  tableOf.addEventListener("change", chooseTable);
  firstOf.addEventListener("change", chooseMethod);
  secondOf.addEventListener("change", chooseMethod);
  seedOf.addEventListener("change", chooseTask);
  taskOf.addEventListener("change", chooseTask);
  slider.addEventListener("input", () => {
    wanted = numbers[slider.value] ?? wanted;
    drawRows();
  });
  chooseTable();
})();
