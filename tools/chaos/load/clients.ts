import { setTimeout as sleep } from 'node:timers/promises';
import { modules } from '#services/modules.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { type Answer, type Ask, basicOf, otherCopy, type Request } from '../http.ts';
import { type Act, type CopyName, type Ledger, note, now } from '../ledger.ts';
import type { Random } from '../random.ts';
import type { System } from '../system.ts';
import { signUp } from './tokens.ts';

export type Credentials = {
  readonly admin: { readonly email: string; readonly password: string };
  readonly client: { readonly client_id: string; readonly client_secret: string };
};

/** What every client of the run has. What they do is in `tokens.ts` and `surfaces/`, written into the ledger as they see it. */
export type Clients = {
  readonly ledger: Ledger;
  readonly ask: Ask;
  readonly random: Random;
  /** The load ends: who has no answer yet gives up soon. */
  readonly isStopping: () => boolean;
  /** Of a client that issues and ends tokens. */
  readonly issuer: string;
  /** Of a client with the permissions of every surface. */
  readonly authorization: string;
  readonly admin: Credentials['admin'] & { bearer: string };
  /** A new user with these roles, whom no other part of the run touches. */
  newUser(...roles: readonly string[]): Promise<User>;
};

export type User = {
  readonly id: string;
  readonly email: string;
  password: string;
  cookie: string;
  isBusy: boolean;
};

export const REASON = 'fault suite';
export const TOTAL_PATIENCE_MS = 60_000;
export const RETRIED: ReadonlySet<number> = new Set([0, 429, 502, 503, 504]);
/** All that an administrator has: more than any surface asks for. */
const PERMISSIONS = modules
  .flatMap(({ permissions }) => permissions)
  .filter(({ roles }) => roles.includes('admin'))
  .map(({ name }) => name);
/** Copies learn of a client that the command line made. */
const LEARNING_MS = 2_000;
/** A busy machine turns sign-ups away. */
const SIGN_UP_MS = 120_000;

export const anyCopy = ({ random }: Pick<Clients, 'random'>): CopyName => (random.chance(0.5) ? 'A' : 'B');

/** Makes the client that calls for the surfaces, by the command line. */
export async function createClients(
  { sallyport: run }: Pick<System, 'sallyport'>,
  { client, admin }: Credentials,
  given: Pick<Clients, 'ledger' | 'ask' | 'random' | 'isStopping'>,
): Promise<Clients> {
  const sallyport = async (...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await run([...args, '--reason', REASON, '--yes', '--json']);
    if (code !== 0) throw new Error(`sallyport ${args.join(' ')} ended with ${code}: ${err || out}`);
    return out;
  };
  const made = await sallyport('clients', 'create', 'Chaos', '--credential-scopes', ...PERMISSIONS);
  await sleep(LEARNING_MS);
  const clients: Clients = {
    ...given,
    issuer: basicOf(client),
    authorization: basicOf(JSON.parse(made)),
    admin: { ...admin, bearer: '' },
    newUser: async (...roles) => {
      const user = await eventually('a sign-up before the first fault', () => signUp(clients), SIGN_UP_MS);
      for (const role of roles) await sallyport('users', 'roles', user.id, '--grant', role);
      return user;
    },
  };
  return clients;
}

/** Nothing else happens to this user meanwhile, so that what ends is known. Not done for a user who is busy. */
export async function alone<U extends { isBusy: boolean }, T>(
  user: U | undefined,
  work: (user: U) => Promise<T>,
): Promise<T | undefined> {
  if (user === undefined || user.isBusy) return undefined;
  user.isBusy = true;
  try {
    return await work(user);
  } finally {
    user.isBusy = false;
  }
}

export const post = (authorization: string, path: string, json: object): Request => ({
  path,
  json,
  headers: { authorization },
});

export const isOk = ({ status }: Pick<Answer, 'status'>): boolean => status === 200;
export const isCreated = ({ status }: Pick<Answer, 'status'>): boolean => status === 201;

/** An act as its client describes it; repeatable and without a family unless it says so. */
export type What = Pick<Act, 'kind' | 'events'> & Partial<Pick<Act, 'isRepeatable' | 'hasIdempotencyKey' | 'subject'>>;

/** The same request at one copy, then the other, until one of them gives a result; acknowledged when that is as hoped. */
export async function attempt(
  { ledger, ask, random, isStopping }: Clients,
  what: What,
  request: (attempt: number) => Request,
  isDone: (answer: Answer) => boolean = isOk,
  first?: CopyName,
): Promise<{ readonly answer: Answer; readonly act: Act }> {
  const act: Act = { isRepeatable: true, subject: null, ...what, attempts: [], sentAtMs: now() };
  ledger.acts.push(act);
  let copy = first ?? anyCopy({ random });
  for (let at = 0; ; at += 1) {
    const answer = await ask(copy, request(at));
    const { status, traceId, sentAtMs, answeredAtMs } = answer;
    act.attempts.push({ traceId, sentAtMs, endedAtMs: answeredAtMs });
    if (act.subject)
      note(act.subject, `${act.kind} at ${copy}: ${status} ${answer.body?.code ?? ''} (trace ${traceId})`);
    if (isDone(answer)) act.ackedAtMs = answeredAtMs;
    const isOver = now() - act.sentAtMs > TOTAL_PATIENCE_MS || (isStopping() && at > 2);
    if (!RETRIED.has(status) || isOver) return { answer, act };
    await sleep(random.between(50, 500));
    copy = otherCopy(copy);
  }
}
