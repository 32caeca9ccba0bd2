import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Ask, otherCopy, type Request } from '../http.ts';
import { type Act, type CopyName, type Ledger, note, now } from '../ledger.ts';
import type { Random } from '../random.ts';

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

export type User = { readonly id: string; readonly email: string; password: string; cookie: string; isBusy: boolean };

export const REASON = 'fault suite';
export const TOTAL_PATIENCE_MS = 60_000;
export const RETRIED: ReadonlySet<number> = new Set([0, 429, 502, 503, 504]);

export const anyCopy = ({ random }: Pick<Clients, 'random'>): CopyName => (random.chance(0.5) ? 'A' : 'B');

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

const as = (authorization: string): Pick<Request, 'headers'> => ({ headers: { authorization } });
export const get = (who: string, path: string): Request => ({ method: 'GET', path, ...as(who) });
export const post = (who: string, path: string, json: object): Request => ({ path, json, ...as(who) });

export const isOk = ({ status }: Pick<Answer, 'status'>): boolean => status === 200;
export const isAccepted = ({ status }: Pick<Answer, 'status'>): boolean => status === 202;
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
