// The panels by key: each takes its numbers and its workspace, sets up its controls and returns its redraw function.

const quoted = token => element("bdi", {}, `‘${token}’`);
const tokenOptions = tokens => tokens.map((token, i) => [i, `${i}  ${token}`]);
const documentOptions = documents => documents.map((_, i) => [i, `Document ${i + 1}`]);
const shared = { lexical: null, followers: [] }; // BM25's current scores, and the functions to call when they change

const panels = {
  stages(data, work) {
    const compared = data.compared ?? [];
    const partOf = name => (name.startsWith("layer.") ? `layer ${Number(name.split(".")[1]) + 1}` : name.startsWith("embeddings.") ? "embeddings" : "ids and vector");
    const parts = [...new Set(data.rows.map(row => partOf(row.name)))];
    const mismatch = compared.find(stage => stage.verdict === "mismatch");
    let part = mismatch ? partOf(mismatch.name) : parts[0];
    const isShown = name => part === "all" || partOf(name) === part;
    const show = () => {
      if (compared.length) {
        fill(results, ["stage", "result", "largest difference", "tolerance", "mismatched", "note"], compared.filter(stage => isShown(stage.name)).map(stage =>
          [element("bdi", {}, stage.name), stage.verdict, stage.difference, stage.allowed, stage.out, stage.note]));
      }
      fill(arrays, ["stage", "shape", "min", "max", "mean", "norm"],
        data.rows.filter(row => isShown(row.name)).map(row => [row.name, row.shape, ...row.numbers]));
      return chart ? draw(chart, width => differences({ values: compared, width }), `Differences by stage. ${data.summary}`) : Promise.resolve();
    };
    work.summarise(data.summary || `${data.rows.length} arrays; select the part of the encoder whose arrays to list.`);
    work.choice("Arrays of", "part", [...parts.map(name => [name, name]), ["all", "all parts"]], value => { part = value; show(); }).value = part;
    const chart = compared.length ? work.figure("Largest difference by stage, and its tolerance") : null;
    const results = compared.length ? work.table("Stage by stage") : null;
    const arrays = work.table("The arrays");
    return show;
  },

  tokens(data, work) {
    const list = work.block("div", { class: "token-texts" });
    for (const text of data.texts) {
      const chips = element("ol", { class: "chips", "aria-label": `Tokens of ${text.name}` });
      text.tokens.forEach((token, i) => {
        const special = /^\[(CLS|SEP|UNK|PAD|MASK)\]$/.test(token) ? " special" : "";
        const about = `position ${i}, id ${text.ids[i]}, segment ${text.segments[i]}`;
        chips.append(element("li", { class: `chip${special}`, title: about },
          element("bdi", {}, token), element("small", {}, String(text.ids[i]))));
      });
      text.truncated.forEach(token => chips.append(element("li", { class: "chip truncated" }, element("bdi", {}, token))));
      const more = text.truncated_count > text.truncated.length ? `, the first ${text.truncated.length} of them struck out here` : "";
      const rest = text.truncated_count ? `; ${text.truncated_count} more were truncated${more}` : "; none were truncated";
      list.append(element("h3", {}, text.name),
        element("p", { class: "note" }, `${text.tokens.length} tokens of at most ${data.max_length}${rest}. `
          + "Each piece is shown with its id."),
        element("div", { class: "scroller tall", tabindex: "0", role: "region", "aria-label": `Tokens of ${text.name}` }, chips));
    }
    const truncated = data.texts.filter(text => text.truncated_count).length;
    work.summarise(truncated ? `${truncated} of ${data.texts.length} texts were truncated at ${data.max_length} tokens.`
      : `All ${data.texts.length} texts have at most ${data.max_length} tokens.`);
    return () => Promise.resolve();
  },

  embeddings(data, work) {
    const { values, lengths } = data;
    let token = Math.min(1, data.tokens.length - 1);
    const show = () => {
      const cells = data.stages.flatMap((stage, s) =>
        values[s][token].map((value, feature) => ({ row: keyed(stage, s), column: String(feature), stage, feature, value })));
      work.summarise(quoted(data.tokens[token]), " has lengths ",
        data.stages.map((stage, s) => `${short(lengths[s][token])} (${stage})`).join(", "), ".");
      const most = Math.max(...cells.map(cell => Math.abs(cell.value)), 1e-9);
      return draw(map, width => tokenMap({
        cells, width, title: "value", named: false,
        rows: data.stages.map(keyed), columns: values[0][0].map((_, i) => String(i)),
        domain: [-most, 0, most], range: [colour("side-0"), colour("card"), colour("side-1")],
        tooltip: [{ field: "stage" }, { field: "feature" }, { field: "value", format: ".6f" }],
      }), `The first ${values[0][0].length} of ${data.features} features of ${data.tokens[token]}: word, position, segment, their sum, and after layer normalisation`);
    };
    work.choice("Token", "token", tokenOptions(data.tokens), value => { token = Number(value); show(); }).value = String(token);
    const map = work.figure(`The first ${values[0][0].length} of ${data.features} features`);
    return show;
  },

  attention(data, work) {
    let text, columns, from, to, token, layer = 0, head = 0;
    const layers = data.texts[0].probs.length, heads = data.texts[0].probs[0].length;
    const read = value => {
      text = data.texts[value];
      columns = [...text.tokens, ...(text.rest ? [`${text.rest} more`] : [])];
      [from, to] = [text.tokens, columns].map(names => names.map(keyed));
      token = Math.min(1, text.tokens.length - 1);
      tokens.replaceChildren(...tokenOptions(text.tokens).map(([i, name]) => element("option", { value: String(i) }, name)));
      tokens.value = String(token);
    };
    const showRow = () => {
      const row = text.probs[layer][head][token];
      const best = row.map((weight, i) => [weight, i]).sort((a, b) => b[0] - a[0]).slice(0, 3);
      const rounded = text === data.texts[0] ? short : weight => Number(weight.toPrecision(3)).toString();
      work.summarise(`${text === data.texts[0] ? "" : `${text.name}. `}Layer ${layer + 1}, head ${head + 1}: `, quoted(text.tokens[token]), " attends to ",
        ...best.flatMap(([weight, i], n) => [n ? ", " : "", quoted(columns[i]), ` ${rounded(weight)}`]), ".");
      return draw(bars, width => tokenBars({
        values: row.map((value, i) => ({ row: to[i], token: columns[i], value, most: i === best[0][1] })), width,
        title: "probability", marked: "most", tooltip: [{ field: "token" }, { field: "value", title: "probability", format: ".4f" }],
      }), `Attention of ${text.tokens[token]} in layer ${layer + 1}, head ${head + 1}`);
    };
    const showMap = () => {
      const cells = text.probs[layer][head].flatMap((row, i) => row.map((value, j) =>
        ({ row: from[i], column: to[j], from: text.tokens[i], to: columns[j], i, value })));
      return draw(map, width => tokenMap({
        cells, width, rows: from, columns: to, title: "probability", domain: [0, Math.max(...cells.map(cell => cell.value))],
        range: [colour("card"), colour("side-1")],
        tooltip: [{ field: "from" }, { field: "to" }, { field: "value", title: "probability", format: ".4f" }],
      }), `Attention of layer ${layer + 1}, head ${head + 1}: rows are queries, columns keys`, view => {
        view.addEventListener("mouseover", (event, item) => {
          const row = item?.datum?.i;
          if (row === undefined || row === token) return;
          token = row;
          tokens.value = String(row);
          showRow();
        });
      });
    };
    const show = () => Promise.all([showMap(), showRow()]);
    const numbered = count => Array.from({ length: count }, (_, i) => [i, `${i + 1} of ${count}`]);
    if (data.texts.length > 1) {
      work.choice("Text", "text", data.texts.map((one, i) => [i, one.name]), value => { read(Number(value)); show(); });
    }
    work.choice("Layer", "layer", numbered(layers), value => { layer = Number(value); show(); });
    work.choice("Head", "head", numbered(heads), value => { head = Number(value); show(); });
    const tokens = work.choice("Query token", "token", [], value => { token = Number(value); showRow(); });
    read(0);
    const map = work.figure("Each row: the attention probabilities of one query token (point at a row, or select its token above)");
    const bars = work.figure("Attention probabilities of the selected token");
    if (data.left_out) work.block("p", { class: "note" }).append(`The attention of the last ${data.left_out} documents is left out, to keep the page small.`);
    return show;
  },

  residual(data, work) {
    const { stream, added } = data;
    const stages = ["embedding", ...data.stages];
    const largest = added.flatMap((row, stage) => row.map((length, at) => ({ stage, token: at, length })))
      .reduce((a, b) => (b.length > a.length ? b : a));
    let token = Math.min(1, data.tokens.length - 1);
    const show = () => {
      const name = data.tokens[token], values = [];
      const collect = (what, table, names) => table.forEach((row, s) => {
        row.forEach((length, i) => values.push({ what, key: i, token: data.tokens[i], stage: names[s], length, series: null }));
        const mean = row.reduce((a, b) => a + b, 0) / row.length;
        values.push({ what, token: "mean", stage: names[s], length: mean, series: `${what}, mean of the tokens` });
        values.push({ what, token: name, stage: names[s], length: row[token], series: `${what}, ${name}` });
      });
      collect("carried", stream, stages);
      collect("added", added, data.stages);
      const last = stream[stream.length - 1][token], most = added.map(row => row[token]);
      const peak = most.indexOf(Math.max(...most));
      work.summarise(quoted(name), ` has length ${short(last)} after the last layer; ${data.stages[peak]} added most to it (${short(most[peak])}). `,
        "The largest addition of all: ", quoted(data.tokens[largest.token]), ` by ${data.stages[largest.stage]} (${short(largest.length)}).`);
      return draw(lines, width => streams({ values, stages, width }), `Length of ${name} and of what is added to it, layer by layer`);
    };
    work.choice("Token", "token", tokenOptions(data.tokens), value => { token = Number(value); show(); }).value = String(token);
    const lines = work.figure("Length of the carried vector, and of what each block adds");
    return show;
  },

  gelu(data, work) {
    let layer = 0;
    const curve = data.curve[0].map((x, i) => ({ x, y: data.curve[1][i] }));
    const show = () => {
      const inputs = data.layers[layer];
      const bins = inputs.counts.map((count, i) => ({ from: data.edges[i], to: data.edges[i + 1], count }));
      work.summarise(`Layer ${layer + 1}: of ${inputs.total.toLocaleString("en")} inputs ${(100 * inputs.negative).toFixed(1)} % are negative; `
        + `the mean is ${short(inputs.mean_before)} before and ${short(inputs.mean_after)} after GELU, and the outputs are between `
        + `${short(inputs.least_after)} and ${short(inputs.most_after)}. Outside the plot: ${inputs.below + inputs.above}.`);
      return draw(chart, width => activation({ curve, bins, width }), `GELU and the histogram of its inputs in layer ${layer + 1}`);
    };
    work.choice("Layer", "layer", data.layers.map((_, i) => [i, `${i + 1} of ${data.layers.length}`]), value => { layer = Number(value); show(); });
    const chart = work.figure("GELU, and the histogram of its inputs");
    return show;
  },

  pooling(data, work) {
    const names = ["its own final vector", ...data.cosines.map((_, i) => `Document ${i + 1}`)];
    const tokens = [...data.tokens, ...(data.rest ? [`${data.rest} more`] : [])];
    let against = 0;
    const show = () => {
      const parts = data.parts[against], total = parts.reduce((a, b) => a + b, 0);
      work.summarise(against ? `The contributions sum to the cosine with ${names[against]}: ${short(total)}.`
        : `The contributions sum to ${short(total)}, the whole vector. Before L2 normalisation its length was ${short(data.length)}; it begins ${data.vector.slice(0, 4).map(short).join(", ")}.`);
      return draw(bars, width => tokenBars({
        values: parts.map((value, i) => ({ row: keyed(tokens[i], i), token: tokens[i], value })), width,
        title: against ? "contribution to the cosine" : "contribution to the vector",
        tooltip: [{ field: "token" }, { field: "value", title: "contribution", format: ".6f" }],
      }), `Each token's contribution to the product with ${names[against]}`);
    };
    work.choice("Product with", "against", names.map((name, i) => [i, name]), value => { against = Number(value); show(); });
    const bars = work.figure("Each token's contribution");
    if (data.cosines.length) fill(work.table("Cosine with each document"), ["document", "cosine"], data.cosines.map((cosine, i) => [`Document ${i + 1}`, cosine]));
    return show;
  },

  lexical(data, work) {
    const settings = { variant: data.variant, k1: data.k1, b: data.b };
    let selected = Math.max(0, ranks(bm25(data, settings).documents.map(document => document.score)).indexOf(1));
    const change = name => value => { settings[name] = value; show(); };
    const show = () => {
      const result = bm25(data, settings), scores = result.documents.map(document => (document.isHit ? document.score : null));
      shared.lexical = scores;
      const rank = ranks(scores), variant = variantOf(data, settings.variant);
      work.summarise(`${settings.variant}, k1 ${settings.k1}, b ${settings.b}: N = ${result.n}, avgdl ${short(result.avgdl)}. `,
        data.terms.length ? "The question's terms: " : "No term of the question is left after stop words.",
        ...data.terms.flatMap((term, i) => [i ? ", " : "", quoted(term.term), term.count > 1 ? ` × ${term.count}` : ""]), ".");
      fill(table, ["document", "score", "rank", "length"], result.documents.map((document, i) =>
        [`Document ${i + 1}`, document.score, rank[i] === null ? "no query term" : String(rank[i]), String(data.documents[i].length)]));
      const one = result.documents[selected];
      fill(terms, ["term", "in question", "df", "idf", "tf", "length factor", "weight of tf", "product"], data.terms.map((term, i) =>
        [element("bdi", {}, term.term), String(term.count), String(term.df), result.idf[i], String(one.parts[i].tf), one.lengthFactor,
          one.parts[i].weight, one.parts[i].product]));
      const values = result.documents.flatMap((document, i) => document.parts.map((part, t) =>
        ({ document: `Document ${i + 1}`, term: data.terms[t].term, product: part.product })));
      const empty = result.documents.map((_, i) => ({ document: `Document ${i + 1}`, term: "", product: 0 })); // a scale needs an extent
      const followers = shared.followers.map(follow => follow());
      return Promise.all([
        draw(bars, width => stacked({ values: values.length ? values : empty, width, terms: data.terms.map(term => term.term) }), "BM25 scores by term"),
        draw(curve, width => saturation({ ...lengthsOf(result), width }), `Weight by occurrences, ${variant.name}`),
        ...followers,
      ]);
    };
    const lengthsOf = result => {
      const own = data.documents[selected].length, mean = Math.max(1, Math.round(result.avgdl || 1));
      const lines = [[own || 1, `Document ${selected + 1} (length ${own})`], [mean, `average (length ${mean})`], [4 * mean, `four times the average (${4 * mean})`]];
      return { names: lines.map(line => line[1]), values: lines.flatMap(([length, name]) =>
        Array.from({ length: 11 }, (_, tf) => ({ tf, length: name, weight: tf ? result.weigh(tf, length) : 0 }))) };
    };
    work.choice("Variant", "variant", data.variants.map(variant => [variant.name, variant.name]), change("variant")).value = data.variant;
    work.slider("k1", "k1", { min: 0, max: 3, step: 0.05, value: data.k1 }, change("k1"));
    work.slider("b", "b", { min: 0, max: 1, step: 0.05, value: data.b }, change("b"));
    work.choice("Terms of", "document", documentOptions(data.documents), value => { selected = Number(value); show(); })
      .value = String(selected);
    const bars = work.figure("Scores by term");
    const table = work.table("BM25 scores");
    const terms = work.table("By term: product = count in question × idf × weight of tf");
    const curve = work.figure("Saturation: the weight of a term by its occurrences");
    return show;
  },

  splade(data, work) {
    let text = 0;
    const show = () => {
      const current = data.texts[text];
      work.summarise(`${current.name}: ${current.count} words with a weight, ${current.added} of them not in the text (orange: added by ${data.model}).`);
      const spec = width => tokenBars({
        values: current.terms.map((term, i) => ({ row: keyed(term.term, i), term: term.term, value: term.weight, added: !term.written })),
        width, title: "weight", marked: "added", tooltip: [{ field: "term" }, { field: "value", title: "weight", format: ".5f" }],
      });
      const match = text ? data.documents[text - 1] : null;
      fill(products, ["word", "in the question", "in the document", "product"],
        match ? match.terms.map(term => [element("bdi", {}, term.term), term.question, term.document, term.product]) : []);
      products.closest(".scroller").hidden = !match;
      products.closest(".scroller").previousElementSibling.textContent = match
        ? `Score of ${current.name}: ${short(match.score)}, a sum over ${match.count} shared words` : "Select a document to see the words it shares with the question";
      return draw(bars, spec, `The words of ${current.name} with the largest weights`);
    };
    work.choice("Text", "text", data.texts.map((one, i) => [i, one.name]), value => { text = Number(value); show(); });
    const bars = work.figure("The words with the largest weights");
    fill(work.table("SPLADE scores"), ["document", "score", "shared words"], data.documents.map((document, i) => [`Document ${i + 1}`, document.score, String(document.count)]));
    const products = work.table("Shared words");
    return show;
  },

  fusion(data, work) {
    const settings = { rrfK: data.rrf_k, denseWeight: data.dense_weight };
    const change = name => value => { settings[name] = value; show(); };
    const names = data.dense.map((_, i) => `Document ${i + 1}`), rankings = ["MiniLM", "BM25", "RRF", "weighted"];
    const show = () => {
      const { weights, rows } = fused(data.dense, shared.lexical, settings.rrfK, settings.denseWeight);
      const first = key => names[rows.findIndex(row => row[key] === 1)];
      work.summarise(`First by reciprocal rank fusion: ${first("rrfRank")}; first by the weighted sum: ${first("sumRank")}.`);
      const values = rows.flatMap((row, i) => [row.ranks[0], row.ranks[1], row.rrfRank, row.sumRank]
        .map((rank, l) => ({ document: names[i], number: String(i + 1), ranking: rankings[l], rank, score: [data.dense[i], shared.lexical[i], row.rrf, row.sum][l] }))
        .filter(value => value.rank !== null));
      const sum = (a, b) => `${short(a)} + ${short(b)}`;
      const reciprocal = rank => (rank === null ? "0" : `1/(${settings.rrfK} + ${rank})`);
      fill(rrfTable, ["document", "rank by MiniLM", "rank by BM25", "sum", "RRF score", "rank"], rows.map((row, i) => [names[i],
        String(row.ranks[0]), row.ranks[1] === null ? "absent" : String(row.ranks[1]), `${reciprocal(row.ranks[0])} + ${reciprocal(row.ranks[1])}`, row.rrf, String(row.rrfRank)]));
      fill(sumTable, ["document", "MiniLM", "BM25", "mapped to 0 to 1", "weighted terms", "weighted score", "rank"], rows.map((row, i) => [names[i],
        data.dense[i], shared.lexical[i] === null ? "absent" : shared.lexical[i],
        `${short(normalizedIp(data.dense[i]))} and ${shared.lexical[i] === null ? "0" : short(normalizedIp(shared.lexical[i]))}`,
        sum(...row.weighted), row.sum, String(row.sumRank)]));
      sumTable.closest(".scroller").previousElementSibling.textContent =
        `Weighted: ${short(weights[0])} × MiniLM + ${short(weights[1])} × BM25, each score s mapped to 1/2 + atan(s)/π`;
      return draw(chart, width => rankLines({ values, rankings, documents: names, width }), "Ranks of the documents in the four rankings");
    };
    work.slider("k of RRF", "k", { min: 1, max: 200, step: 1, value: data.rrf_k }, change("rrfK"));
    work.slider("Weight of MiniLM", "weight", { min: 0, max: 1, step: 0.05, value: data.dense_weight }, change("denseWeight"));
    const chart = work.figure("Ranks in the four rankings (BM25 as set above)");
    const rrfTable = work.table("Reciprocal rank fusion");
    const sumTable = work.table("Weighted");
    shared.followers.push(show);
    return show;
  },

  reranking(data, work) {
    const maps = data.documents.map(document => document.map);
    let selected = 0;
    const show = () => {
      const document = data.documents[selected], cells = [];
      maps[selected].forEach((row, i) => row.forEach((value, j) => cells.push({
        row: keyed(data.question[i], i), column: keyed(document.tokens[j], j), question: data.question[i],
        document: document.tokens[j], value, best: document.best[i].at === j,
      })));
      const far = document.best.filter(best => best.at >= document.tokens.length).length;
      work.summarise(`Document ${selected + 1}: ${data.cosine_weight} × ${short(document.cosine)} (cosine) + ${1 - data.cosine_weight} × ${short(document.late)} (MaxSim) = ${short(document.score)}.`,
        document.rest ? ` The map shows its first ${document.tokens.length} tokens; ${far} of the largest cosines are with later ones.` : "",
        data.rest ? ` ${data.rest} more tokens of the question are counted but not shown.` : "");
      return draw(map, width => tokenMap({
        cells, width, title: "cosine", rows: data.question.map(keyed), columns: document.tokens.map(keyed), framed: "best",
        domain: [-1, 0, 1], range: [colour("side-0"), colour("card"), colour("side-1")],
        tooltip: [{ field: "question" }, { field: "document" }, { field: "value", title: "cosine", format: ".5f" }],
      }), `Cosines between the question's tokens and those of document ${selected + 1}`);
    };
    work.choice("Document", "document", documentOptions(data.documents), value => { selected = Number(value); show(); });
    const map = work.figure("Cosine of each token of the question (rows) with each of the document (columns)");
    const rank = ranks(data.documents.map(document => document.score));
    fill(work.table("The final ranking"), ["document", "cosine", "MaxSim", "score", "rank"], data.documents.map((document, i) =>
      [`Document ${i + 1}`, document.cosine, document.late, document.score, String(rank[i])]));
    if (data.cross_encoder) {
      const cross = data.cross_encoder, order = ranks(cross.scores);
      fill(work.table(`Cross-encoder ${cross.model} (${cross.activation === "none" ? "logits" : cross.activation})`),
        ["document", "tokens of the pair", "logit", "score", "rank"], cross.scores.map((score, i) =>
          [`Document ${i + 1}`, String(cross.lengths[i]), cross.logits[i], score, String(order[i])]));
    }
    return show;
  },

  models(data, work) {
    const names = data.models.map(model => model.name), texts = data.texts.map((name, i) => (i ? `D${i}` : "Q"));
    const placed = data.documents.map(ranks), first = rank => `Document ${rank.indexOf(1) + 1}`;
    const documents = data.texts.slice(1);
    const show = () => Promise.all([
      draw(lines, width => rankLines({
        values: documents.flatMap((name, i) => names.map((ranking, m) =>
          ({ document: name, number: String(i + 1), ranking, rank: placed[m][i], score: data.documents[m][i] }))),
        rankings: names, documents, width,
      }), `Ranks of the documents by ${names.join(" and by ")}`),
      ...data.models.map((model, m) => {
        const cells = model.scores.flatMap((row, i) => row.map((value, j) =>
          ({ row: texts[i], column: texts[j], from: data.texts[i], to: data.texts[j], value })));
        const most = Math.max(...cells.filter(cell => cell.row !== cell.column).map(cell => cell.value), 1e-9);
        return draw(maps[m], width => tokenMap({
          cells, width, rows: texts, columns: texts, title: model.score, domain: [0, most], range: [colour("card"), colour("side-1")],
          tooltip: [{ field: "from" }, { field: "to" }, { field: "value", title: model.score, format: ".4f" }], numbered: false,
        }), `Scores of ${model.name} between all texts`);
      }),
    ]);
    work.summarise(`First by ${names[0]}: ${first(placed[0])}; first by ${names[1]}: ${first(placed[1])}.`);
    const lines = work.figure("Ranks of the documents by both models");
    const maps = data.models.map(model => work.figure(`${model.name}: ${model.score} between all texts (Q: the question)`));
    fill(work.table("Scores and ranks"), ["document", ...data.models.flatMap(model => [`${model.name}, ${model.score}`, `rank by ${model.name}`])],
      documents.map((name, i) => [name, ...names.flatMap((_, m) => [data.documents[m][i], String(placed[m][i])])]));
    return show;
  },

  "what-if"(data, work) {
    const rankings = { fused: "RRF of both", dense: "MiniLM", lexical: "BM25" }, before = data.changes[0];
    const names = before.dense.map((_, i) => `Document ${i + 1}`);
    const rankOf = (change, by) => (by === "fused" ? fused(change.dense, change.lexical, 60, 0.5).rows.map(row => row.rrfRank) : ranks(change[by]));
    const order = rank => rank.map((place, i) => [place, i + 1]).filter(([place]) => place !== null).sort((a, b) => a[0] - b[0]).map(([, number]) => number).join("\u00a0");
    const marked = (now, earlier) => (now === earlier ? now || "–" : element("strong", {}, now || "none"));
    const moved = (a, b) => a.filter((place, i) => place !== b[i]).length;
    let selected = data.selected || 1, by = "fused";
    const show = () => {
      const change = data.changes[selected], [was, is] = [rankOf(before, by), rankOf(change, by)];
      const first = rank => (rank.includes(1) ? names[rank.indexOf(1)] : "no document");
      work.summarise(element("bdi", {}, change.name), `: first by ${rankings[by]} is ${first(is)}${first(is) === first(was) ? ", as before" : ` instead of ${first(was)}`}; `
        + `${moved(was, is)} of ${names.length} documents have another rank.`);
      const values = [["before", was, before], ["after", is, change]].flatMap(([when, rank, scores]) => rank.map((place, i) =>
        ({ document: names[i], number: String(i + 1), ranking: when, rank: place, score: scores[by]?.[i] })).filter(value => value.rank !== null));
      return draw(chart, width => rankLines({ values, rankings: ["before", "after"], documents: names, width, scored: by !== "fused" }),
        `Ranks by ${rankings[by]} before and after: ${change.name}`);
    };
    work.choice("Change", "change", data.changes.map((change, i) => [i, change.name]).slice(1), value => { selected = Number(value); show(); }).value = String(selected);
    work.choice("Ranking", "ranking", Object.entries(rankings), value => { by = value; show(); });
    const chart = work.figure("Ranks before and after the change");
    const was = rankOf(before, "fused");
    fill(work.table("All changes: the documents in order, best first, bold where it is another order"), ["change", "MiniLM", "BM25", "RRF", "moved by RRF", "change of a cosine"],
      data.changes.map(change => [element("bdi", {}, change.name), ...["dense", "lexical", "fused"].map(name => marked(order(rankOf(change, name)), order(rankOf(before, name)))),
        String(moved(was, rankOf(change, "fused"))), Math.max(...change.dense.map((value, i) => Math.abs(value - before.dense[i])))]));
    return show;
  },
};
