import { createHmac } from 'node:crypto';
import { currentRequestTrace } from '#observability/http-span.ts';
import { actorIdOf, actorKindOf, clientIdOf } from '../authority/names.ts';
import type { Caller, HashIdentifier, Sql } from '../ports.ts';
import { oneSpellingOf } from '../shared/address-spelling.ts';
import { auditContextSet } from './audit.store.ts';
import type { EndRule } from './end-rule-shapes.ts';
import { hmacKey } from './hmac-key.ts';

/** The actor columns of an outbox row. IP address and user agent are keyed hashes. */
type AuditActor = {
  readonly actor_kind: Caller['kind'];
  readonly actor_id: string | null;
  readonly client_id: string | null;
  readonly ip_hash: string | null;
  readonly agent_hash: string | null;
  readonly traceparent: string | null;
};

type IdentifierKey = { readonly version: number; readonly key: Buffer };

const HASH_CHARACTERS = 22;
/** When the cache is full, it is emptied: few addresses and agents send most requests. */
const KNOWN_HASHES_MAXIMUM = 4_096;
const KNOWN_VALUE_MAXIMUM = 256;

/**
 * HMAC-SHA-256 of an identifying value, truncated to 128 bits, in base64url. The label separates kinds of values.
 * Only a holder of the key can compute the hash of a guessed value.
 */
export const keyedHash = (key: Buffer, label: 'ip' | 'agent' | 'prefix', value: string): string =>
  createHmac('sha256', hmacKey(key)).update(`${label}\0${value}`).digest('base64url').slice(0, HASH_CHARACTERS);

/**
 * Hashes identifiers under the newest `identifier` server secret: an address in any spelling to one hash. Caches hashes
 * of short values.
 */
export function createIdentifierHashes(newestKey: () => IdentifierKey): HashIdentifier {
  let known = new Map<string, string>();
  let knownUnder: Buffer | undefined;
  const hashOf = ({ version, key }: IdentifierKey, label: 'ip' | 'agent', value: string): string =>
    `${version}.${keyedHash(key, label, label === 'ip' ? oneSpellingOf(value) : value)}`;
  return (label, value) => {
    if (value === '') return null;
    const newest = newestKey();
    const { key } = newest;
    if (knownUnder !== key || known.size >= KNOWN_HASHES_MAXIMUM) {
      knownUnder = key;
      known = new Map();
    }
    if (value.length > KNOWN_VALUE_MAXIMUM) return hashOf(newest, label, value);
    const name = `${label}\0${value}`;
    let hash = known.get(name);
    if (hash === undefined) {
      hash = hashOf(newest, label, value);
      known.set(name, hash);
    }
    return hash;
  };
}

/** The actor columns of an outbox row, for statements that write their audit rows themselves. */
export function auditActor(caller: Caller): AuditActor {
  const requestTrace = currentRequestTrace();
  if (requestTrace !== undefined) requestTrace.writesAudit = true;
  const { request } = caller;
  return {
    actor_kind: actorKindOf(caller),
    actor_id: actorIdOf(caller),
    client_id: clientIdOf(caller),
    ip_hash: request.hashIdentifier?.('ip', request.ip) ?? null,
    agent_hash: request.hashIdentifier?.('agent', request.userAgent) ?? null,
    traceparent: request.traceparent === '' ? null : request.traceparent,
  };
}

/**
 * Passes actor and reason to the row triggers, in settings that end with the transaction.
 * @param reason stored with sessions, families and revocations that end
 * @param rule the rule that ended them, if the reason is free text; stored with revocations
 */
export async function setAuditContext(tx: Sql, caller: Caller, reason?: string, rule?: EndRule): Promise<void> {
  const actor = auditActor(caller);
  await tx.query(auditContextSet, [
    actor.actor_kind,
    actor.actor_id ?? '',
    actor.client_id ?? '',
    actor.ip_hash ?? '',
    actor.agent_hash ?? '',
    actor.traceparent ?? '',
    reason ?? '',
    rule ?? '',
  ]);
}
