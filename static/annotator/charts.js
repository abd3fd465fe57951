// Charts of evaluation as SVG: classes and attributes only, so that colours come from the style sheet (charts.css) in
// light, dark and print. A picture says nothing that a table beside it does not say in text.
//
//   intervalBars(element, rows, options)  rows: { label, value, low, high, kind }
//   scatter(element, points, options)     points: { label, x, y, low, high, size }
//   histogram(element, bins, options)     bins: { label, num }
//
// Each draws into `element`, again whenever its width changes; `options.title` is what a screen reader hears.
// Shares are in [0, 1]; what is not known is null.

import "../vendor/d3/d3.min.js";

const { d3 } = globalThis;

const UNMEASURED_PX = 640;
const NARROW_PX = 560;
const GAP_PX = 6;

export const percent = (share) => `${(100 * share).toFixed(1)} %`;

export const points = (share) => `${share > 0 ? "+" : share < 0 ? "−" : ""}${Math.abs(100 * share).toFixed(1)}`;

export function bytes(size) {
  if (size < 1000) return `${Math.round(size)} B`;
  const [unit, of] = size < 1e6 ? ["kB", 1e3] : size < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  return `${+(size / of).toPrecision(3)} ${unit}`;
}

export const speed = (value) => `${value >= 100 ? Math.round(value) : +value.toPrecision(3)}`;

// What JSON a page carries in <script type="application/json" id="…">; null where there is none.
export function dataOf(id) {
  const script = document.getElementById(id);
  return script === null ? null : JSON.parse(script.textContent);
}

// ── What all charts share ──

// Calls draw(svg, width) now and whenever there is more or less room; gives a function that ends this.
function drawn(element, title, draw) {
  element.classList.add("chart");
  const svg = d3.select(element).selectAll("svg").data([null]).join("svg").attr("role", "img").attr("aria-label", title);
  let last = 0;
  const again = () => {
    const width = Math.round(element.clientWidth) || UNMEASURED_PX;
    if (width === last) return;
    last = width;
    svg.selectAll("*").remove();
    const height = draw(svg, width);
    svg.attr("viewBox", `0 0 ${width} ${height}`).attr("width", width).attr("height", height);
  };
  again();
  const watcher = new ResizeObserver(again);
  watcher.observe(element);
  return () => watcher.disconnect();
}

function nothing(element) {
  element.replaceChildren();
  return () => {};
}

// Words shortened to what fits; the whole of them is in the tooltip.
function shortened(text, words, room) {
  text.text(words);
  if (text.node().getComputedTextLength() <= room) return text;
  const letters = [...words];
  let [fits, over] = [0, letters.length];
  while (over - fits > 1) {
    const middle = Math.floor((fits + over) / 2);
    text.text(`${letters.slice(0, middle).join("")}…`);
    if (text.node().getComputedTextLength() <= room) fits = middle;
    else over = middle;
  }
  text.text(`${letters.slice(0, fits).join("")}…`);
  text.append("title").text(words);
  return text;
}

// Columns of a chart of rows: a label, the drawing, a value. On little room the words stand above the drawing.
function columnsOf(width, { hasLabels, valueRoom }) {
  const isNarrow = hasLabels && width < NARROW_PX;
  const labelRoom = !hasLabels ? 0 : isNarrow ? width - valueRoom - 12 : Math.min(240, Math.round(width * 0.3));
  // The scale's last words reach beyond its end.
  const from = isNarrow || !hasLabels ? 14 : labelRoom + 12;
  const to = isNarrow ? width - 18 : width - valueRoom - 12;
  return { isNarrow, labelRoom, from, to, lineHeight: isNarrow ? 46 : 32, middle: isNarrow ? 32 : 16, words: isNarrow ? 14 : 21 };
}

function rowsOf(svg, rows, columns, top) {
  return svg
    .append("g")
    .selectAll("g")
    .data(rows)
    .join("g")
    .attr("class", (row) => `row ${row.kind ?? "run"}`)
    .attr("transform", (_, at) => `translate(0, ${top + at * columns.lineHeight})`)
    .each(function label({ label }) {
      const group = d3.select(this);
      if (label !== undefined && columns.labelRoom) {
        shortened(group.append("text").attr("class", "label").attr("x", 0).attr("y", columns.words), label, columns.labelRoom);
      }
    });
}

const value = (group, words, { words: y }, width) =>
  group.append("text").attr("class", "value").attr("x", width).attr("y", y).attr("text-anchor", "end").text(words);

// ── Accuracy with its interval: a bar where it may lie, a tick where it was ──

