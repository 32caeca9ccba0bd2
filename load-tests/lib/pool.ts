import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { issue, refresh } from './api-client.ts';
import type { ClientCredentials } from './workloads.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** Users that `sallyport demo seed --users` created, as in its file. */
export type SeededUsers = {
  readonly password: string;
  readonly users: readonly { readonly email: string; readonly user_id: string; readonly refresh_token: string }[];
};

type UserWithPair = {
  readonly email: string;
  readonly user_id: string;
  readonly access_token: string;
  readonly refresh_token: string;
};

export type PoolSpec = {
  readonly api: string;
  readonly client: ClientCredentials;
  /** The user of tokens that the client issues. */
  readonly userId: string;
  readonly seeded: SeededUsers | undefined;
  /** Whether each user gets a live pair. */
  readonly needsPairs: boolean;
};

const TOKENS = 50;
const AT_ONCE = 32;

/** Runs `work` for each item, so many at once. */
async function each<T, R>(items: readonly T[], atOnce: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  const waiting = items.entries();
  const takeNext = async (): Promise<void> => {
    for (const [at, item] of waiting) done[at] = await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, takeNext));
  return done;
}

/** Runs `sallyport demo seed --users` on the product of a data directory. */
export function seedUsers(dataDir: string, count: number, say: (text: string) => void): Promise<SeededUsers> {
  say(`creating ${count} test users with a session each`);
  const args = ['dist/current/cli.mjs', 'demo', 'seed', '--users', String(count), '--json', '--quiet'];
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH, HOME, SALLYPORT_ENV_FILE: '', SALLYPORT_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 2],
  });
  let out = '';
  child.stdout?.on('data', (part: Buffer) => {
    out += part;
  });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => {
      if (code !== 0) return fail(new Error(`demo seed ended with exit code ${code}`));
      const { users_file, seconds } = JSON.parse(out) as { users_file: string; seconds: number };
      say(`created them in ${seconds} s`);
      done(JSON.parse(readFileSync(users_file, 'utf8')) as SeededUsers);
    });
  });
}

/** A live pair for each user; uses up the refresh tokens of the users file. */
export const pairsOf = (api: string, users: SeededUsers['users']): Promise<readonly UserWithPair[]> =>
  each(users, AT_ONCE, async ({ email, user_id, refresh_token }) => {
    const pair = await refresh(api, refresh_token).catch((cause: Error) => {
      throw new Error(`the refresh tokens of the users file are used up: create the users again (${cause.message})`, {
        cause,
      });
    });
    return { email, user_id, access_token: pair.access_token, refresh_token: pair.refresh_token };
  });

/** Writes the tokens and users that a scenario starts from, with mode 0600. */
export async function writePool(file: string, { api, client, userId, seeded, needsPairs }: PoolSpec): Promise<void> {
  const madeAtMs = Date.now();
  const pairs = await each(Array.from({ length: TOKENS }), AT_ONCE, () => issue(api, client, userId));
  const users = needsPairs
    ? await pairsOf(api, seeded?.users ?? [])
    : (seeded?.users ?? []).map(({ email, user_id }) => ({ email, user_id }));
  const pool = {
    made_at_ms: madeAtMs,
    user_id: userId,
    password: seeded?.password ?? '',
    users,
    tokens: pairs.map(({ access_token }) => access_token),
  };
  writeFileSync(file, JSON.stringify(pool), { mode: 0o600 });
}
