// The JSON-lines loop of `refimpl check --command`: one input per line, one answer per line; null refuses an input.
module.exports = async (answer) => {
  const lines = require('readline').createInterface({ input: process.stdin, terminal: false });
  for await (const line of lines) {
    let value = null;
    try {
      value = await answer(JSON.parse(line));
    } catch (error) {
      console.error(String(error));
    }
    process.stdout.write(JSON.stringify(value) + '\n');
  }
};
