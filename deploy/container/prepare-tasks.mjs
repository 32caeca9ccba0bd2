// PROCESS: creates the database of the tasks API, and its client, which may read revocations and nothing else. Writes what
// the tasks API needs into the given folder, one file each. Safe to repeat: an existing client stays.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareTasksDatabase } from '../../dist/current/tasks-database.mjs';

const [folder = '/run/tasks-secrets', suffix] = process.argv.slice(2);
const pathOf = (/** @type {string} */ name) => join(folder, name);
const UNREACHABLE = 3;
const TRIES = 10;

/**
 * Repeats a command while it ends because PostgreSQL could not be reached in time, as on a machine that starts much at once.
 * @param {() => string} command
 */
async function untilReached(command) {
  for (let left = TRIES; ; left -= 1)
    try {
      return command();
    } catch (err) {
      if (/** @type {{ status?: number }} */ (err).status !== UNREACHABLE || left === 1) throw err;
      await sleep(1_000);
    }
}

/** Readable by all users, because the container that mounts the folder runs as another one. */
const write = (/** @type {string} */ name, /** @type {string} */ text) =>
  writeFileSync(pathOf(name), text, { mode: 0o444 });

if (!existsSync(pathOf('database_password'))) write('database_password', randomBytes(32).toString('base64url'));
const { DATABASE_URL_FILE: file, DATABASE_URL = readFileSync(String(file), 'utf8').trim() } = process.env;
const password = readFileSync(pathOf('database_password'), 'utf8');
if (!existsSync(pathOf('database_url')))
  write('database_url', await prepareTasksDatabase(DATABASE_URL, password, suffix));

if (!existsSync(pathOf('client_secret'))) {
  const words = ['clients', 'create', 'Tasks API', '--credential-scopes', 'revocations:read'];
  const told = ['--reason', 'verifies tokens for the tasks API', '--yes', '--json'];
  const entry = join(import.meta.dirname, 'entry.mjs');
  const stdio = /** @type {const} */ (['ignore', 'pipe', 'inherit']);
  const create = () => execFileSync(process.execPath, [entry, ...words, ...told], { encoding: 'utf8', stdio });
  const created = JSON.parse(await untilReached(create));
  write('client_id', created.client_id);
  write('client_secret', created.client_secret);
}
