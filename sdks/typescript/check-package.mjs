// Checks the package as it would be published: publint, attw, and Node 20, 22 and 24. Needs the npm registry.
// Run: npm run check:package
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), 'sallyport-check-package-'));

function run(command, args, cwd = here) {
  const { status, stdout } = spawnSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  process.stdout.write(stdout ?? '');
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return stdout;
}

const program = `
import { createVerifier } from '@sallyport/verifier';
import { createFakeIssuer } from '@sallyport/verifier/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFeedFile } from '@sallyport/verifier';
for (const name of ['fastify', 'express', 'next', 'hono']) await import('@sallyport/verifier/' + name);
const codes = [];
for (const algorithm of ['RS256', 'ES256', 'EdDSA', 'HS256']) {
  const issuer = await createFakeIssuer({ algorithm });
  const verifier = createVerifier(issuer.options);
  const token = await issuer.mint();
  codes.push((await verifier.verify(token)).code);
  await issuer.revoke(token);
  await verifier.refresh();
  codes.push((await verifier.verify(token)).code);
  verifier.close();
}
const folder = mkdtempSync('feed-');
const issuer = await createFakeIssuer();
const feedFile = folder + '/feed.json';
const writer = writeFeedFile({ ...issuer.options, feedFile });
await writer.ready();
writer.close();
issuer.goStale();
const verifier = createVerifier({ ...issuer.options, feed: 'file', feedFile });
codes.push((await verifier.verify(await issuer.mint())).code);
verifier.close();
rmSync(folder, { recursive: true });
console.log(process.version, codes.join(' '));
`;
const EXPECTED = `${'active revoked '.repeat(4)}active`;

try {
  run('npm', ['run', 'build']);
  run('npx', ['--yes', 'publint@0.3', '--strict']);
  run('npx', [
    '--yes',
    '@arethetypeswrong/cli@0.18',
    '--pack',
    '.',
    '--profile',
    'esm-only',
    '--ignore-rules',
    'cjs-resolves-to-esm',
  ]);
  const tarball = run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]).trim();
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  writeFileSync(join(folder, 'program.mjs'), program);
  run('npm', ['install', '--no-audit', '--no-fund', `./${tarball}`], folder);
  for (const version of ['20', '22', '24']) {
    const output = run('npx', ['--yes', '-p', `node@${version}`, 'node', 'program.mjs'], folder);
    if (!output.includes(EXPECTED)) throw new Error(`Node ${version}: ${output}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