// options.domain: what the drawing spans, by default 0 to 1; options.isDifference writes points with their sign and
// draws a line at 0. options.isBare leaves out labels, values and the scale, for a cell of a table that has them.
export function intervalBars(element, rows, { title = "", domain = [0, 1], isDifference = false, isBare = false } = {}) {
  const words = isDifference ? points : percent;
  const told = (row) =>
    row.value === null ? "none" : row.low === null ? words(row.value) : `${words(row.value)} (${words(row.low)} to ${words(row.high)})`;
  const spoken = title || rows.map((row) => `${row.label}: ${told(row)}`).join("; ");
  if (!rows.length) return nothing(element);
  return drawn(element, spoken, (svg, width) => {
    const columns = isBare
      ? { from: 3, to: width - 3, lineHeight: 22, middle: 11, words: 0, labelRoom: 0 }
      : columnsOf(width, { hasLabels: rows.some((row) => row.label !== undefined), valueRoom: 172 });
    const x = d3.scaleLinear(domain, [columns.from, columns.to]);
    const bottom = rows.length * columns.lineHeight;
    const marks = isBare ? [domain[0], 0, domain[1]].filter((mark, at, all) => all.indexOf(mark) === at) : x.ticks(columns.to - columns.from < 260 ? 3 : 5);
    svg
      .append("g")
      .selectAll("line")
      .data(marks)
      .join("line")
      .attr("class", (mark) => (mark === 0 ? "grid zero" : "grid"))
      .attr("x1", x)
      .attr("x2", x)
      .attr("y2", bottom);
    rowsOf(svg, rows, columns, 0).each(function bar(row) {
      const group = d3.select(this);
      const y = columns.middle;
      if (!isBare) value(group, told(row), columns, width);
      if (row.value === null) return;
      group.append("line").attr("class", "track").attr("x1", columns.from).attr("x2", columns.to).attr("y1", y).attr("y2", y);
      if (row.low !== null) {
        const [low, high] = [x(row.low), x(row.high)];
        group.append("rect").attr("class", "extent").attr("x", low).attr("y", y - 5).attr("width", Math.max(1, high - low)).attr("height", 10).attr("rx", 2);
      }
      const at = x(row.value);
      group.append("line").attr("class", "tick").attr("x1", at).attr("x2", at).attr("y1", y - 9).attr("y2", y + 9);
    });
    if (isBare) return bottom;
    const axis = d3.axisBottom(x).tickValues(marks).tickSize(4).tickFormat((mark) => `${isDifference ? points(mark).replace(/\.0$/, "") : Math.round(100 * mark)}${isDifference ? "" : " %"}`);
    svg.append("g").attr("class", "axis").attr("transform", `translate(0, ${bottom})`).call(axis);
    return bottom + 22;
  });
}

// ── Counts ──

export function histogram(element, bins, { title = "", unit = "" } = {}) {
  const most = Math.max(1, ...bins.map((bin) => bin.num));
  if (!bins.length) return nothing(element);
  const told = (bin) => `${bin.num}${unit ? ` ${unit}` : ""}`;
  return drawn(element, title || bins.map((bin) => `${bin.label}: ${told(bin)}`).join("; "), (svg, width) => {
    const columns = columnsOf(width, { hasLabels: true, valueRoom: 88 });
    const x = d3.scaleLinear([0, most], [0, columns.to - columns.from]);
    rowsOf(svg, bins, columns, 0).each(function bar(bin) {
      const group = d3.select(this);
      value(group, told(bin), columns, width);
      const y = columns.middle - 7;
      group.append("rect").attr("class", "count").attr("x", columns.from).attr("y", y).attr("width", x(bin.num)).attr("height", 14).attr("rx", 2);
    });
    return bins.length * columns.lineHeight + 4;
  });
}

// ── Accuracy over speed, with a bubble for what it takes ──

const MARGIN = { top: 36, right: 16, bottom: 44, left: 52 };

// Around a bubble, the nearest place first where its name covers nothing.
function placed(text, { cx, cy, r }, taken, room) {
  const width = text.node().getComputedTextLength();
  const height = 15;
  const near = 4;
  const spots = [
    [cx + r + GAP_PX, cy - height / 2],
    [cx - r - GAP_PX - width, cy - height / 2],
    [cx - width / 2, cy - r - GAP_PX - height],
    [cx - width / 2, cy + r + GAP_PX],
    ...[1, 2, 3].flatMap((step) => [
      [cx + r + GAP_PX, cy - height / 2 - step * height],
      [cx + r + GAP_PX, cy - height / 2 + step * height],
      [cx - r - GAP_PX - width, cy - height / 2 - step * height],
      [cx - r - GAP_PX - width, cy - height / 2 + step * height],
    ]),
  ].map(([x0, y0]) => ({ x0, y0, x1: x0 + width, y1: y0 + height }));
  const isInside = (box) => box.x0 >= 0 && box.x1 <= room.width && box.y0 >= 0 && box.y1 <= room.height;
  const cover = (box) =>
    d3.sum(taken, (other) => Math.max(0, Math.min(box.x1, other.x1) - Math.max(box.x0, other.x0)) * Math.max(0, Math.min(box.y1, other.y1) - Math.max(box.y0, other.y0)));
  const inside = spots.filter(isInside);
  const best = d3.least(inside.length ? inside : spots, cover);
  const x = Math.max(0, Math.min(best.x0, room.width - width));
  taken.push({ ...best, x0: x, x1: x + width });
  text.attr("x", x).attr("y", best.y0 + height - 4);
  // What stands apart from its bubble needs a line to it.
  return spots.indexOf(best) < near ? null : [x > cx ? x : x + width, (best.y0 + best.y1) / 2];
}

