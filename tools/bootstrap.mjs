// Makes a bare clone runnable: installs dependencies, generates the Prisma client, builds the console, and bundles what
// runs. Runs on any Node >= 20, needs no package, and takes a tenth of a second when there is nothing to do. All messages
// go to stderr.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleNameOf } from '../services/platform/local/bundle-sources.mjs';
import { withFileLock } from '../services/platform/local/file-lock.mjs';
import { takeLaterNode } from './system-node.mjs';

/** The repository's root folder. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** Node 24, from the npm package `node`, or a later release of it from this machine. */
export const node24 = join(root, 'node_modules/.bin/node');

const depsStamp = join(root, 'node_modules/.sallyport-stamp');
const schemaFolder = join(root, 'prisma/schema');
const clientFolder = join(root, 'services/platform/postgres/generated');
const clientStamp = join(clientFolder, '.stamp');

const consoleFolder = join(root, 'console');
const consoleStamp = join(consoleFolder, 'dist/.stamp');
const viteProgram = join(root, 'node_modules/vite/bin/vite.js');
/** What the console is built from, besides the packages that it names. */
const consoleSources = [consoleFolder, join(root, 'sdks/client/src')];

/** Every bundle is a folder of its own, which never changes: a running product keeps the one it started from. */
const bundles = join(root, 'dist');
/** Names the bundle of now. */
const currentBundle = join(bundles, 'current');
const bundler = join(root, 'tools/bundle.mjs');
const rolldownPackage = join(root, 'node_modules/rolldown/package.json');
const bundlesKept = 5;
const bundleTries = 3;

const wordsKept = 4_000;

const say = (/** @type {string} */ text) => process.stderr.write(`sallyport: ${text}\n`);

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const prismaProgram = join(root, 'node_modules/prisma/build/index.js');

/** @param {string[]} parts */
const sha256 = (parts) =>
  parts.reduce((hash, part) => hash.update(part).update('\0'), createHash('sha256')).digest('hex');

const lockHash = () => sha256([readFileSync(join(root, 'package-lock.json'), 'utf8')]);

/**
 * Whether the installed packages match package-lock.json, so that a developer's own `npm install` is
 * kept. Packages for another platform, and development packages in a production install, may be absent.
 */
function installedMatchesLock() {
  const installed = JSON.parse(readText(join(root, 'node_modules/.package-lock.json')) ?? 'null')?.packages;
  if (!installed || !existsSync(node24)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    if (!found) return entry.optional === true || entry.devOptional === true || (entry.dev === true && isProduction());
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

const isProduction = () => process.env.NODE_ENV === 'production';

/** PATH without our node_modules/.bin: npm must not run on the Node that it is about to replace. */
function outerPath() {
  const own = join(root, 'node_modules');
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !resolve(entry).startsWith(own))
    .join(delimiter);
}

// Prisma's installer and command line require a native schema engine, which is not used here. Never leave this set
// for `prisma migrate`, which would then apply no migration and report no error.
const noSchemaEngine = {
  PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true',
  CHECKPOINT_DISABLE: '1',
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
};

/**
 * Runs a command quietly; if it fails, the error contains its output.
 * @param {string} command  @param {string[]} args  @param {NodeJS.ProcessEnv} env
 * @returns {Promise<void>}
 */
const run = (command, args, env) =>
  new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let words = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (part) => {
        words = (words + part).slice(-wordsKept);
      });
    }
    child.once('error', fail);
    child.once('close', (code, signal) => {
      if (code === 0) done();
      else
        fail(new Error(`"${command} ${args.join(' ')}" ended with ${signal ?? `exit code ${code}`}\n${words.trim()}`));
    });
  });

const withDevelopment = ['--include=dev'];

