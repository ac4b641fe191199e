// MiniSearch with the k1 and b of the input, or with its defaults: node minisearch.js [defaults]
const MiniSearch = require('minisearch');
const split = require('./split');
require('./lines')(({ corpus, queries, k1, b }) => {
  const index = new MiniSearch({ fields: ['text'], tokenize: split, processTerm: (term) => term });
  index.addAll(corpus.map((text, id) => ({ id, text })));
  const options = process.argv[2] === 'defaults' ? {} : { bm25: { k: k1, b, d: 0.5 } };
  return queries.map((query) => {
    const row = corpus.map(() => 0);
    index.search(query, options).forEach((hit) => { row[hit.id] = hit.score; });
    return row;
  });
});