// options.x, options.y: names of the axes; options.size writes a bubble's size, options.sizeName says what it is.
// Points without x are left out: the table has them.
export function scatter(element, given, { title = "", x: xName = "tokens per second", y: yName = "right", size = bytes, sizeName = "KV cache per request" } = {}) {
  const shown = given.filter((point) => point.x !== null && point.y !== null);
  if (!shown.length) return nothing(element);
  const largest = Math.max(0, ...shown.map((point) => point.size ?? 0));
  return drawn(element, title, (svg, width) => {
    const height = Math.round(Math.max(280, Math.min(440, width * 0.55)));
    const to = { right: width - MARGIN.right, bottom: height - MARGIN.bottom };
    const x = d3.scaleLinear([0, d3.max(shown, (point) => point.x) * 1.15 || 1], [MARGIN.left, to.right]).nice();
    const highest = d3.max(shown, (point) => point.high ?? point.y);
    // The lowest bubble must not cover the scale below it.
    const most = width < NARROW_PX ? 16 : 22;
    // Less than 20 points would make large of what is small.
    const lowest = Math.min(highest - 0.2, d3.min(shown, (point) => point.low ?? point.y));
    const y = d3.scaleLinear([Math.max(0, lowest - 0.05), Math.min(1, highest + 0.05)], [to.bottom - most, MARGIN.top]).nice();
    const radius = d3.scaleSqrt([0, largest || 1], [0, most]);

    svg.append("g").selectAll("line").data(y.ticks(5)).join("line").attr("class", "grid").attr("x1", MARGIN.left).attr("x2", to.right).attr("y1", y).attr("y2", y);
    const across = d3.axisBottom(x).ticks(width < NARROW_PX ? 4 : 8).tickSize(4);
    svg.append("g").attr("class", "axis").attr("transform", `translate(0, ${to.bottom})`).call(across);
    const up = d3.axisLeft(y).ticks(5).tickSize(0).tickPadding(6).tickFormat((share) => `${+(100 * share).toFixed(1)} %`);
    svg.append("g").attr("class", "axis bare").attr("transform", `translate(${MARGIN.left}, 0)`).call(up);
    svg.append("text").attr("class", "name").attr("x", to.right).attr("y", height - 8).attr("text-anchor", "end").text(`${xName} →`);
    svg.append("text").attr("class", "name").attr("x", 0).attr("y", 12).text(`↑ ${yName}${largest ? `; bubbles: ${sizeName}, the largest ${size(largest)}` : ""}`);

    const marks = shown.map((point) => ({ point, cx: x(point.x), cy: y(point.y), r: point.size ? Math.max(4, radius(point.size)) : 5 }));
    // Large ones first, so that none hides a smaller one.
    const groups = svg.append("g").selectAll("g").data(d3.sort(marks, (mark) => -mark.r)).join("g").attr("class", ({ point }) => `point ${point.kind ?? "run"}${point.size ? "" : " unsized"}`);
    groups.each(function draw({ point, cx, cy, r }) {
      const group = d3.select(this);
      if (point.low !== null && point.high !== null) {
        group.append("line").attr("class", "whisker").attr("x1", cx).attr("x2", cx).attr("y1", y(point.low)).attr("y2", y(point.high));
        for (const end of [point.low, point.high]) {
          group.append("line").attr("class", "whisker").attr("x1", cx - 4).attr("x2", cx + 4).attr("y1", y(end)).attr("y2", y(end));
        }
      }
      group.append("circle").attr("class", "bubble").attr("cx", cx).attr("cy", cy).attr("r", r);
      group.append("circle").attr("class", "centre").attr("cx", cx).attr("cy", cy).attr("r", 2);
      group.append("title").text(`${point.label}: ${percent(point.y)}, ${speed(point.x)} ${xName}${point.size ? `, ${size(point.size)}` : ""}`);
    });
    const taken = marks.map(({ cx, cy, r }) => ({ x0: cx - r, x1: cx + r, y0: cy - r, y1: cy + r }));
    const names = svg.append("g");
    for (const mark of d3.sort(marks, ({ cx }) => cx)) {
      const text = names.append("text").attr("class", "label beside");
      shortened(text, mark.point.label, width * 0.4);
      const end = placed(text, mark, taken, { width, height: to.bottom });
      if (end !== null) {
        names.append("line").attr("class", "leader").attr("x1", mark.cx).attr("y1", mark.cy).attr("x2", end[0]).attr("y2", end[1]);
      }
    }
    return height;
  });
}
