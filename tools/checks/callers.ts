/** Checks that only `services/core/authority/` decides by the kind of a caller, so that no decision forgets a kind. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { callerDecisions } from './caller-kinds.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const paths = execFileSync('git', ['ls-files', 'services/*.ts', 'jobs/*.ts', 'cli/*.ts', 'observability/*.ts'], {
  cwd: ROOT,
  encoding: 'utf8',
}).split('\n');
const found = callerDecisions(
  paths.filter((path) => path !== '').map((path) => ({ path, text: readFileSync(resolve(ROOT, path), 'utf8') })),
);
for (const place of found)
  process.stderr.write(`callers: ${place}: ask services/core/authority/ instead, which has a case for every kind\n`);
if (found.length > 0) process.exitCode = 1;
