// Runs a module of the preset wasm under Node: node run_wasm.mjs MODULE [ARGUMENT ...]. The module sees the files and
// the environment of whoever runs it, and starts in the root folder.
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

// Where relaxed SIMD is an experiment still; later engines have it without asking and do not know the flag.
if (Number(process.versions.v8.split('.')[0]) < 12) setFlagsFromString('--experimental-wasm-relaxed-simd');

process.removeAllListeners('warning');  // that WASI is one
const { WASI } = await import('node:wasi');

const [module, ...rest] = process.argv.slice(2);
if (module === undefined) {
  console.error('usage: node run_wasm.mjs MODULE [ARGUMENT ...]');
  process.exit(2);
}
const wasi = new WASI({
  version: 'preview1', args: [module, ...rest], env: process.env, preopens: { '/': '/' }, returnOnExit: true,
});
const compiled = await WebAssembly.compile(readFileSync(module));
const instance = await WebAssembly.instantiate(compiled, wasi.getImportObject());
process.exitCode = wasi.start(instance);
