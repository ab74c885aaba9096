// Several concepts in one prompt, and prompts without a token.
(function () {
  const { data, byId, el, strip, fill } = page;
  if (!byId("compositions")) return;
  const [cTable, cMethod, cSeed] = ["table", "method", "seed"].map((name) => byId(`c-${name}`));
  const composed = (line) => line.cells.filter((k) => data.cells[k].compositions.length);
  fill(cTable, [...data.tables.entries()].filter(([, t]) => t.lines.some((l) => composed(l).length)).map(([k, t]) => [k, t.short]));
  function chooseComposed() {
    fill(cMethod, [...data.tables[cTable.value].lines.entries()].filter(([, l]) => composed(l).length).map(([k, l]) => [k, l.label]));
    chooseComposer();
  }
  function chooseComposer() {
    fill(cSeed, composed(data.tables[cTable.value].lines[cMethod.value]).map((k) => [data.cells[k].seed, String(data.cells[k].seed)]));
    drawGallery();
  }
  function drawGallery() {
    const line = data.tables[cTable.value].lines[cMethod.value];
    const cell = line.cells.map((k) => data.cells[k]).find(({ seed }) => String(seed) === cSeed.value);
    byId("c-gallery").replaceChildren(
      ...cell.compositions.map(([prompt, set, by]) =>
        el("figure", {}, el("figcaption", {}, `“${prompt}”${by ? `, ${by}` : ""}`), strip(set, `${by ?? line.label}, ${prompt}`))),
    );
  }
  cTable.addEventListener("change", chooseComposed);
  cMethod.addEventListener("change", chooseComposer);
  cSeed.addEventListener("change", drawGallery);
  chooseComposed();
})();
