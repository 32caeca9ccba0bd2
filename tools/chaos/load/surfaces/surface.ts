import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Answer, Ask, Request } from '../../http.ts';
import { type Access, type CopyName, count, isLost, type Ledger, now, type Revocation } from '../../ledger.ts';
import type { Random } from '../../random.ts';
import type { SurfaceName, Usable } from '../../surface-facts.ts';
import type { Attempt } from '../attempt.ts';
import type { Clients, User } from '../clients.ts';

/** A part of the product that clients use all the time, in a life of its own beside tokens. */
export type Surface = {
  /** What is begun while the load runs, and how often a second at full pace. */
  readonly acts: readonly (readonly [perSecond: number, act: () => Promise<unknown>])[];
  /** Before the first fault: everything once, so that every gate has facts. */
  prepare(): Promise<void>;
  /** When all is well again: shows what was ended at both copies, and lets what workers do come to its end. */
  settle(): Promise<void>;
};

/** A statement that returns the `key` of each row of a kind that the surface's clients were told of. */
export type RowStatements = Readonly<Record<string, string>>;

export type Tools = {
  readonly ledger: Ledger;
  readonly ask: Ask;
  readonly attempt: Attempt;
  readonly random: Random;
  readonly clients: Clients;
  /** Of a client with the permissions of every surface. */
  readonly authorization: string;
  /** A new user with these roles, whom no other part of the run touches. */
  newUser(...roles: readonly string[]): Promise<User>;
};

export const REASON = 'fault suite';
const COPIES: readonly CopyName[] = ['A', 'B'];
/** Tokens near their expiry prove nothing. */
const TOKEN_LIFE_MS = 800_000;

export const anyCopy = ({ random }: Tools): CopyName => (random.chance(0.5) ? 'A' : 'B');

/** Of these the ones that no loss of the database took. */
export const kept = <T extends { readonly madeAtMs: number }>({ ledger }: Tools, all: readonly T[]): T[] =>
  all.filter(({ madeAtMs }) => !isLost(ledger, madeAtMs));

/** A usable thing, of now. */
export const newUsable = (
  what: Pick<Usable, 'surface' | 'kind' | 'id'> &
    Partial<Pick<Usable, 'revocations' | 'kid' | 'origin' | 'endsWithLoss'>>,
  madeAtMs = now(),
): Usable => ({ revocations: [], history: [], ...what, madeAtMs });

export type TokenUsable = Usable & { readonly token: string };

/** A token, which ends with what `revocations` are shared with, and with its signing key. */
export function newToken(
  surface: SurfaceName,
  kind: string,
  token: string,
  revocations: Revocation[],
  origin?: Access,
): TokenUsable {
  const { jti: id = '' } = decodeJwt(token);
  const { kid = '' } = decodeProtectedHeader(token);
  const what = { surface, kind, id, kid, revocations, endsWithLoss: true };
  return { ...newUsable({ ...what, ...(origin ? { origin } : {}) }), token };
}

/** Shows it to a copy. @param result undefined: the answer says neither yes nor no */
export async function show(
  { ledger, ask }: Tools,
  of: Usable,
  copy: CopyName,
  request: Request,
  result: (answer: Answer) => boolean | undefined,
): Promise<Answer> {
  const answer = await ask(copy, request);
  const { status, body, sentAtMs, answeredAtMs, traceId } = answer;
  const said = `${status} ${body?.code ?? body?.reason ?? ''}`.trim();
  of.history.push(`${(sentAtMs / 1_000).toFixed(3)} s  shown to ${copy}: ${said} (trace ${traceId})`);
  if (of.history.length > 60) of.history.splice(1, 1);
  const isAccepted = result(answer);
  if (isAccepted === undefined) return answer;
  ledger.uses.push({ of, copy, sentAtMs, answeredAtMs, isAccepted, said });
  count(ledger, `${of.kind}: ${isAccepted ? 'accepted' : 'refused'}`);
  return answer;
}

const REFUSED_FOR_GOOD = new Set(['revoked', 'session_ended', 'family_reused', 'key_compromised']);

