// PROCESS: creates the database of the tasks API, and its client, which may read revocations and nothing else. Writes what
// the tasks API needs into the given folder, one file each. Safe to repeat: an existing client stays.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareTasksDatabase } from '../../services/supervisor/tasks-database.ts';

const [folder = '/run/tasks-secrets', suffix] = process.argv.slice(2);
const pathOf = (/** @type {string} */ name) => join(folder, name);
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
  const created = JSON.parse(execFileSync(process.execPath, [entry, ...words, ...told], { encoding: 'utf8', stdio }));
  write('client_id', created.client_id);
  write('client_secret', created.client_secret);
}
