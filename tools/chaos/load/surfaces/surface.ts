import { decodeJwt, decodeProtectedHeader } from 'jose';
import { type Gate, gateOf, REFUSED_FOR_GOOD } from '../../gates.ts';
import type { Answer, Request } from '../../http.ts';
import {
  type Access,
  type CopyName,
  count,
  isLost,
  note,
  now,
  type Revocation,
  type SurfaceName,
  type Usable,
} from '../../ledger.ts';
import type { ChaosStores } from '../../stores.ts';
import { anyCopy, attempt, type Clients, isCreated, isOk, RETRIED } from '../clients.ts';

/** A part of the product beside tokens, which can lose an acknowledged act or lie: what its clients do, and what is checked. */
export type Surface = {
  readonly name: SurfaceName;
  /** What is begun while the load runs, and how often a second at full pace. */
  readonly acts: readonly (readonly [perSecond: number, act: () => Promise<unknown>])[];
  /** Before the first fault: everything once, so that every gate has facts. */
  prepare(): Promise<void>;
  /** When all is well again: shows what was ended at both copies. */
  settle(): Promise<void>;
  /** Of each kind of entry the statement that returns the `key` of each row that its clients were told of. */
  readonly rows: Readonly<Record<string, string>>;
  /** Its clients hold something that can be ended. */
  readonly hasUsables: boolean;
  /** Gates of its own, over the ledger and the database. */
  gates?(query: ChaosStores['query']): Promise<readonly Gate[]>;
};

const COPIES: readonly CopyName[] = ['A', 'B'];
/** Tokens near their expiry prove nothing. */
const TOKEN_LIFE_MS = 800_000;

/** Of these the ones that no loss of the database took. */
export const kept = <T extends { readonly madeAtMs: number }>({ ledger }: Clients, all: readonly T[]): T[] =>
  all.filter(({ madeAtMs }) => !isLost(ledger, madeAtMs));

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
  const ends = { kid, revocations, endsWithLoss: true, ...(origin ? { origin } : {}) };
  return { surface, kind, id, ...ends, madeAtMs: now(), history: [], token };
}

/** Whether an answer accepts what was shown; undefined if it says neither yes nor no. */
type Accepts = (answer: Answer) => boolean | undefined;

/** Shows it to a copy. */
export async function show(
  { ledger, ask }: Clients,
  of: Usable,
  copy: CopyName,
  request: Request,
  accepts: Accepts,
): Promise<Answer> {
  const answer = await ask(copy, request);
  const { status, body, sentAtMs, answeredAtMs, traceId } = answer;
  const said = `${status} ${body?.code ?? body?.reason ?? ''}`.trim();
  note(of, `shown to ${copy}: ${said} (trace ${traceId})`, sentAtMs);
  const isAccepted = accepts(answer);
  if (isAccepted === undefined) return answer;
  ledger.uses.push({ of, copy, sentAtMs, answeredAtMs, isAccepted, said });
  count(ledger, `${of.kind}: ${isAccepted ? 'accepted' : 'refused'}`);
  return answer;
}

/** Shows a token. One near its expiry is not shown. */
export async function showToken(clients: Clients, of?: TokenUsable, copy = anyCopy(clients)): Promise<void> {
  if (of === undefined || now() - of.madeAtMs > TOKEN_LIFE_MS) return;
  await show(clients, of, copy, { path: '/v1/tokens/validate', json: { token: of.token } }, ({ status, body }) => {
    if (status !== 200) return undefined;
    return body.active === true || (REFUSED_FOR_GOOD.has(body.reason) ? false : undefined);
  });
}

/** Something that the product is asked to keep: the words of its kind, its events, and what acknowledges it. */
export type Kept = {
  readonly kind: string;
  readonly events: readonly string[];
  readonly isDone?: (answer: Answer) => boolean;
};

/** An answer that tells something, and what of it is wrong; undefined where nothing is. */
export type Look = { readonly answer: Answer; readonly wrong: unknown };

/** What a copy tells is so, or it says that it cannot tell now. */
export const toldWrongly = (name: string, looks: readonly Look[]): Gate =>
  gateOf(name, looks, ({ wrong, answer: { traceId, copy } }) =>
    wrong === undefined ? undefined : { text: `${JSON.stringify(wrong)} told by ${copy} (trace ${traceId})` },
  );

/** Asks a copy, and keeps what is wrong of what it tells. */
export async function look(
  clients: Clients,
  looks: Look[],
  request: Request,
  wrongOf: (answer: Answer) => unknown,
): Promise<Answer> {
  const answer = await clients.ask(anyCopy(clients), request);
  if (!RETRIED.has(answer.status)) looks.push({ answer, wrong: wrongOf(answer) });
  return answer;
}

let lastKey = 0;

/** Asks until a copy does. Each attempt has a key of its own, so that one whose answer was lost is told from the next. */
export async function keep(
  clients: Clients,
  surface: SurfaceName,
  { kind, events, isDone = isCreated }: Kept,
  request: (key: string) => Request,
): Promise<{ readonly key: string; readonly answer: Answer } | undefined> {
  const { ledger } = clients;
  let key = '';
  const { answer, act } = await attempt(
    clients,
    { kind, events },
    () => {
      lastKey += 1;
      key = `chaos-${lastKey}`;
      ledger.entries.push({ surface, kind, key, sentAtMs: now() });
      return request(key);
    },
    isDone,
  );
  if (act.ackedAtMs === undefined) return undefined;
  Object.assign(ledger.entries.find((entry) => entry.surface === surface && entry.key === key)!, {
    ackedAtMs: act.ackedAtMs,
  });
  count(ledger, kind);
  return { key, answer };
}

