// For tests only: runs the examples of the reference of the API, in the languages that it has.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { vi } from 'vitest';
import { ensureGo } from '../checks/go-program.ts';
import { findPython } from '../checks/python-environment.ts';
import { insertRoles } from './flows/every-caller.ts';
import { newEmail, newPassword } from './flows/flows.ts';
import { insertPerson, openSessionFor, TWO_FACTORS } from './flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, newClient } from './harness/api.ts';
import { type Received, send } from './http-client.ts';

const CLIENT = resolve(import.meta.dirname, '../../sdks/client/src/index.ts');
/** Where an example names what no new installation has: an incident, a report. */
const UNKNOWN = '0190a5e2-0000-7000-8000-000000000000';
/** A stream of events has no end. */
const SECONDS = 5;
const run = promisify(execFile);

export type Variables = Readonly<Record<string, string>>;

/** What an example reads: a user of that role who has just signed in, a client, and another user. */
export async function newVariables(
  copy: ApiCopy,
  harness: ApiHarness,
  role: string,
  code: string,
  found: Variables = {},
): Promise<Variables> {
  const [email, password] = [newEmail(), newPassword()];
  const digest = await copy.ports.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });
  const id = await insertPerson(copy, email, digest);
  await harness.rows('INSERT INTO user_roles (user_id, role) VALUES ($1, $2)', [id, role]);
  const { cookie, sessionId, tokens } = await openSessionFor(copy, id, TWO_FACTORS);
  const [other = ''] = await insertRoles(harness, [['users:read']]);
  const rights = copy.ports.access.permissionsOf([role]);
  const { clientId, clientSecret, basic } = await newClient(copy, [...rights], undefined, {
    grant_types: ['client_credentials', 'authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
    redirect_uris: ['https://shop.example.com/callback'],
  });
  const client = { client_id: clientId, client_secret: clientSecret };
  const form = { grant_type: 'client_credentials' };
  const issued = await send(copy.url, 'POST', '/oauth2/token', { basic: client, form });
  return {
    ...Object.fromEntries([...code.matchAll(/\b[A-Z_]{2,}\b/g)].map(([name]) => [name, UNKNOWN])),
    ...found,
    API: copy.url,
    ACCESS_TOKEN: tokens.access_token,
    REFRESH_TOKEN: tokens.refresh_token,
    COOKIE: cookie,
    SESSION_ID: sessionId,
    BASIC: basic.slice('Basic '.length),
    CLIENT_ID: clientId,
    OWN_ID: id,
    USER_ID: await insertPerson(copy, newEmail()),
    EMAIL: email,
    NEW_EMAIL: newEmail(),
    PASSWORD: password,
    CLIENT_TOKEN: issued.body.access_token,
    NEW_NAME: randomBytes(12).toString('hex').replaceAll(/\d/g, 'x'),
    ROLE: other,
    CODE_CHALLENGE: 'c'.repeat(43),
  };
}

function received(status: number, headers: Headers, text: string): Received {
  const isJson = /[/+]json/.test(headers.get('content-type') ?? '') && text !== '';
  return { status, headers, text, body: isJson ? JSON.parse(text) : text };
}

/** Runs a command as a reader does. @param folder for a file */
export async function byCurl(code: string, env: Variables, folder: string): Promise<Received> {
  const head = join(folder, 'head');
  const script = `curl() { command curl -m ${SECONDS} -D '${head}' "$@"; }\n${code}`;
  const { stdout } = await run('bash', ['-c', script], { env: { ...process.env, ...env } }).catch((err) => err);
  const [first = '', ...lines] = readFileSync(head, 'utf8').trim().split('\r\n');
  const headers = new Headers(lines.map((line) => line.split(/: (.*)/, 2) as [string, string]));
  return received(Number(first.split(' ')[1]), headers, stdout);
}

let examples = 0;

/** Runs a program with our client, and gives what the API answered to it. */
export async function byTypeScript(code: string, env: Variables, folder: string): Promise<Received> {
  const { fetch } = globalThis;
  let answered: Promise<Received> | undefined;
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const answer = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(SECONDS * 1_000) });
    const text = answer.clone().text();
    answered = text.catch(() => '').then((read) => received(answer.status, answer.headers, read));
    return answer;
  });
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  vi.spyOn(console, 'log').mockReturnValue();
  examples += 1;
  const file = join(folder, `example-${examples}.ts`);
  writeFileSync(file, code.replace('@sallyport/client', CLIENT));
  try {
    await import(file);
  } catch (err) {
    if ((err as Error).name !== 'TimeoutError') throw err;
  } finally {
    vi.unstubAllGlobals();
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  }
  if (answered === undefined) throw new Error('the example sent nothing');
  return answered;
}

const PROGRAMS: Readonly<Record<string, () => readonly [command: string, ...args: string[]]>> = {
  python: () => [findPython().path, 'example.py'],
  go: () => [ensureGo(), 'run', 'example.go'],
  java: () => ['java', 'Example.java'],
};

/** Runs a program in another language. @returns the status that it prints first */
export async function statusOf(language: string, code: string, env: Variables, folder: string): Promise<number> {
  const [command = '', ...args] = PROGRAMS[language]?.() ?? [];
  writeFileSync(join(folder, args.at(-1) as string), code);
  const { stdout } = await run(command, args, { cwd: folder, env: { ...process.env, ...env } });
  return Number(/^\d+/.exec(stdout)?.[0]);
}
