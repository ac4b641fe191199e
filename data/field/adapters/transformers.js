// transformers.js on the exported file of embed_onnx.py, whose folder that module prints: mean and unit length.
const { execFileSync } = require('child_process');
const path = require('path');
const { pathToFileURL } = require('url');
const program = 'from embed_onnx import onnx_folder; print(onnx_folder())';

let encoder = null;
async function load() {
  const file = require.resolve('@huggingface/transformers');
  const { env, pipeline } = await import(pathToFileURL(file));
  const lines = execFileSync(process.env.REFIMPL_PYTHON, ['-c', program], { cwd: __dirname, encoding: 'utf8' }).trim().split('\n');
  const folder = lines[lines.length - 1];
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(folder);
  return pipeline('feature-extraction', path.basename(folder), { dtype: 'fp32' });
}

require('./lines')(async (text) => {
  encoder = encoder || await load();
  return Array.from((await encoder(text, { pooling: 'mean', normalize: true })).data);
});
