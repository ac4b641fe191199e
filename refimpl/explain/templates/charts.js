// Vega-Lite specifications. Tokens repeat, so an axis sorts by "012 token" and its labels omit the number.

const keyed = (token, i) => `${String(i).padStart(3, "0")} ${token}`;
const withoutNumber = "slice(datum.label, 4)";
const tokenAxis = more => ({ labelExpr: withoutNumber, title: null, labelLimit: 90, domain: false, ticks: false, ...more });
const cellSize = (width, columns, least = 13, most = 36) =>
  Math.max(least, Math.min(most, Math.floor((width - 100) / Math.max(columns, 1))));
const rowStep = 20;

// A heat map with one row and one column per token; a cell has row, column, value and the tooltip's fields.
function tokenMap({ cells, rows, columns, width, domain, range, tooltip, framed, title, named = true, numbered = true }) {
  const step = cellSize(width, columns.length);
  const y = { field: "row", type: "nominal", sort: null, scale: { domain: rows }, axis: tokenAxis(numbered ? {} : { labelExpr: "datum.label" }) };
  const x = {
    field: "column", type: "nominal", sort: null, scale: { domain: columns },
    axis: !numbered ? tokenAxis({ orient: "top", labelAngle: 0, labelExpr: "datum.label" })
      : named ? tokenAxis({ orient: "top", labelAngle: -90, labelAlign: "left", labelPadding: 4 })
      : { title: null, orient: "top", labelAngle: 0, domain: false, ticks: false, labelOverlap: true },
  };
  const color = {
    field: "value", type: "quantitative", scale: { domain, range, clamp: true, interpolate: "rgb" },
    legend: { title, gradientLength: Math.min(160, width - 60), gradientThickness: 10, format: ".2~f" },
  };
  const layers = [{ mark: { type: "rect", tooltip: true }, encoding: { x, y, color, tooltip } }];
  if (framed) {
    layers.push({
      transform: [{ filter: `datum.${framed}` }],
      mark: { type: "rect", fill: null, stroke: colour("ink"), strokeWidth: 2 },
      encoding: { x, y },
    });
  }
  return { data: { values: cells }, width: { step }, height: { step: Math.min(rowStep, Math.max(step, 16)) }, layer: layers };
}

// One bar per token, from 0.
function tokenBars({ values, width, title, tooltip, marked = null }) {
  return {
    data: { values },
    width: Math.max(120, Math.min(640, width - 110)),
    height: { step: rowStep },
    mark: { type: "bar", tooltip: true },
    encoding: {
      y: { field: "row", type: "nominal", sort: null, axis: tokenAxis() },
      x: { field: "value", type: "quantitative", title, axis: { tickCount: 5 } },
      color: marked
        ? { condition: { test: `datum.${marked}`, value: colour("side-0") }, value: colour("side-1") }
        : { condition: { test: "datum.value < 0", value: colour("side-0") }, value: colour("side-1") },
      tooltip,
    },
  };
}

// L2 norms by layer: one thin line per token, the selected token and the mean thick.
function streams({ values, stages, width }) {
  const stage = { field: "stage", type: "nominal", sort: null, scale: { domain: stages },
    axis: { title: null, labelAngle: -60, labelLimit: 120, grid: false } };
  const length = { field: "length", type: "quantitative", scale: { type: "log", nice: true },
    axis: { title: "length (L2 norm), logarithmic", tickCount: 5, format: "~g" } };
  const tooltip = [{ field: "what" }, { field: "token" }, { field: "stage" }, { field: "length", format: ".4f" }];
  const thick = { field: "series", type: "nominal", title: null, legend: { columns: width < 500 ? 1 : 2 } };
  return {
    data: { values },
    width: Math.max(200, Math.min(680, width - 70)),
    height: 280,
    layer: [
      {
        transform: [{ filter: "datum.series === null" }],
        mark: { type: "line", strokeWidth: 1, opacity: 0.35, color: colour("soft") },
        encoding: { x: stage, y: length, detail: [{ field: "what" }, { field: "key" }], tooltip },
      },
      {
        transform: [{ filter: "datum.series !== null" }],
        mark: { type: "line", strokeWidth: 2.5, point: { size: 36, filled: true }, tooltip: true },
        encoding: { x: stage, y: length, color: thick, tooltip },
      },
    ],
  };
}

// The activation above the histogram of its inputs, on one x axis.
function activation({ curve, bins, width }) {
  const wide = Math.max(200, Math.min(640, width - 80));
  const domain = [-5, 5];
  return {
    vconcat: [
      {
        data: { values: curve }, width: wide, height: 150,
        mark: { type: "line", strokeWidth: 2.5, color: colour("side-0"), tooltip: true },
        encoding: {
          x: { field: "x", type: "quantitative", title: null, scale: { domain } },
          y: { field: "y", type: "quantitative", title: "GELU(x)" },
          tooltip: [{ field: "x" }, { field: "y", title: "GELU(x)", format: ".4f" }],
        },
      },
      {
        data: { values: bins }, width: wide, height: 150,
        mark: { type: "bar", color: colour("side-1"), tooltip: true, binSpacing: 1 },
        encoding: {
          x: { field: "from", type: "quantitative", bin: "binned", title: "x, the input", scale: { domain } },
          x2: { field: "to" },
          y: { field: "count", type: "quantitative", title: "numbers", axis: { format: "~s", tickCount: 5 } },
          tooltip: [{ field: "from" }, { field: "to" }, { field: "count", format: "," }],
        },
      },
    ],
  };
}

