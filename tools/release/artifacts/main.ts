/** `npm run release:artifacts`: makes what a release hands out, and publishes it in the log of releases. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { commitOf } from '#observability/build.ts';
import { sourceDateEpoch } from '../../image/build.ts';
import { root } from '../../image/engine.ts';
import { changedFiles } from '../describe-release.ts';
import { tarGz } from './archive.ts';
import { billOfPackage, imageArchives } from './image.ts';
import { type LogPlace, makeLog, publish, readLog, sha256 } from './log.ts';
import { type Artifact, deployments, goModules, npmPackages, pythonPackages } from './packages.ts';
import { productPackage, readManifest } from './product.ts';

const { version } = readManifest();
const OUT = join(root, '.sallyport/release');

/** What a release has, by the name that --only knows. */
const KINDS: Readonly<Record<string, (log: LogPlace | undefined) => readonly Artifact[]>> = {
  product: () => [{ name: `sallyport-${version}.tgz`, bytes: tarGz(productPackage()) }],
  npm: npmPackages,
  python: pythonPackages,
  go: () => goModules(sourceDateEpoch()),
  deployments,
  sbom: () => [billOfPackage()],
  verifier: (log) => [verifier(log)],
  image: () => imageArchives(version, say),
};

const HELP = `npm run release:artifacts -- [--log FOLDER --key-file FILE] [--new-log NAME] [--out FOLDER] [--only KINDS]

Makes the artefacts of version ${version} into --out, SHA256SUMS over them, and, with --log, a .tlog-proof beside each.
Two runs on one commit make the same bytes; proofs name the head of the log, which grows.

  --log FOLDER      the log of releases: static files, for any web server
  --key-file FILE   its private key, which only you can read
  --new-log NAME    first make both; NAME is the log's for ever, such as releases.example/sallyport
  --out FOLDER      an empty folder; default: .sallyport/release, which is emptied first
  --only KINDS      some of ${Object.keys(KINDS).join(', ')}; separated by commas;
                    a log takes all of them at once: a version has one SHA256SUMS
  --uncommitted     to try it: publish what no commit has, or some kinds alone; the log then names no commit
`;

const say = (text: string): void => void process.stderr.write(`release: ${text}\n`);

/** The verifier of audit logs and releases under a name of its own, with the key of the log pinned in it. */
function verifier(log: LogPlace | undefined): Artifact {
  const text = readFileSync(join(root, 'tools/verify-audit-log.mjs'), 'utf8').replaceAll(
    'verify-audit-log',
    'verify-release',
  );
  const key = log === undefined ? '' : `'${readFileSync(join(log.log, 'vkey'), 'utf8').trim()}'`;
  const own = text.replace('FOR_RELEASES = false', 'FOR_RELEASES = true').replace('PINNED = []', `PINNED = [${key}]`);
  return { name: 'verify-release.mjs', bytes: Buffer.from(own) };
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ log: text, 'key-file': text, 'new-log': text, only: text },
      ...{ out: text, uncommitted: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const kinds = values.only?.split(',') ?? Object.keys(KINDS);
  const unknown = kinds.find((kind) => KINDS[kind] === undefined);
  if (unknown !== undefined) throw new Error(`there is no kind ${unknown}: see --help`);
  if ((values.log === undefined) !== (values['key-file'] === undefined))
    throw new Error('--log and --key-file belong together');
  const log = values.log && values['key-file'] ? { log: values.log, keyFile: values['key-file'] } : undefined;
  if (values['new-log'] !== undefined && log === undefined) throw new Error('--new-log needs --log and --key-file');
  if (values.only !== undefined && log !== undefined && !values.uncommitted)
    throw new Error('--only makes a part of a release, and the log takes it whole\n  fix: leave out --only, or --log');
  const [changed] = log === undefined ? [] : changedFiles(root);
  if (changed !== undefined && !values.uncommitted)
    throw new Error(`${changed} is not committed, and the log names a commit\n  fix: publish from a fresh clone`);
  const commit = (!values.uncommitted && commitOf(root)) || 'none';
  if (log !== undefined && values['new-log'] !== undefined) makeLog(log, values['new-log']);
  if (log !== undefined) readLog(log);

  const out = resolve(values.out ?? OUT);
  if (values.out === undefined) rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  if (readdirSync(out).length > 0) throw new Error(`${out} is not empty`);
  const put = ({ name, bytes }: Artifact): void => {
    writeFileSync(join(out, name), bytes);
    say(`${name}  ${bytes.length} bytes`);
  };
  const made = kinds.flatMap((kind) => KINDS[kind]?.(log) ?? []).sort((a, b) => (a.name < b.name ? -1 : 1));
  const sums = made.map(({ name, bytes }) => `${sha256(bytes)}  ${name}\n`).join('');
  const all = [...made, { name: 'SHA256SUMS', bytes: Buffer.from(sums) }];
  for (const each of all) put(each);
  if (log !== undefined) for (const each of await publish(log, all, { version, commit })) put(each);
  process.stdout.write(`${out}: ${readdirSync(out).length} files\n`);
}

try {
  await main();
} catch (err) {
  say((err as Error).message);
  process.exitCode = 1;
}
