// elasticlunr, without stemmer and stop words.
const elasticlunr = require('elasticlunr');
require('./lines')(({ corpus, queries }) => {
  const index = elasticlunr(function () {
    this.pipeline.reset();
    this.setRef('id');
    this.addField('text');
  });
  corpus.forEach((text, id) => index.addDoc({ id: String(id), text }));
  return queries.map((query) => {
    const row = corpus.map(() => 0);
    index.search(query, {}).forEach((hit) => { row[Number(hit.ref)] = hit.score; });
    return row;
  });
});
