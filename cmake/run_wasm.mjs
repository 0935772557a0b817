// Runs a module of the preset wasm under Node: node run_wasm.mjs MODULE [ARGUMENT ...]. The module sees the files and the
// environment of whoever runs it, and starts in the root folder.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [module, ...rest] = process.argv.slice(2);
if (module === undefined) {
  console.error('usage: node run_wasm.mjs MODULE [ARGUMENT ...]');
  process.exit(2);
}

// Where relaxed SIMD is an experiment still, and the baseline compiler multiplies wrongly. Later engines have it without
// asking, and refuse the flag.
const flags = ['--experimental-wasm-relaxed-simd', '--no-liftoff'];
if (Number(process.versions.v8.split('.')[0]) < 12 && !process.execArgv.includes(flags[0])) {
  const run = spawnSync(process.execPath, [...flags, ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exit(run.status ?? 1);
}

process.removeAllListeners('warning');  // that WASI is an experiment
const { WASI } = await import('node:wasi');
const wasi = new WASI({
  version: 'preview1', args: [module, ...rest], env: process.env, preopens: { '/': '/' }, returnOnExit: true,
});
const compiled = await WebAssembly.compile(readFileSync(module));
const instance = await WebAssembly.instantiate(compiled, wasi.getImportObject());
process.exitCode = wasi.start(instance);
