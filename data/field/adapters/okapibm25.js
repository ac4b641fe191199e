// okapibm25, whose terms are substrings.
const score = require('okapibm25').default;
const split = require('./split');
require('./lines')(({ corpus, queries, k1, b }) => queries.map((query) => score(corpus, split(query), { k1, b })));
