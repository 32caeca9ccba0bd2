import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Transact } from '#services/core/ports.ts';
import { createTransact } from '#services/platform/postgres/pool.ts';
import {
  callerFrom,
  createFamilyCopy,
  insertUser,
  refreshSecrets,
  refreshSettings,
} from '#tools/testing/fixtures/families.ts';
import { rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { endFamiliesOfUser, endFamily } from './end-family.ts';
import { type Attempt, faultsOfHistory } from './family-history-harness.ts';
import { ORACLE_GRACE_SECONDS } from './family-worker-harness.ts';
import { startWorker, type WorkerProcess } from './worker-process-harness.ts';

/**
 * Honest and hostile clients refresh through two API processes, each of which is killed again and again. Afterwards a
 * model that processes one request at a time replays the audit outbox in id order, and must give the same outcomes,
 * answers and rows.
 * ORACLE_OPERATIONS sets the length. ORACLE_MUTATION="from=>to" changes the statement, to check that the test then fails.
 */

const OPERATIONS = Number(process.env.ORACLE_OPERATIONS ?? 20_000);
const CLIENTS = 120;
const USERS = 30;
const KILLS = 6;
const GRACE_USES = 30;
const incarnation = randomUUID();
const keys = new Map([1, 2, 3].map((version) => [version, randomBytes(32)]));
const [mutateFrom, mutateTo] = (process.env.ORACLE_MUTATION ?? '').split('=>');

let transact: Transact;
const copies: Copy[] = [];
let started = 0;
type Copy = { readonly name: string; readonly worker: WorkerProcess };
async function startCopy(newestKv: number): Promise<Copy> {
  started += 1;
  const name = `oracle ${started}`;
  const worker = await startWorker({
    name,
    url: database.url,
    incarnation,
    keys: [...keys].map(([version, key]) => [version, key.toString('base64')]),
    newestKv,
    graceUses: GRACE_USES,
    ...(mutateFrom ? { mutation: [mutateFrom, mutateTo ?? ''] as const } : {}),
  });
  return { name, worker };
}
async function killCopy({ name, worker }: Copy): Promise<void> {
  const isOver = async (): Promise<boolean> =>
    (await copy.pool.query('SELECT FROM pg_stat_activity WHERE application_name = $1', [name])).rowCount === 0;
  await worker.kill(async () => {
    while (!(await isOver())) await new Promise((resolve) => setTimeout(resolve, 5));
  });
}
const database = opened(createTestDatabase);
const copy = opened(() => createFamilyCopy({ url: database.url, secrets: refreshSecrets(keys, () => 1), incarnation }));
beforeAll(async () => {
  transact = createTransact(copy.pool, () => {});
  copies.push(...(await Promise.all([startCopy(1), startCopy(1)])));
});
afterAll(() => Promise.all(copies.map(killCopy)));

type Login = {
  readonly familyId: string;
  readonly userId: string;
  /** By generation. */
  readonly tokens: string[];
  /** An attacker presents a token that an honest client never would. */
  isAttacked: boolean;
};

const attempts = new Map<string, Attempt>();
const userOf = new Map<string, string>();
const successors = new Map<string, string>();
const faults: string[] = [];
let clock = 0;
let operations = 0;
let lost = 0;
const tick = (): number => {
  clock += 1;
  return clock;
};
const chance = (oneIn: number): boolean => randomInt(oneIn) === 0;
const pick = <T>(items: readonly T[]): T => items[randomInt(items.length)] as T;

const turns = new Map<string, Promise<unknown>>();
let free = 3;
const queue: (() => void)[] = [];
/** Limits the test's own transactions to the connections of its pool. */
async function limited<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) free -= 1;
  else await new Promise<void>((resolve) => queue.push(resolve));
  try {
    return await work();
  } finally {
    const next = queue.shift();
    if (next) next();
    else free += 1;
  }
}
/** Serialises creating and ending the families of one user; another test covers their concurrency. */
function inTurn<T>(userId: string, work: () => Promise<T>): Promise<T> {
  const turn = Promise.resolve(turns.get(userId)).then(() => limited(work));
  turns.set(
    userId,
    turn.catch(() => {}),
  );
  return turn;
}

const newLogin = (userId: string): Promise<Login> =>
  inTurn(userId, async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await copy.create({ user_id: userId });
    userOf.set(familyId, userId);
    return { familyId, userId, tokens: [refreshToken], isAttacked: false };
  });

/** Presents a token to one process and records the result. Null: the process died. */
async function present(login: Login, generation: number, ip: string): Promise<string | null> {
  const { worker } = pick(copies.filter((each) => each.worker.isAlive()));
  const token = login.tokens[generation] as string;
  const trace = randomBytes(16).toString('hex');
  const kv = Number(token.slice('sp_rt_'.length, token.indexOf('.')));
  const attempt: Attempt = {
    familyId: login.familyId,
    kv,
    newestKv: worker.newestKv,
    sent: tick(),
    done: null,
    outcome: null,
  };
  attempts.set(trace, attempt);
  const answer = await worker.present({ token, ip, traceparent: `00-${trace}-b7ad6b7169203331-00` });
  operations += 1;
  if (answer === null) {
    lost += 1;
    return null;
  }
  attempt.done = tick();
  attempt.outcome = 'outcome' in answer ? answer.outcome : answer.code;
  if ('outcome' in answer) keepSuccessor(login, generation + 1, answer.successor);
  return attempt.outcome;
}

