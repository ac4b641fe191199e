// The terms of a text: what white space separates.
module.exports = (text) => text.split(/\s+/).filter(Boolean);
