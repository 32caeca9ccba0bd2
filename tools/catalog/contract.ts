import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { version } from '#observability/version.ts';
import { openApiOf } from '#services/platform/http/openapi.ts';
import { collectEndpoints } from './collect.ts';
import { differenceSince } from './contract-difference.ts';
import { openApiText } from './pages.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const HELP = `Shows how the contract of the API, which a running copy answers at /openapi.json, differs from that of an earlier
commit. Both are built here: no file in git has them.

  npm run contract                     the commit where this branch left main; on main, the one before
  npm run contract -- --since COMMIT   another commit
  npm run -s contract -- --print       the contract itself
`;

const { values } = parseArgs({
  options: { since: { type: 'string' }, print: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});
const text = async (): Promise<string> => openApiText(openApiOf(await collectEndpoints(), version));
if (values.help) process.stdout.write(HELP);
else if (values.print) process.stdout.write(await text());
else
  try {
    process.stdout.write(differenceSince(ROOT, 'tools/catalog/contract.ts', await text(), values.since));
  } catch (err) {
    process.stderr.write(`contract: ${(err as Error).message}\n`);
    process.exitCode = 1;
  }
