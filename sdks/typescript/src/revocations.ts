import { type AccessTokenClaims, isCount, isText } from './claims.ts';
import { decodeBase64url, textOf } from './encoding.ts';
import { LIMITS } from './generated/contract.ts';
import type { KeyStore } from './key-store.ts';
import type { Settings } from './options.ts';
import { parseToken } from './parse-token.ts';
import { isObject, type JsonObject, parseStrictObject } from './strict-json.ts';
import { verifySignature } from './verify-signature.ts';

const FEED_TYPE = 'revocations+jwt';
const ASYMMETRIC: ReadonlySet<string> = new Set(['RS256', 'ES256', 'EdDSA']);
/** Entries looked at per answer for those that have expired. */
const SWEPT_PER_ANSWER = 2_000;

/** The answer was not taken, and changed nothing. */
class FeedRefused extends Error {
  constructor(why: string) {
    super(`an answer of the revocation feed was refused: ${why}`);
    this.name = 'FeedRefused';
  }
}

type Kind = 'jti' | 'sid' | 'family' | 'user' | 'client' | 'key';
const KINDS: ReadonlySet<unknown> = new Set<Kind>(['jti', 'sid', 'family', 'user', 'client', 'key']);

type Entry = {
  readonly epoch: number;
  readonly kind: Kind;
  readonly value: string;
  readonly token_epoch?: number;
  readonly reason?: unknown;
  readonly expires_at: number;
};

type Answer = {
  readonly incarnation: string;
  readonly epoch: number;
  readonly since: number;
  readonly issued_at: number;
  readonly max_staleness_s: number;
  readonly complete: boolean;
  readonly entries: readonly Entry[];
};

/** What is revoked, by kind and value: when the entry expires (Unix seconds), and for a user or client the epoch. */
type Memory = {
  readonly jti: Map<string, number>;
  readonly sid: Map<string, number>;
  readonly key: Map<string, number>;
  readonly family: Map<string, number>;
  /** Families that ended because an old refresh token was used. */
  readonly reused: Set<string>;
  readonly user: Map<string, { epoch: number; expiresAt: number }>;
  readonly client: Map<string, { epoch: number; expiresAt: number }>;
};

const emptyMemory = (): Memory => ({
  jti: new Map(),
  sid: new Map(),
  key: new Map(),
  family: new Map(),
  reused: new Set(),
  user: new Map(),
  client: new Map(),
});

export type Revocations = {
  /** Null when the token is not revoked. No I/O. */
  check(claims: AccessTokenClaims): 'revoked' | 'session_ended' | 'family_reused' | null;
  isSessionEnded(name: string): boolean;
  isKeyRevoked(kid: string): boolean;
  /** Whether what is known is complete, and not older than the feed's own bound and `maxStale` together. */
  isFresh(): boolean;
  /**
   * Verifies an answer and applies it. Throws FeedRefused; the state is then as before.
   * @param isHistory true for an answer of a file that newer ones follow: it may be old, and does not count as news
   * @returns whether it is complete
   */
  read(jws: string, isHistory?: boolean): Promise<boolean>;
  /** From where the next answer continues. */
  position(): { readonly epoch: number; readonly incarnation: string | undefined };
  /** The bound that the last complete answer named, seconds. */
  boundSeconds(): number;
  state(): { readonly epoch: number; readonly incarnation: string | undefined; readonly entries: number };
};

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

function isEntry(value: unknown): value is Entry {
  if (!isObject(value)) return false;
  const { epoch, kind, value: name, token_epoch, expires_at } = value;
  if (!isCount(epoch) || !KINDS.has(kind) || !isText(name) || !isNumber(expires_at)) return false;
  return kind === 'user' || kind === 'client' ? isCount(token_epoch) : true;
}

function answerOf(body: JsonObject): Answer | null {
  const { incarnation, epoch, since, issued_at, max_staleness_s, complete, entries } = body;
  if (!isText(incarnation) || !isCount(epoch) || !isCount(since) || epoch < since) return null;
  if (!isNumber(issued_at) || !isNumber(max_staleness_s) || typeof complete !== 'boolean') return null;
  if (!Array.isArray(entries)) return null;
  // An entry of a kind that is not known here cannot be enforced, so the answer is refused whole.
  let last = since;
  for (const entry of entries as unknown[]) {
    if (!isEntry(entry) || entry.epoch <= last || entry.epoch > epoch) return null;
    last = entry.epoch;
  }
  return body as unknown as Answer;
}

