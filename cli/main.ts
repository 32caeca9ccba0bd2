// PROCESS: the command line.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { nameSourcesOfCrash } from '../observability/source-frames.ts';

nameSourcesOfCrash();

// Removing types and compiling cost more than most verbs do, and a third of what a process of `start` needs until it is
// ready. Not while coverage is measured, which cached code blurs.
if (process.env.NODE_V8_COVERAGE === undefined) {
  process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../node_modules/.cache/sallyport/compiled');
  enableCompileCache();
}
// A record of an import is garbage after its batch. A young generation that grows with the rate of garbage took 100 MB
// more, and the import was no faster.
if (process.argv.includes('import')) setFlagsFromString('--semi-space-growth-factor=1');
const { run } = await import('./run.ts');

// A closed pipe must not fail the command.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const failure = await run(process.argv.slice(2));
// An open handle (a pool, the launcher's IPC channel) must not keep the process alive.
if (failure !== undefined) process.exit(failure);