/** Shows a token. One near its expiry is not shown. @param audience other than this installation */
export async function showToken(tools: Tools, of: TokenUsable, copy: CopyName, audience?: string): Promise<void> {
  if (now() - of.madeAtMs > TOKEN_LIFE_MS) return;
  const json = { token: of.token, ...(audience ? { audience } : {}) };
  await show(tools, of, copy, { path: '/v1/tokens/validate', json }, ({ status, body }) => {
    if (status !== 200) return undefined;
    return body.active === true || (REFUSED_FOR_GOOD.has(body.reason) ? false : undefined);
  });
}

type What = { readonly surface: SurfaceName; readonly kind: string; readonly events: readonly string[] };

let lastKey = 0;

/**
 * Asks the product to keep something, until a copy does. Each attempt has a key of its own, so that one whose answer was
 * lost is told from the next; of what names itself, `keyOf` reads the key from the answer.
 */
export async function keep(
  { ledger, attempt }: Tools,
  { surface, kind, events }: What,
  request: (key: string) => Request,
  isDone: (answer: Answer) => boolean,
  keyOf?: (answer: Answer) => string,
): Promise<{ readonly key: string; readonly answer: Answer } | undefined> {
  const entryOf = (key: string, sentAtMs = now()) => ({ surface, kind, key, sentAtMs });
  let entry = entryOf('');
  const { answer, act } = await attempt(
    { kind, events, isRepeatable: true, subject: null },
    () => {
      lastKey += 1;
      entry = entryOf(`chaos-${lastKey}`);
      if (keyOf === undefined) ledger.entries.push(entry);
      return request(entry.key);
    },
    isDone,
  );
  if (act.ackedAtMs === undefined) return undefined;
  if (keyOf !== undefined) {
    entry = entryOf(keyOf(answer), answer.sentAtMs);
    ledger.entries.push(entry);
  }
  Object.assign(entry, { ackedAtMs: answer.answeredAtMs });
  count(ledger, kind);
  return { key: entry.key, answer };
}

/** Ends what these are shared with, until a copy says that it has. `key` is kept, if the database shows the end by one. */
export async function end(
  { ledger, attempt }: Tools,
  of: Usable,
  {
    surface,
    kind,
    events,
    key,
    isRepeatable = false,
  }: What & { readonly key?: string; readonly isRepeatable?: boolean },
  request: Request,
  isDone: (answer: Answer) => boolean,
): Promise<boolean> {
  const revocation: Revocation = { cause: kind, sentAtMs: now() };
  of.revocations.push(revocation);
  const entry = { surface, kind, key: key ?? '', sentAtMs: revocation.sentAtMs };
  if (key !== undefined) ledger.entries.push(entry);
  // A retry after a lost answer finds it done, and mostly has no event.
  const { act } = await attempt({ kind, events, isRepeatable, subject: null }, () => request, isDone);
  of.history.push(
    `${(now() / 1_000).toFixed(3)} s  ${kind}: ${act.ackedAtMs === undefined ? 'no answer' : 'acknowledged'}`,
  );
  if (act.ackedAtMs === undefined) return false;
  revocation.ackedAtMs = act.ackedAtMs;
  Object.assign(entry, { ackedAtMs: act.ackedAtMs });
  count(ledger, kind);
  return true;
}

/** Does the work at both copies for each of these, a few at a time. */
export async function atBothCopies<T>(
  all: readonly T[],
  work: (each: T, copy: CopyName) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < all.length; at += 8)
    await Promise.all(all.slice(at, at + 8).flatMap((each) => COPIES.map((copy) => work(each, copy))));
}

/** An ended one as often as one that may be good: the newest of each kind. */
export function pickShown<T extends Usable>({ random }: Tools, all: readonly T[]): T | undefined {
  const wantsDead = random.chance(0.5);
  const recent = all.slice(-200);
  const fitting = recent.filter(({ revocations }) => revocations.length > 0 === wantsDead);
  return random.pick(fitting.length > 0 ? fitting : recent);
}