/** Does the work at both copies for each of these, a few at a time. */
export async function atBothCopies<T>(
  all: readonly (T | undefined)[],
  work: (each: T, copy: CopyName) => Promise<unknown>,
): Promise<void> {
  const there = all.filter((each) => each !== undefined);
  for (let at = 0; at < there.length; at += 8)
    await Promise.all(there.slice(at, at + 8).flatMap((each) => COPIES.map((copy) => work(each, copy))));
}

/** An ended one as often as one that may be good: the newest of each kind. */
export function pickShown<T extends Usable>({ random }: Clients, all: readonly T[]): T | undefined {
  const wantsDead = random.chance(0.5);
  const recent = all.slice(-200);
  const fitting = recent.filter(({ revocations }) => revocations.length > 0 === wantsDead);
  return random.pick(fitting.length > 0 ? fitting : recent);
}

/** A surface whose clients make things, show them to both copies and end them, as data. `M`: what a client knows of one. */
export type Life<M> = {
  readonly name: SurfaceName;
  readonly rows: Surface['rows'];
  /** What one is called in findings: `secret of an agent`. */
  readonly called: string;
  readonly endsWithLoss?: boolean;
  readonly mostLive: number;
  readonly perSecond: { readonly make: number; readonly end: number; readonly show: number };
  /** Makes one. */
  make(): Promise<(M & { readonly id: string }) | undefined>;
  /** The ways to use one. */
  readonly shows: readonly {
    readonly request: (of: M & Usable) => Request;
    readonly accepts: (answer: Answer, of: M & Usable) => boolean | undefined;
    readonly after?: (of: M & Usable, answer: Answer) => unknown;
  }[];
  readonly end: Kept & { readonly request: (of: M & Usable) => Request };
};

/** The surface of such a life, with what it has made. */
export type Living<M> = Surface & {
  make(): Promise<(M & Usable) | undefined>;
  show(of: M & Usable, copy?: CopyName): Promise<void>;
  /** One that no end was asked for, and one whose end was acknowledged. */
  live(): (M & Usable) | undefined;
  ended(): (M & Usable) | undefined;
  readonly made: readonly (M & Usable)[];
};

const MADE_FIRST = 4;
const SETTLED_MOST = 150;

export function living<M>(clients: Clients, life: Life<M>): Living<M> {
  const { random, ledger } = clients;
  const { name: surface, called: kind, endsWithLoss = false, perSecond, mostLive } = life;
  const made: (M & Usable)[] = [];
  const isAcked = ({ ackedAtMs }: Revocation): boolean => ackedAtMs !== undefined;
  const all = (): (M & Usable)[] => kept(clients, made);
  const allLive = (): (M & Usable)[] => all().filter(({ revocations }) => revocations.length === 0);
  const live = () => random.pick(allLive());

  async function make(): Promise<(M & Usable) | undefined> {
    const thing = await life.make();
    if (!thing) return undefined;
    const one = { surface, kind, endsWithLoss, madeAtMs: now(), revocations: [], history: [], ...thing };
    made.push(one);
    return one;
  }

  async function showOne(of: (M & Usable) | undefined, copy = anyCopy(clients)): Promise<void> {
    if (!of) return;
    for (const { request, accepts, after } of life.shows) {
      const answer = await show(clients, of, copy, request(of), (each) => accepts(each, of));
      await after?.(of, answer);
    }
  }

  /** Until a copy says that it has ended. A retry after a lost answer finds it done, and mostly has no event. */
  async function end(of: (M & Usable) | undefined): Promise<void> {
    if (!of || of.revocations.length > 0) return;
    const { kind: cause, events, isDone = isOk, request } = life.end;
    const revocation: Revocation = { cause, sentAtMs: now() };
    of.revocations.push(revocation);
    const entry = { surface, kind: cause, key: of.id, sentAtMs: revocation.sentAtMs };
    ledger.entries.push(entry);
    const what = { kind: cause, events, isRepeatable: false };
    const { act } = await attempt(clients, what, () => request(of), isDone);
    note(of, `${cause}: ${act.ackedAtMs === undefined ? 'no answer' : 'acknowledged'}`);
    if (act.ackedAtMs === undefined) return;
    for (const fact of [revocation, entry]) Object.assign(fact, { ackedAtMs: act.ackedAtMs });
    count(ledger, cause);
  }

  return {
    ...{ name: surface, rows: life.rows, hasUsables: true, made, make, show: showOne, live },
    ended: () => random.pick(all().filter(({ revocations }) => revocations.some(isAcked))),
    acts: [
      [perSecond.make, () => (allLive().length < mostLive ? make() : end(live()))],
      [perSecond.end, () => end(live())],
      [perSecond.show, () => showOne(pickShown(clients, made))],
    ],
    prepare: async () => {
      for (let at = 0; at < MADE_FIRST; at += 1) await make();
      await showOne(made[0]);
      await end(made[0]);
    },
    settle: async () => {
      await end(live());
      await atBothCopies(made.slice(-SETTLED_MOST), showOne);
    },
  };
}