/** @param {readonly string[]} options of npm */
async function installDependencies(options = []) {
  say('installing dependencies (npm ci); this takes about a minute the first time …');
  const started = Date.now();
  try {
    await run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...options], {
      ...process.env,
      ...noSchemaEngine,
      PATH: outerPath(),
    });
  } catch (err) {
    throw new Error(
      `${/** @type {Error} */ (err).message}\n  fix: npm must reach its registry once ("npm ping"); then "npm ci" in ${root}`,
    );
  }
  say(`dependencies installed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/** Checks that no installed package was removed since. Throws with the names and the fix. */
function assertComplete() {
  const { dependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const missing = Object.keys(dependencies).filter(
    (name) => !existsSync(join(root, 'node_modules', name, 'package.json')),
  );
  if (missing.length > 0)
    throw new Error(`node_modules is incomplete: ${missing.join(', ')} missing\n  fix: npm ci (in ${root})`);
}

// npm does not link a package's own bin into its node_modules; without this link `npx sallyport` would ask the registry.
function linkOwnBin() {
  const link = join(root, 'node_modules/.bin/sallyport');
  const target = '../../tools/sallyport.mjs';
  if (lstatSync(link, { throwIfNoEntry: false }) && readlinkSync(link) === target) return;
  rmSync(link, { force: true });
  symlinkSync(target, link);
}

function schemaHash() {
  if (!existsSync(schemaFolder)) return undefined;
  const files = readdirSync(schemaFolder, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.prisma'))
    .sort();
  if (files.length === 0) return undefined;
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return sha256([
    packages['node_modules/prisma']?.version ?? '',
    ...files.flatMap((f) => [f, readFileSync(join(schemaFolder, f), 'utf8')]),
  ]);
}

/** @param {string} hash */
async function generateClient(hash) {
  say('generating the Prisma client …');
  rmSync(clientStamp, { force: true });
  // Prisma's command line is a development package.
  if (!existsSync(prismaProgram)) await installDependencies(withDevelopment);
  await run(node24, [prismaProgram, 'generate', '--schema', schemaFolder], { ...process.env, ...noSchemaEngine });
  mkdirSync(clientFolder, { recursive: true });
  writeFileSync(clientStamp, hash);
}

/** Undefined without sources: an installation that has only the built files keeps them. */
function consoleHash() {
  if (![join(consoleFolder, 'vite.config.ts'), ...consoleSources].every((place) => existsSync(place))) return undefined;
  const files = consoleSources.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|tsx|css|svg|html)$/.test(file) && !/^(dist|node_modules)[/\\]/.test(file))
      .sort()
      .map((file) => join(folder, file)),
  );
  return sha256([lockHash(), ...files.flatMap((file) => [file.slice(root.length), readFileSync(file, 'utf8')])]);
}

/** @param {string} hash */
async function buildConsole(hash) {
  say('building the console …');
  rmSync(consoleStamp, { force: true });
  // The bundler and the libraries of the console are development packages: what runs is the bundle.
  if (!existsSync(viteProgram)) await installDependencies(withDevelopment);
  await run(node24, [viteProgram, 'build', consoleFolder, '--logLevel', 'error'], {
    ...process.env,
    NODE_ENV: 'production',
  });
  writeFileSync(consoleStamp, hash);
}

/** The name of the bundle of now. */
function bundleInUse() {
  try {
    return statSync(currentBundle) && readlinkSync(currentBundle);
  } catch {
    return undefined;
  }
}

/** A process of the bundle compares its sources again only if they are newer than this. @param {string} name @param {Date} at */
function markKnown(name, at) {
  try {
    utimesSync(join(bundles, name), at, at);
  } catch {
    // A folder that another user owns: its processes compare a little more often.
  }
}

/**
 * Bundles into a folder that gets its name when it is whole. The name is taken before the sources are read, and if they
 * have changed meanwhile, what was made of them is dropped.
 */
async function buildBundle() {
  for (let tries = 1; tries <= bundleTries; tries += 1) {
    let knownAt = new Date();
    const name = /** @type {string} */ (bundleNameOf(root));
    const made = join(bundles, name);
    if (!existsSync(made)) {
      say('bundling the programs …');
      if (!existsSync(rolldownPackage)) await installDependencies(withDevelopment);
      const unfinished = join(bundles, 'unfinished');
      rmSync(unfinished, { recursive: true, force: true });
      await run(node24, [bundler, unfinished], process.env);
      knownAt = new Date();
      if (bundleNameOf(root) !== name) continue;
      renameSync(unfinished, made);
    }
    markKnown(name, knownAt);
    const link = join(bundles, 'next');
    rmSync(link, { force: true });
    symlinkSync(name, link);
    renameSync(link, currentBundle);
    return removeOldBundles();
  }
  throw new Error('the sources change while they are bundled\n  fix: start again when they are saved');
}

function removeOldBundles() {
  const names = readdirSync(bundles).filter((name) => /^[0-9a-f]{16}$/.test(name));
  const age = (/** @type {string} */ name) => statSync(join(bundles, name)).mtimeMs;
  for (const name of names.sort((a, b) => age(b) - age(a)).slice(bundlesKept))
    rmSync(join(bundles, name), { recursive: true, force: true });
}

/** Ensures dependencies, generated code and the bundle; idempotent and safe to run concurrently. Throws an error with a fix. */
export async function ensureReady() {
  const isInstalled = () => readText(depsStamp) === lockHash();
  const isGenerated = () => {
    const hash = schemaHash();
    return hash === undefined || readText(clientStamp) === hash;
  };
  const isBuilt = () => {
    const hash = consoleHash();
    return hash === undefined || readText(consoleStamp) === hash;
  };
  // After the client, which is a part of it.
  const isBundled = () => {
    const knownAt = new Date();
    const name = bundleNameOf(root);
    if (name === undefined) return true;
    if (bundleInUse() !== name) return false;
    markKnown(name, knownAt);
    return true;
  };
  if (isInstalled() && isGenerated() && isBuilt() && isBundled()) {
    assertComplete();
    return preferLaterNode();
  }

  try {
    mkdirSync(join(root, '.sallyport'), { recursive: true, mode: 0o711 });
    accessSync(root, constants.W_OK);
  } catch (err) {
    const what = isInstalled() ? 'what runs here is older than its sources' : 'dependencies are not installed here yet';
    throw new Error(
      `${what}, and ${root} cannot be written (${/** @type {NodeJS.ErrnoException} */ (err).code})\n  fix: run "npm ci" and "npm run build" there as a user who can write it; then set SALLYPORT_DATA_DIR to a folder of your own`,
    );
  }
  await withFileLock(
    join(root, '.sallyport/install.lock'),
    async () => {
      if (!isInstalled()) {
        const makesNothing = isGenerated() && isBuilt() && isBundled();
        if (!installedMatchesLock()) await installDependencies(makesNothing ? [] : withDevelopment);
        linkOwnBin();
        writeFileSync(depsStamp, lockHash());
      }
      if (!isGenerated()) await generateClient(/** @type {string} */ (schemaHash()));
      if (!isBuilt()) await buildConsole(/** @type {string} */ (consoleHash()));
      if (!isBundled()) await buildBundle();
    },
    (pid) => say(`waiting for another start (pid ${pid}) to finish installing …`),
  );
  assertComplete();
  preferLaterNode();
}

const preferLaterNode = () => takeLaterNode({ packageFolder: join(root, 'node_modules/node'), path: outerPath(), say });

/** Ends this process with the error's message, without a stack trace. @param {unknown} err @returns {never} */
export function fail(err) {
  say(err instanceof Error ? err.message : String(err));
  process.exit(1);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await ensureReady().catch(fail);