// Each document's score as a stacked bar of its terms' products.
function stacked({ values, terms, width }) {
  return {
    data: { values },
    width: Math.max(160, Math.min(620, width - 110)),
    height: { step: 28 },
    mark: { type: "bar", tooltip: true, stroke: colour("card"), strokeWidth: 1 },
    encoding: {
      y: { field: "document", type: "nominal", sort: null, axis: { title: null, domain: false, ticks: false } },
      x: { field: "product", type: "quantitative", title: "score", stack: "zero", axis: { tickCount: 5 } },
      color: { field: "term", type: "nominal", sort: terms, scale: { domain: terms }, title: null,
        legend: terms.length ? { columns: width < 500 ? 2 : 4, symbolLimit: 0 } : null }, // an empty one has no width
      tooltip: [{ field: "document" }, { field: "term" }, { field: "product", format: ".6f" }],
    },
  };
}

// Saturation: a term's weight by tf, for several document lengths.
function saturation({ values, names, width }) {
  return {
    data: { values },
    width: Math.max(200, Math.min(560, width - 70)),
    height: 190,
    mark: { type: "line", strokeWidth: 2.5, point: true, tooltip: true },
    encoding: {
      x: { field: "tf", type: "quantitative", title: "occurrences in the document (tf)" },
      y: { field: "weight", type: "quantitative", title: "weight before idf", scale: { zero: true } },
      color: { field: "length", type: "nominal", sort: names, title: null, legend: { columns: 1 } },
      strokeDash: { field: "length", type: "nominal", sort: names, legend: null },
      tooltip: [{ field: "length" }, { field: "tf" }, { field: "weight", format: ".6f" }],
    },
  };
}

// Each document's rank in every ranking, as a line.
function rankLines({ values, rankings, documents, width, scored = true }) {
  const wide = Math.max(180, Math.min(560, width - 120));
  const x = { field: "ranking", type: "nominal", sort: null, scale: { domain: rankings, padding: 0.3 },
    axis: { title: null, labelAngle: 0, orient: "top", domain: false, ticks: false, labelLimit: 76 } };
  const y = { field: "rank", type: "quantitative", scale: { reverse: true, zero: false, padding: 14, nice: false },
    axis: { title: "rank", tickMinStep: 1, grid: false, values: documents.map((_, i) => i + 1) } };
  const color = { field: "document", type: "nominal", sort: documents, title: null, legend: { columns: width < 500 ? 2 : 3 } };
  const tooltip = [{ field: "document" }, { field: "ranking" }, { field: "rank" }, ...(scored ? [{ field: "score", format: ".6f" }] : [])];
  return {
    data: { values }, width: wide, height: Math.max(120, 34 * documents.length),
    encoding: { x, y, color, tooltip },
    layer: [
      { mark: { type: "line", strokeWidth: 3 } },
      { mark: { type: "point", filled: true, size: 320, opacity: 1, tooltip: true } },
      { mark: { type: "text", fontSize: 12, fontWeight: 600 },
        encoding: { text: { field: "number", type: "nominal" }, color: { value: colour("card") } } },
    ],
  };
}

// One point per stage: the largest difference, on a logarithmic axis from 1e-17, and a tick at the tolerance.
function differences({ values, width }) {
  const shown = values.filter(stage => stage.difference !== null)
    .map(stage => ({ ...stage, shown: Math.max(stage.difference, 1e-17), limit: Math.max(stage.allowed, 1e-17) }));
  const y = { field: "name", type: "nominal", sort: null, axis: { title: null, labelLimit: width < 500 ? 150 : 240, grid: true } };
  const x = field => ({ field, type: "quantitative", scale: { type: "log" },
    axis: { title: "difference, logarithmic", tickCount: 5, format: "~e" } });
  const tooltip = [{ field: "name", title: "stage" }, { field: "verdict", title: "result" }, { field: "difference", format: ".3~e" }, { field: "allowed", title: "tolerance", format: ".3~e" }];
  return {
    data: { values: shown }, width: Math.max(130, Math.min(520, width - 280)), height: { step: 16 },
    layer: [
      { mark: { type: "tick", thickness: 2, tooltip: true }, encoding: { y, x: x("limit"), color: { value: colour("soft") }, tooltip } },
      { mark: { type: "point", filled: true, size: 60, opacity: 1, tooltip: true },
        encoding: { y, x: x("shown"), tooltip,
          color: { condition: { test: "datum.verdict === 'mismatch'", value: colour("side-0") }, value: colour("side-1") },
          shape: { condition: { test: "datum.verdict === 'mismatch'", value: "diamond" }, value: "circle" } } },
    ],
  };
}
