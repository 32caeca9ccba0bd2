// Runs single test files with the Node version and the stores that all tests use.
import { once } from 'node:events';
import { resolve } from 'node:path';
import { startChild } from './test/children.ts';

const HELP = `Runs single test files with the Node version and the stores that all tests use.

  npm run t -- <file> [<file> ...]     a path, or a part of one
  npm run t -- <file> -t <title>       only tests whose title matches this regular expression
  npm run t -- <file> --watch          run again at every change; other options of vitest also work
`;

const ROOT = resolve(import.meta.dirname, '..');
const args = process.argv.slice(2);

if (args.length === 0 || args[0]?.startsWith('-')) {
  process.stderr.write(HELP);
  process.exitCode = args[0] === '--help' ? 0 : 2;
} else {
  const how = args.includes('--watch') ? [] : ['--run'];
  const child = startChild(process.execPath, [resolve(ROOT, 'node_modules/vitest/vitest.mjs'), ...how, ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: resolve(ROOT, 'node_modules/.cache/compiled') },
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  process.exitCode = status ?? 1;
}
