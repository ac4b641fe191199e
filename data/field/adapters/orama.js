// Orama's full-text search, tokens separated by white space.
const split = require('./split');
require('./lines')(async ({ corpus, queries, k1, b }) => {
  const { create, insertMultiple, search } = await import(require.resolve('@orama/orama'));
  const tokenizer = { language: 'english', normalizationCache: new Map(), tokenize: split };
  const index = create({ schema: { text: 'string' }, components: { tokenizer } });
  await insertMultiple(index, corpus.map((text, id) => ({ id: String(id), text })));
  const options = { limit: corpus.length, relevance: { k: k1, b, d: 0 }, exact: false, tolerance: 0, threshold: 1 };
  return Promise.all(queries.map(async (query) => {
    const row = corpus.map(() => 0);
    if (!query.trim()) return row;
    const found = await search(index, { term: query, ...options });
    found.hits.forEach((hit) => { row[Number(hit.id)] = hit.score; });
    return row;
  }));
});
