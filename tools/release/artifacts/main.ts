/** `npm run release:artifacts`: makes what a release hands out. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sourceDateEpoch } from '../../image/build.ts';
import { root } from '../../image/engine.ts';
import { tarGz } from './archive.ts';
import { billOfPackage, imageArchive } from './image.ts';
import { type Artifact, deployments, goModules, npmPackages, pythonPackages } from './packages.ts';
import { productPackage, readManifest } from './product.ts';

const { version } = readManifest();
const OUT = join(root, '.sallyport/release');

/** What a release has, by the name that --only knows. */
const KINDS: Readonly<Record<string, () => readonly Artifact[]>> = {
  product: () => [{ name: `sallyport-${version}.tgz`, bytes: tarGz(productPackage()) }],
  npm: npmPackages,
  python: pythonPackages,
  go: () => goModules(sourceDateEpoch()),
  deployments,
  sbom: () => [billOfPackage()],
  image: () => imageArchive(version, say),
};

const HELP = `npm run release:artifacts -- [--out FOLDER] [--only KINDS]

Makes the artefacts of version ${version} into --out, and SHA256SUMS over them. Two runs on one commit make the same bytes.

  --out FOLDER      an empty folder; default: .sallyport/release, which is emptied first
  --only KINDS      some of ${Object.keys(KINDS).join(', ')}; separated by commas
`;

const say = (text: string): void => void process.stderr.write(`release: ${text}\n`);

function main(): void {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ out: text, only: text, help: { type: 'boolean', short: 'h' } },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const kinds = values.only?.split(',') ?? Object.keys(KINDS);
  const unknown = kinds.find((kind) => KINDS[kind] === undefined);
  if (unknown !== undefined) throw new Error(`there is no kind ${unknown}: see --help`);
  const out = resolve(values.out ?? OUT);
  if (values.out === undefined) rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  if (readdirSync(out).length > 0) throw new Error(`${out} is not empty`);
  const put = ({ name, bytes }: Artifact): void => {
    writeFileSync(join(out, name), bytes);
    say(`${name}  ${bytes.length} bytes`);
  };
  const made = kinds.flatMap((kind) => KINDS[kind]?.() ?? []).sort((a, b) => (a.name < b.name ? -1 : 1));
  const sums = made.map(({ name, bytes }) => `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`).join('');
  const all = [...made, { name: 'SHA256SUMS', bytes: Buffer.from(sums) }];
  for (const each of all) put(each);
  process.stdout.write(`${out}: ${readdirSync(out).length} files\n`);
}

try {
  main();
} catch (err) {
  say((err as Error).message);
  process.exitCode = 1;
}