function add(memory: Memory, entry: Entry): void {
  const { kind, value, expires_at: expiresAt } = entry;
  if (kind === 'user' || kind === 'client') {
    const known = memory[kind].get(value);
    const epoch = entry.token_epoch as number;
    if (known === undefined) memory[kind].set(value, { epoch, expiresAt });
    else {
      known.epoch = Math.max(known.epoch, epoch);
      known.expiresAt = Math.max(known.expiresAt, expiresAt);
    }
    return;
  }
  memory[kind].set(value, Math.max(memory[kind].get(value) ?? 0, expiresAt));
  if (kind === 'family' && entry.reason === 'refresh_token_reused') memory.reused.add(value);
}

const sizeOf = ({ jti, sid, key, family, user, client }: Memory): number =>
  jti.size + sid.size + key.size + family.size + user.size + client.size;

/** Goes through all entries, some at each step, and removes those that have expired. */
function* sweeper(memory: Memory, nowSeconds: () => number): Generator<void, void> {
  for (;;) {
    for (const name of ['jti', 'sid', 'key', 'family'] as const)
      for (const [value, expiresAt] of memory[name]) {
        if (expiresAt < nowSeconds()) {
          memory[name].delete(value);
          if (name === 'family') memory.reused.delete(value);
        }
        yield;
      }
    for (const name of ['user', 'client'] as const)
      for (const [value, { expiresAt }] of memory[name]) {
        if (expiresAt < nowSeconds()) memory[name].delete(value);
        yield;
      }
    yield;
  }
}

