// The page's own arithmetic: BM25 in every variant, and the two fusions. The functions of `idfs` and `tfs` have the names
// of those in refimpl/sparse/bm25/formulas.py and are tested against them (tests/explain/test_numbers_js.py).

const idfs = {
  idf_robertson: (df, n) => Math.log(n - df + 0.5) - Math.log(df + 0.5),
  idf_floored: (df, n, data) => {
    const idf = idfs.idf_robertson(df, n);
    return idf < 0 ? data.epsilon * averageIdf(data, n) : idf;
  },
  idf_atire: (df, n) => Math.log(n / df),
  idf_bm25l: (df, n) => Math.log((n + 1) / (df + 0.5)),
  idf_bm25plus: (df, n) => Math.log((n + 1) / df),
  idf_lucene: (df, n) => Math.log(1 + (n - df + 0.5) / (df + 0.5)),
};

// `norm` is the length factor, 1 - b + b doc_len / avgdl.
const tfs = {
  tf_robertson: (tf, norm, k1) => tf / (tf + k1 * norm),
  tf_okapi: (tf, norm, k1) => (tf * (k1 + 1)) / (tf + k1 * norm),
  tf_bm25l: (tf, norm, k1, delta) => ((k1 + 1) * (tf / norm + delta)) / (k1 + tf / norm + delta),
  tf_bm25plus: (tf, norm, k1, delta) => delta + (tf * (k1 + 1)) / (tf + k1 * norm),
  tf_lucene_lossy: (tf, norm, k1) => tf / (tf + k1 * norm),
};

function averageIdf(data, n) {
  let sum = 0, terms = 0;
  for (const [df, count] of data.df_counts) {
    sum += count * idfs.idf_robertson(df, n);
    terms += count;
  }
  return sum / terms;
}

// A length in Lucene's one-byte code: below 40 exact, above with four significant bits of length - 24.
function lossyLength(length) {
  if (length < 40) return length;
  const above = length - 24, unit = 2 ** (28 - Math.clz32(above));
  return 24 + Math.floor(above / unit) * unit;
}

function lengthFactor(tfName, length, avgdl, b) {
  return 1 - b + (b * (tfName === "tf_lucene_lossy" ? lossyLength(length) : length)) / avgdl;
}

function variantOf(data, name) {
  return data.variants.find(variant => variant.name === name);
}

// N and avgdl of the variant, the tf weight as a function of tf and length, and each document's score, term by term.
function bm25(data, { variant: name, k1, b }) {
  const variant = variantOf(data, name);
  const n = variant.counts_empty ? data.n_docs : data.n_docs - data.n_empty;
  const avgdl = n ? data.total_len / n : 0;
  const factor = length => lengthFactor(variant.tf, length, avgdl, b);
  const weigh = (tf, length) => tfs[variant.tf](tf, factor(length), k1, variant.delta);
  const idf = data.terms.map(term => (term.df ? idfs[variant.idf](term.df, n, data) : null));
  const documents = data.documents.map(document => {
    const parts = data.terms.map((term, i) => {
      const tf = document.tf[i], weight = tf ? weigh(tf, document.length) : 0;
      return { tf, weight, product: tf ? term.count * idf[i] * weight : 0, isHit: tf > 0 && idf[i] !== 0 };
    });
    return {
      parts,
      lengthFactor: document.length ? factor(document.length) : null,
      score: parts.reduce((sum, part) => sum + part.product, 0),
      isHit: parts.some(part => part.isHit),
    };
  });
  return { n, avgdl, idf, documents, weigh };
}

// The rank, from 1, of each score: highest first, ties in document order; null (absent) has no rank.
function ranks(scores) {
  const order = scores.map((score, i) => i).filter(i => scores[i] !== null);
  order.sort((i, j) => scores[j] - scores[i] || i - j);
  const ranked = scores.map(() => null);
  order.forEach((i, position) => { ranked[i] = position + 1; });
  return ranked;
}

const normalizedIp = score => 0.5 + Math.atan(score) / Math.PI;

// Fuse dense and lexical scores (null: absent): both fused scores, with each route's part.
function fused(dense, lexical, rrfK, denseWeight) {
  const routes = [dense, lexical], weights = [denseWeight, 1 - denseWeight], placed = routes.map(ranks);
  const rows = dense.map((_, i) => {
    const reciprocal = placed.map(rank => (rank[i] === null ? 0 : 1 / (rrfK + rank[i])));
    const weighted = routes.map((scores, r) => (scores[i] === null ? 0 : weights[r] * normalizedIp(scores[i])));
    return { ranks: placed.map(rank => rank[i]), reciprocal, weighted,
      rrf: reciprocal[0] + reciprocal[1], sum: weighted[0] + weighted[1] };
  });
  const byRrf = ranks(rows.map(row => row.rrf)), bySum = ranks(rows.map(row => row.sum));
  rows.forEach((row, i) => { row.rrfRank = byRrf[i]; row.sumRank = bySum[i]; });
  return { weights, rows };
}
