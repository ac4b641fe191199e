// lunr, without stemmer and stop words.
const lunr = require('lunr');
const split = require('./split');
require('./lines')(({ corpus, queries, k1, b }) => {
  const index = lunr(function () {
    this.pipeline.reset();
    this.searchPipeline.reset();
    this.ref('id');
    this.field('text');
    this.k1(k1);
    this.b(b);
    corpus.forEach((text, id) => this.add({ id: String(id), text }));
  });
  return queries.map((query) => {
    const row = corpus.map(() => 0);
    if (!query.trim()) return row; // an empty query matches every document
    const hits = index.query((one) => split(query).forEach((term) => one.term(term.toLowerCase(), {})));
    hits.forEach((hit) => { row[Number(hit.ref)] = hit.score; });
    return row;
  });
});