function keepSuccessor(login: Login, generation: number, token: string): void {
  const key = `${login.familyId} ${generation}`;
  const known = successors.get(key);
  if (known !== undefined && known !== token) faults.push('two different successors of one generation');
  successors.set(key, token);
  login.tokens[generation] = token;
}

/** An honest client presents its newest token, one or several times concurrently, until it gets an answer. */
async function honestStep(login: Login, ip: string): Promise<'goes on' | 'ended'> {
  const generation = login.tokens.length - 1;
  const outcomes = await Promise.all(
    Array.from({ length: chance(4) ? 1 + randomInt(4) : 1 }, () => present(login, generation, ip)),
  );
  if (login.tokens.length > generation + 1 || outcomes.every((outcome) => outcome === null)) return 'goes on';
  const refusal = outcomes.find((outcome) => outcome !== null);
  if (!login.isAttacked && refusal !== 'session_ended') faults.push(`an honest client got ${refusal}`);
  return 'ended';
}

/** A thief has every token: presents old ones, the current one before the client does, many at once, from another address. */
async function hostileStep(login: Login): Promise<void> {
  login.isAttacked = true;
  const newest = login.tokens.length - 1;
  const ip = pick(['198.51.100.1', '192.0.2.1']);
  if (chance(12)) await present(login, randomInt(newest + 1), ip);
  else if (chance(20)) await Promise.all(Array.from({ length: 40 }, () => present(login, Math.max(0, newest - 1), ip)));
  else await Promise.all([newest, newest, Math.max(0, newest - 1)].map((generation) => present(login, generation, ip)));
}

function end({ familyId, userId }: Login): Promise<unknown> {
  const caller = callerFrom('');
  const isOne = chance(2);
  return inTurn<unknown>(userId, () =>
    transact<unknown>((tx) =>
      isOne ? endFamily(tx, familyId, 'oracle_family', caller) : endFamiliesOfUser(tx, userId, 'oracle_user', caller),
    ),
  );
}

async function client(index: number, users: readonly string[]): Promise<void> {
  const isHostile = index % 3 === 0;
  const ip = isHostile ? '192.0.2.1' : `203.0.113.${index}`;
  let login = await newLogin(pick(users));
  while (operations < OPERATIONS) {
    const [state] = await Promise.all([
      honestStep(login, ip),
      isHostile && chance(3) ? hostileStep(login) : undefined,
      chance(150) ? end(login) : undefined,
    ]);
    if (state === 'ended') login = await newLogin(pick(users));
  }
}

/** Kills the processes alternately during their work and starts each again, at last with a newer server key. */
async function killers(): Promise<number> {
  let killed = 0;
  while (killed < KILLS) {
    const at = ((killed + 1) * OPERATIONS) / (KILLS + 1);
    while (operations < at) await new Promise((resolve) => setImmediate(resolve));
    const victim = copies[killed % 2] as Copy;
    while (victim.worker.inFlight() === 0 && operations < OPERATIONS)
      await new Promise((resolve) => setImmediate(resolve));
    await killCopy(victim);
    copies[killed % 2] = await startCopy(1 + Math.floor(((killed + 1) * 2) / KILLS));
    killed += 1;
  }
  return killed;
}

test(`${OPERATIONS} operations over two processes with kill -9 give the verdicts, answers and rows of one request at a time`, async () => {
  const users = await Promise.all(Array.from({ length: USERS }, () => insertUser(copy.pool)));
  const startedAt = performance.now();
  const [killed] = await Promise.all([
    killers(),
    ...Array.from({ length: CLIENTS }, (_, index) => client(index, users)),
  ]);
  const seconds = (performance.now() - startedAt) / 1_000;
  // A statement of a killed process may still run: locking the rows waits for its transaction.
  await copy.pool.query('SELECT 1 FROM refresh_families ORDER BY id FOR UPDATE');
  const policy = {
    graceMs: ORACLE_GRACE_SECONDS * 1_000,
    graceUses: GRACE_USES,
    lostAnswerMs: refreshSettings.lostAnswerSeconds * 1_000,
    endsOnReplay: true,
    idleMs: refreshSettings.refreshTokenSeconds * 1_000,
  };
  faults.push(...(await faultsOfHistory(copy.pool, attempts, userOf, policy)));
  const outcomes = await rowsOf(copy.pool)`SELECT outcome, count(*)::int FROM audit_outbox
    WHERE type LIKE 'token.re%' OR type LIKE 'token.state%' GROUP BY 1 ORDER BY 2 DESC`;
  const database = await rowsOf(copy.pool)`SELECT deadlocks::int FROM pg_stat_database
    WHERE datname = current_database()`;
  const unanswered = [...attempts].flatMap(([trace, attempt]) => (attempt.outcome === null ? [trace] : []));
  const unheard = await rowsOf(copy.pool)`SELECT count(*)::int FROM audit_outbox
    WHERE substr(traceparent, 4, 32) = ANY (${unanswered})`;
  console.info(
    `${operations} operations in ${seconds.toFixed(1)} s, ${killed} kills, ${lost} unanswered of which ${unheard[0]!.count} committed, ${userOf.size} logins:`,
    Object.fromEntries(outcomes.map((row) => [row.outcome, row.count])),
  );
  expect([...new Set(faults)].slice(0, 10)).toEqual([]);
  expect(database[0]!.deadlocks).toBe(0);
  expect(killed).toBe(KILLS);
  expect(lost).toBeGreaterThan(0);
  const met = outcomes.map((row) => row.outcome);
  for (const outcome of ['rotated', 'grace', 'grace_spent', 'replay', 'revoked']) expect(met).toContain(outcome);
});
