// What the page does: fills pictures in, draws charts in the theme, sorts and filters tables.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const className = (index) => data.names[index] ?? `class ${index}`;
  const TINY_PX = 48;

  // Pictures: each is in the page once, and several img elements may show it.
  function fill(image) {
    if (image.src) return;
    image.addEventListener("load", () => {
      if (image.naturalWidth <= TINY_PX) image.classList.add("tiny");
    });
    image.src = data.pictures[image.dataset.picture][0];
  }

  const nearby = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        nearby.unobserve(entry.target);
        fill(entry.target);
      }
    },
    { rootMargin: "800px" },
  );
  all("img[data-picture]").forEach((image) => nearby.observe(image));
  window.addEventListener("beforeprint", () => all("img[data-picture]").forEach(fill));

  // Tables: what has no number stays at the end, whichever way they are sorted.
  function compare(left, right, direction) {
    if (left === "" || right === "") return (left === "") - (right === "");
    const both = typeof left === "number" && typeof right === "number";
    return direction * (both ? left - right : collator.compare(left, right));
  }

  const collator = new Intl.Collator(undefined, { numeric: true });

  function keyOf(row, column) {
    const cell = row.cells[column];
    const value = cell.dataset.v ?? cell.textContent.trim();
    return cell.dataset.v ? Number(value) : value;
  }

  function sort(head) {
    const direction = head.ariaSort === "ascending" ? -1 : 1;
    const table = head.closest("table");
    const rows = all("tbody tr", table).map((row) => [keyOf(row, head.cellIndex), row]);
    rows.sort((left, right) => compare(left[0], right[0], direction));
    all("thead th", table).forEach((each) => each.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }

  all(".sortable thead button").forEach((button) =>
    button.addEventListener("click", () => sort(button.closest("th"))),
  );

  const filter = $("[data-filter]");
  filter?.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    const rows = all("tbody tr", document.getElementById(filter.dataset.filter));
    for (const row of rows) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    }
    const left = rows.filter((row) => !row.hidden).length;
    $("output[for=filter]").textContent = wanted
      ? `${left.toLocaleString("en")} of ${rows.length.toLocaleString("en")} classes`
      : `${rows.length.toLocaleString("en")} classes`;
  });

  // Charts: drawn again when the theme or the width changes, since a spec has no media queries.
  function theme(dots) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const text = { labelColor: colour("quiet"), titleColor: colour("quiet") };
    const ends = (name) =>
      dots ? [colour(`${name}-dot`), colour(`${name}-dots`)] : [colour(`${name}-0`), colour(`${name}-1`)];
    return {
      background: "transparent",
      font: getComputedStyle(document.body).fontFamily,
      view: { stroke: dots ? colour("line") : "transparent", fill: dots ? colour("paper") : "transparent" },
      axis: {
        ...text, gridColor: colour("line"), domainColor: colour("line"), tickColor: colour("line"),
        titleFontWeight: 500, titlePadding: 10, labelFontSize: 11, titleFontSize: 12,
        labelLimit: window.innerWidth < 600 ? 64 : 120,
      },
      legend: { ...text, labelFontSize: 12, symbolType: "stroke", symbolSize: 300 },
      text: { color: colour("ink") },
      range: {
        category: [colour("series-1"), colour("series-2"), colour("series-3")],
        ramp: ends("right"),
        heatmap: ends("wrong"),
      },
      style: {
        quiet: { color: colour("quiet") },
        note: { color: colour("ink"), fontSize: 11 },
        curve: { color: colour("accent") },
        dot: { color: colour("accent") },
      },
    };
  }

  async function draw(figure) {
    const spec = data.charts[figure.dataset.chart];
    const { widest, ratio, dots, height } = spec.usermeta;
    const width = Math.floor(Math.min(figure.clientWidth, widest));
    const sized = { ...spec, width, height: height ?? Math.round(width * ratio) };
    const options = {
      mode: "vega-lite", actions: false, config: theme(dots), tooltip: { theme: "custom", disableDefaultStyle: true },
    };
    figure.drawn?.finalize();
    figure.style.minHeight = `${sized.height}px`;
    figure.drawn = await vegaEmbed(figure, sized, options);
    if (figure.dataset.chart === "confusion") {
      figure.drawn.view.addEventListener("click", (_, item) => {
        if (item?.datum?.n) show(item.datum.t, item.datum.p);
      });
    }
    figure.dataset.width = width;
    figure.dataset.drawn = Number(figure.dataset.drawn ?? 0) + 1;
  }

  let turn = Promise.resolve();
  function drawAll(only = () => true) {
    for (const figure of all("[data-chart]")) {
      turn = turn.then(() => (only(figure) ? draw(figure) : undefined)).catch((error) => {
        figure.textContent = `This chart could not be drawn: ${error.message}`;
        console.error(error);
      });
    }
    return turn;
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
  let resized;
  window.addEventListener("resize", () => {
    clearTimeout(resized);
    const stale = (figure) =>
      Math.floor(Math.min(figure.clientWidth, data.charts[figure.dataset.chart].usermeta.widest)) !==
      Number(figure.dataset.width);
    resized = setTimeout(() => drawAll(stale), 150);
  });

  // The images behind a cell of the confusion matrix.
  const cells = data.charts.confusion?.datasets.cells ?? [];

  function captioned(position) {
    const [address, truth, taken, probability, source] = data.pictures[position];
    const figure = document.createElement("figure");
    figure.title = source;
    const image = document.createElement(address ? "img" : "div");
    const alt = `Image of class ${className(truth)} that was taken for ${className(taken)}`;
    if (address) {
      Object.assign(image, { alt, width: 96, height: 96 });
      image.dataset.picture = position;
      fill(image);
    } else {
      image.className = "hole";
      image.textContent = "not decodable";
    }
    const caption = document.createElement("figcaption");
    caption.textContent = probability;
    figure.append(image, caption);
    return figure;
  }

  function show(truth, taken) {
    const total = cells.filter((cell) => cell.t === truth).reduce((sum, cell) => sum + cell.n, 0);
    const count = cells.find((cell) => cell.t === truth && cell.p === taken)?.n ?? 0;
    const positions = data.cells[`${truth},${taken}`] ?? [];
    const what = truth === taken ? `${className(truth)}, recognised` : `${className(truth)} taken for ${className(taken)}`;
    const images = `${count.toLocaleString("en")} image${count === 1 ? "" : "s"}`;
    const panel = document.getElementById("cell");
    panel.hidden = false;
    $("h3", panel).textContent = `${what}: ${images}, ${((100 * count) / total).toFixed(1)} % of the class`;
    document.getElementById("cell-said").textContent = $("h3", panel).textContent;
    const note = document.createElement("p");
    note.className = "quiet";
    note.textContent = positions.length
      ? `${positions.length === count ? "All of them" : `${positions.length} of them`}, with the probability of ${className(taken)}.`
      : "The report holds no image of this cell.";
    $("p", panel)?.remove();
    $("h3", panel).after(note);
    $(".gallery", panel).replaceChildren(...positions.map(captioned));
    all("[data-cell]").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.dataset.cell === `${truth},${taken}`)),
    );
    choose(truth, taken);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    panel.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
  }

  all("[data-cell]").forEach((button) => {
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => show(...button.dataset.cell.split(",").map(Number)));
  });

  // Any cell can be reached without a mouse: the second list holds what the first was taken for.
  const [truths, takens] = [$("#cell-true"), $("#cell-taken")];

  function offer(select, indices, text) {
    select.replaceChildren(...indices.map((index) => new Option(text(index), index)));
  }

  function choose(truth, taken) {
    const row = cells.filter((cell) => cell.t === truth).sort((left, right) => right.n - left.n);
    const counts = new Map(row.map((cell) => [cell.p, cell.n]));
    truths.value = truth;
    offer(takens, [...counts.keys()], (index) => `${className(index)} (${counts.get(index)})`);
    if (taken !== undefined) takens.value = taken;
  }

  if (truths) {
    offer(truths, [...new Set(cells.map((cell) => cell.t))].sort((a, b) => a - b), className);
    choose(Number(truths.value));
    truths.addEventListener("change", () => {
      choose(Number(truths.value));
      show(Number(truths.value), Number(takens.value));
    });
    takens.addEventListener("change", () => show(Number(truths.value), Number(takens.value)));
    $("#any-cell").hidden = false;
  }

  // The section that one reads is marked in the navigation.
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const reading = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((each) => each.isIntersecting)) {
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  all("main > section").forEach((section) => reading.observe(section));

  drawAll().then(() => (document.documentElement.dataset.ready = "true"));
})();
