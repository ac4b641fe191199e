// A BM25 for `refimpl check --suite bm25 --bm25-variant lucene --command 'node bm25.js'`: replace `scores` by yours.
const split = (text) => text.split(/\s+/).filter(Boolean);

// One row per query with one score per document: Lucene's BM25; empty documents do not count.
function scores(corpus, queries, k1, b) {
  const docs = corpus.map((text) => {
    const counts = new Map();
    const terms = split(text);
    terms.forEach((term) => counts.set(term, (counts.get(term) || 0) + 1));
    return { counts, length: terms.length };
  });
  const size = docs.filter((doc) => doc.length).length;
  const average = docs.reduce((sum, doc) => sum + doc.length, 0) / Math.max(size, 1);
  const idf = (term) => {
    const n = docs.filter((doc) => doc.counts.has(term)).length;
    return Math.log(1 + (size - n + 0.5) / (n + 0.5));
  };
  return queries.map((query) => {
    const weights = split(query).map((term) => [term, idf(term)]);
    return docs.map(({ counts, length }) => weights.reduce((sum, [term, weight]) => {
      const f = counts.get(term) || 0;
      return f ? sum + weight * f / (f + k1 * (1 - b + b * length / average)) : sum;
    }, 0));
  });
}

require('readline').createInterface({ input: process.stdin, terminal: false }).on('line', (line) => {
  const { corpus, queries, k1, b } = JSON.parse(line);
  console.log(JSON.stringify(scores(corpus, queries, k1, b)));
});
