// wink-bm25-text-search; its scores are rounded to the given number of decimals: node wink.js 4
const bm25 = require('wink-bm25-text-search');
const split = require('./split');
require('./lines')(({ corpus, queries, k1, b }) => {
  const index = bm25();
  index.defineConfig({ fldWeights: { body: 1 }, bm25Params: { k1, b, k: 1 } });
  index.definePrepTasks([split]);
  corpus.forEach((body, id) => index.addDoc({ body }, id));
  index.consolidate(Number(process.argv[2]));
  return queries.map((query) => {
    const row = corpus.map(() => 0);
    index.search(query, corpus.length).forEach(([id, score]) => { row[id] = score; });
    return row;
  });
});
