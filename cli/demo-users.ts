import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOAD_USER_DOMAIN, type LoadUser, seedLoadUsers } from '../services/core/identity/seed/seed-load-users.ts';
import type { Config } from '../services/platform/config/load.ts';
import { createHasher } from '../services/platform/hasher/hasher.ts';
import { randomSecret, resolveDataDir, writeSecretFile } from '../services/platform/local/data-dir.ts';
import { rehearsed } from './admin.ts';
import { findApi } from './api-client.ts';
import { wholeNumberOf } from './arguments.ts';
import { systemCaller, withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { GlobalOptions, Output } from './output.ts';

const USERS_MAX = 100_000;
/** A batch of 1,000 users writes about 8,000 rows through row triggers. */
const STATEMENT_TIMEOUT_MS = 60_000;

type UsersFile = {
  readonly test_data: true;
  readonly password: string;
  readonly users: readonly {
    readonly email: string;
    readonly user_id: string;
    readonly session_id: string;
    readonly refresh_token: string;
  }[];
};

/** Seeding again keeps the password: another one would end every session of these users. */
const passwordOf = (file: string): string =>
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as UsersFile).password : randomSecret();

const content = (password: string, users: readonly LoadUser[]): string =>
  JSON.stringify({
    test_data: true,
    password,
    users: users.map(({ email, userId, sessionId, refreshToken }) => ({
      email,
      user_id: userId,
      session_id: sessionId,
      refresh_token: refreshToken,
    })),
  } satisfies UsersFile);

function assertNoProduction({ server }: Config): void {
  if (server.profile !== 'production') return;
  throw new CommandError(
    exitCodes.refused,
    'test users share one password, so production does not accept them',
    'use a development or staging installation',
  );
}

/** `sallyport demo seed --users N`: test users with sessions, and the file that load tests read. */
export async function seedUsers(output: Output, options: GlobalOptions, given: string): Promise<void> {
  const count = wholeNumberOf('--users', given, 1, USERS_MAX);
  await withDatabase(async ({ settings }) => assertNoProduction(settings));
  if (rehearsed(output, options, `create ${count} test users at ${LOAD_USER_DOMAIN}, with a session each`)) return;
  const file = join(resolveDataDir(), 'load-users.json');
  const password = passwordOf(file);
  const startedMs = performance.now();
  const users = await withDatabase(
    async (ports) => {
      await ports.keyRing.load();
      const hasher = createHasher({ pepper: ports.keyRing.secret('pepper').key, children: 1, maxWaitSeconds: 60 });
      try {
        const { tokens, server } = ports.settings;
        const audience = tokens.audience ?? server.publicUrl ?? findApi(undefined);
        const tokenSettings = { ...tokens, audience };
        const onProgress = (seeded: number): void => output.say(`${seeded} of ${count} users`);
        const given = { count, password, onProgress };
        return await seedLoadUsers({ ...ports, hasher, tokenSettings }, given, systemCaller('demo seed'));
      } finally {
        await hasher.close();
      }
    },
    { statementTimeoutMs: STATEMENT_TIMEOUT_MS },
  );
  writeSecretFile(file, content(password, users));
  const seconds = Number(((performance.now() - startedMs) / 1_000).toFixed(1));
  output.data({ users_file: file, users: users.length, seconds }, () => [file]);
}