export function createRevocations(settings: Settings, keys: KeyStore): Revocations {
  const { issuer, clockSkew, maxStale, now } = settings;
  const nowSeconds = (): number => now() / 1_000;
  let memory = emptyMemory();
  let sweep = sweeper(memory, nowSeconds);
  let incarnation: string | undefined;
  let epoch = 0;
  /** When the newest complete answer was issued, by its own clock. */
  let issuedAt = Number.NEGATIVE_INFINITY;
  let freshUntil = Number.NEGATIVE_INFINITY;
  /** The same by the clock that is never set back. */
  let freshUntilMonotonicMs = Number.NEGATIVE_INFINITY;
  let bound = 2;
  /** The first parts of another incarnation: they replace the state when they are complete. */
  let next: { readonly memory: Memory; readonly incarnation: string; epoch: number } | undefined;
  const left: string[] = [];

  /** The payload of an answer with our signature. */
  async function verified(jws: string): Promise<Answer> {
    const parsed = parseToken(jws, LIMITS.feedAnswerBytes);
    if (parsed === null) throw new FeedRefused('it is malformed');
    if (!ASYMMETRIC.has(parsed.alg)) throw new FeedRefused('its algorithm is not allowed');
    if (keys.find(parsed.kid) === undefined) await keys.renewForUnknownKid(parsed.kid);
    const known = keys.find(parsed.kid);
    if (!known) throw new FeedRefused('its key is unknown');
    if (known.alg !== parsed.alg || memory.key.has(known.kid)) throw new FeedRefused('its key is not accepted');
    if (!(await verifySignature(known, parsed))) throw new FeedRefused('its signature is wrong');
    if (parsed.typ !== FEED_TYPE) throw new FeedRefused('it has another type');
    const payload = decodeBase64url(parsed.payload);
    const text = payload && textOf(payload);
    const body = text === null ? null : parseStrictObject(text);
    if (body === null || body.iss !== issuer) throw new FeedRefused('it is of another issuer');
    const answer = answerOf(body);
    if (answer === null) throw new FeedRefused('its payload is malformed');
    return answer;
  }

  /** Until when the answer may be relied on. Clocks that differ within the skew cost no time. */
  const lastsUntil = (answer: Answer): number =>
    Math.min(nowSeconds(), answer.issued_at + clockSkew) + answer.max_staleness_s + maxStale;

  function assertTimely(answer: Answer): void {
    if (answer.issued_at > nowSeconds() + clockSkew) throw new FeedRefused('it was issued in the future');
    // A part that is not complete names no bound of its own.
    const limit = answer.complete ? lastsUntil(answer) : lastsUntil({ ...answer, max_staleness_s: bound });
    if (limit < nowSeconds()) throw new FeedRefused('it was issued too long ago');
  }

  /** Where the entries of the answer belong, or why the answer does not follow what is known. */
  function placeOf(answer: Answer): Memory {
    if (incarnation === undefined || answer.incarnation === incarnation) {
      if (incarnation === undefined && answer.since !== 0) throw new FeedRefused('it does not begin at the start');
      if (answer.epoch < epoch) throw new FeedRefused('it is older than what is known');
      if (answer.since > epoch) throw new FeedRefused('it leaves out epochs');
      return memory;
    }
    if (left.includes(answer.incarnation)) throw new FeedRefused('its incarnation was left before');
    if (answer.issued_at <= issuedAt) throw new FeedRefused('it is of another incarnation and not newer');
    if (answer.since === 0) next = { memory: emptyMemory(), incarnation: answer.incarnation, epoch: 0 };
    else if (next?.incarnation !== answer.incarnation || answer.since > next.epoch || answer.epoch < next.epoch)
      throw new FeedRefused('it is of another incarnation and does not begin at the start');
    return (next as NonNullable<typeof next>).memory;
  }

  function take(answer: Answer, isHistory: boolean): void {
    const place = placeOf(answer);
    for (const entry of answer.entries) add(place, entry);
    if (place === memory) {
      incarnation = answer.incarnation;
      epoch = answer.epoch;
      next = undefined;
    } else if (next !== undefined) {
      next.epoch = answer.epoch;
      if (!answer.complete) return;
      left.push(incarnation as string);
      if (left.length > LIMITS.incarnationsLeft) left.shift();
      ({ incarnation, epoch } = next);
      memory = place;
      sweep = sweeper(memory, nowSeconds);
      next = undefined;
      freshUntil = Number.NEGATIVE_INFINITY;
      freshUntilMonotonicMs = Number.NEGATIVE_INFINITY;
    }
    if (!answer.complete || isHistory) return;
    issuedAt = Math.max(issuedAt, answer.issued_at);
    bound = answer.max_staleness_s;
    const until = lastsUntil(answer);
    freshUntil = Math.max(freshUntil, until);
    freshUntilMonotonicMs = Math.max(freshUntilMonotonicMs, performance.now() + (until - nowSeconds()) * 1_000);
  }

  return {
    check(claims) {
      if (memory.jti.has(claims.jti)) return 'revoked';
      if (claims.fid !== undefined && memory.family.has(claims.fid))
        return memory.reused.has(claims.fid) ? 'family_reused' : 'revoked';
      // A token without an epoch counts as older than every raised epoch.
      const user = memory.user.get(claims.sub);
      if (user !== undefined && (claims.ue ?? 0) < user.epoch) return 'revoked';
      const client = memory.client.get(claims.client_id);
      if (client !== undefined && (claims.ce ?? 0) < client.epoch) return 'revoked';
      for (const origin of claims.origins ?? []) {
        const party = memory.client.get(origin.client_id);
        if (memory.jti.has(origin.jti) || (party !== undefined && origin.ce < party.epoch)) return 'revoked';
      }
      return claims.sid !== undefined && memory.sid.has(claims.sid) ? 'session_ended' : null;
    },
    isSessionEnded: (name) => memory.sid.has(name),
    isKeyRevoked: (kid) => memory.key.has(kid),
    isFresh: () => nowSeconds() <= freshUntil && performance.now() <= freshUntilMonotonicMs,
    async read(jws, isHistory = false) {
      const answer = await verified(jws);
      if (!isHistory) assertTimely(answer);
      // The writer of a file may have read the whole feed again.
      const isKnown = isHistory && answer.incarnation === incarnation && answer.epoch <= epoch;
      if (!isKnown) take(answer, isHistory);
      for (let at = 0; at < Math.min(SWEPT_PER_ANSWER, sizeOf(memory)); at += 1) sweep.next();
      return answer.complete;
    },
    position: () =>
      next === undefined ? { epoch, incarnation } : { epoch: next.epoch, incarnation: next.incarnation },
    boundSeconds: () => bound,
    state: () => ({ epoch, incarnation, entries: sizeOf(memory) }),
  };
}
