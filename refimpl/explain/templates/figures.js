// The page's elements: texts as text nodes, controls, tables, and charts by Vega-Lite.

function element(kind, attributes = {}, ...children) {
  const created = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") created.className = value;
    else created.setAttribute(name, value);
  }
  created.append(...children); // strings become text nodes, never markup
  return created;
}

// Replace every packed array, wherever it is, by nested arrays of its shape (refimpl/explain/panel.py packs them).
async function unpacked(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return Promise.all(value.map(unpacked));
  if ("deflated" in value) return nested(await flat(value), value.shape);
  const entries = Object.entries(value).map(async ([key, inner]) => [key, await unpacked(inner)]);
  return Object.fromEntries(await Promise.all(entries));
}

async function flat({ dtype, scale, deflated }) {
  const packed = Uint8Array.from(atob(deflated), letter => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = dtype === "uint16" ? 2 : 4, count = planes.length / size, bytes = new Uint8Array(planes.length);
  for (let i = 0; i < count; i++) for (let plane = 0; plane < size; plane++) bytes[i * size + plane] = planes[plane * count + i];
  const values = dtype === "uint16" ? new Uint16Array(bytes.buffer) : new Float32Array(bytes.buffer);
  return Array.from(values, number => number / scale);
}

function nested(flat, shape) {
  if (shape.length === 1) return flat;
  const [first, ...rest] = shape, size = rest.reduce((a, b) => a * b, 1);
  return Array.from({ length: first }, (_, i) => nested(flat.slice(i * size, (i + 1) * size), rest));
}

const short = value => (value === null || value === undefined ? "–" : Number(value.toPrecision(4)).toString());

// A panel's parts: its controls, a summary (read aloud by screen readers), then figures and tables in order of creation.
function workspace(host) {
  const controls = element("div", { class: "controls" });
  const summary = element("p", { class: "summary", role: "status" });
  host.append(controls, summary);
  const key = host.dataset.panel;
  let count = 0;
  return {
    key,
    summarise(...parts) { summary.replaceChildren(...parts); },
    choice(label, name, options, change) {
      const id = `${key}-${name}`, select = element("select", { id, name });
      options.forEach(([value, text]) => select.append(element("option", { value: String(value) }, text)));
      select.addEventListener("input", () => change(select.value));
      controls.append(element("div", { class: "control" }, element("label", { for: id }, label), select));
      return select;
    },
    slider(label, name, { min, max, step, value }, change) {
      const id = `${key}-${name}`;
      const input = element("input", { id, name, type: "range", min, max, step, value });
      const shown = element("output", { for: id }, String(value));
      input.addEventListener("input", () => { shown.textContent = input.value; change(Number(input.value)); });
      controls.append(element("div", { class: "control" }, element("label", { for: id }, label, " ", shown), input));
      return input;
    },
    figure(title) {
      const inner = element("div", { "aria-hidden": "true" }); // one image with one label, not one per mark
      const chart = element("div", { class: "chart", role: "img", "data-chart": `${key}-${++count}` }, inner);
      const caption = element("figcaption", {}, title);
      const scroller = element("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": title }, chart);
      host.append(element("figure", {}, caption, scroller));
      return chart;
    },
    table(title) {
      const table = element("table", { "data-table": `${key}-${++count}` });
      const scroller = element("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": title }, table);
      host.append(element("h3", {}, title), scroller);
      return table;
    },
    block(kind, attributes = {}) {
      const block = element(kind, attributes);
      host.append(block);
      return block;
    },
  };
}

// Fill a table; a cell is a string, a number (unrounded in data-value) or an element.
function fill(table, columns, rows) {
  const head = element("tr", {}, ...columns.map(column => element("th", { scope: "col" }, column)));
  const body = rows.map(cells => element("tr", {}, ...cells.map((cell, i) => {
    const kind = i === 0 ? "th" : "td", attributes = i === 0 ? { scope: "row" } : { "data-label": columns[i] };
    if (typeof cell === "number") attributes["data-value"] = String(cell);
    return element(kind, attributes, typeof cell === "number" ? short(cell) : cell ?? "–");
  })));
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

const drawing = new WeakMap();
const drawn = new Map(); // host: its current view, finalized before it is replaced

// Draw `spec(width)` in `host`; requests during a drawing replace each other, so only the newest is drawn next.
function draw(host, spec, label, listen) {
  const request = { spec, label, listen };
  const state = drawing.get(host) ?? { running: null, next: null };
  drawing.set(host, state);
  state.next = request;
  state.running ??= (async () => {
    while (state.next) {
      const { spec: make, label: name, listen: on } = state.next;
      state.next = null;
      host.setAttribute("aria-label", name);
      drawn.get(host)?.finalize();
      const width = host.parentElement.clientWidth;
      const result = await window.vegaEmbed(host.firstChild, { ...make(width), ...frame() }, EMBED);
      drawn.set(host, result);
      if (on) on(result.view);
    }
    state.running = null;
  })();
  return state.running;
}

// `ast` interprets expressions, so that the page needs no eval, which its policy forbids.
const EMBED = { ast: true, renderer: "svg", actions: false, mode: "vega-lite" };

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function frame() {
  const [ink, soft, line] = ["ink", "soft", "line"].map(colour);
  const text = { labelColor: ink, titleColor: soft, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400 };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json", // a name; nothing is fetched
    background: null,
    config: {
      font: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif",
      view: { stroke: null },
      aria: false,
      axis: { ...text, gridColor: line, domainColor: line, tickColor: line, labelLimit: 160 },
      legend: { ...text, labelLimit: 220, orient: "bottom", columns: 3 },
      header: { labelColor: ink, titleColor: soft },
      text: { color: ink },
      rule: { color: soft },
      bar: { color: colour("side-1") },
      line: { color: colour("side-1") },
      range: { category: [0, 1, 2, 3, 4, 5, 6, 7].map(i => colour(`side-${i}`)) },
    },
  };
}
