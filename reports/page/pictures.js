// Pictures from strips of thumbnails, and one of them large.
(function () {
  const { data, byId, el } = page;
  const dialog = byId("large");
  if (!dialog) return;

  // A shot is { set, k, name, alt, real }: picture k of a set, whose it is, its words, and the set it is compared with.
  function image({ set, k, alt }, lazy = true) {
    const [file, count] = data.sets[set];
    const picture = el("img", { alt, decoding: "async", ...(lazy ? { loading: "lazy" } : {}) });
    picture.style.left = `${-100 * k}%`;
    picture.style.width = `${100 * count}%`;
    picture.style.transformOrigin = `${(100 * (k + 0.5)) / count}% 50%`; // the middle of the picture, not of the strip
    picture.src = `thumbnails/${file}.webp`;
    return picture;
  }
  // A picture to click; `all` are those that the large view goes through.
  function opener(shot, all) {
    const button = el("button", { type: "button", class: "open tile", "aria-haspopup": "dialog" }, image(shot));
    button.addEventListener("click", () => enlarge(all, all.indexOf(shot), button));
    return button;
  }
  function strip(set, name, real = null) {
    if (set === null || set === undefined) return el("p", { class: "empty" }, "no images");
    const count = data.sets[set][1];
    const row = el("div", { class: "strip", role: "group", "aria-label": `${name}: ${count} ${count === 1 ? "image" : "images"}`, "data-count": count });
    const all = [...Array(count).keys()].map((k) => ({ set, k, name, alt: `${name}, image ${k + 1} of ${count}`, real }));
    row.append(...all.map((shot) => opener(shot, all)));
    return row;
  }
  function fill(select, pairs) {
    const before = select.value;
    select.replaceChildren(...pairs.map(([value, text]) => el("option", { value }, text)));
    if (pairs.some(([value]) => String(value) === before)) select.value = before;
    select.disabled = pairs.length < 2;
  }

  // The large view ---------------------------------------------------------------------------------------------------
  let shots = [];
  let at = 0;
  let from = null; // where the focus goes back to

  function enlarge(all, position, opened) {
    [shots, at, from] = [all, position, opened];
    draw();
    dialog.showModal();
    byId("large-close").focus();
  }
  function draw() {
    const shot = shots[at];
    byId("large-title").textContent = shot.name;
    const figures = [[shot, shot.alt]];
    const real = shot.real;
    if (real !== null && real !== undefined && real !== shot.set) {
      const k = Math.min(shot.k, data.sets[real][1] - 1);
      figures.push([{ set: real, k, alt: "a real image, to compare" }, "a real image, to compare"]);
    }
    byId("large-body").replaceChildren(
      ...figures.map(([each, words]) =>
        el("figure", {}, el("div", { class: "tile" }, image(each, false)), el("figcaption", {}, words))),
    );
    byId("large-place").textContent = shots.length > 1 ? `${at + 1} of ${shots.length}` : "";
    for (const id of ["large-previous", "large-next"]) byId(id).hidden = shots.length < 2;
  }
  function turn(step) {
    at = (at + step + shots.length) % shots.length;
    draw();
  }
  byId("large-close").addEventListener("click", () => dialog.close());
  byId("large-previous").addEventListener("click", () => turn(-1));
  byId("large-next").addEventListener("click", () => turn(1));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside its content
  });
  // Escape closes it, too. Not every browser gives a button the focus when it is clicked, so this is not left to them.
  dialog.addEventListener("close", () => from?.focus());

  // The rows of the first screen are there already.
  for (const row of document.querySelectorAll(".first-row")) {
    const buttons = [...row.querySelectorAll("button.open")];
    const real = row.querySelector(".real button");
    const all = buttons.map((button) => ({
      set: Number(button.dataset.set),
      k: 0,
      name: button.parentElement.querySelector("figcaption").firstChild.textContent,
      alt: button.querySelector("img").alt,
      real: real ? Number(real.dataset.set) : null,
    }));
    buttons.forEach((button, k) => button.addEventListener("click", () => enlarge(all, k, button)));
  }
  Object.assign(page, { opener, strip, fill });
})();
