import { createHash, generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { compromiseKey } from '#services/core/keys/compromise-key.ts';
import { advanceLogKey } from '#services/core/keys/log/advance-log-key.ts';
import { ownsKey } from '#services/core/keys/log/log-keys.ts';
import { giveKeys } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openedEach } from '#tools/testing/opened.ts';
import { listEvents } from '../read/list-events.ts';
import { checkLog, openSealingHarness } from './sealing-harness.ts';

const harness = openedEach(openSealingHarness);

type Sealed = {
  readonly type: string;
  readonly outcome: string;
  readonly target_id: string | null;
  readonly detail: object;
};

/** Inserts a row as any process with rights on the outbox may, and seals. */
async function claim(type: string, kid: string | null, detail: object): Promise<Sealed> {
  const [row] = await harness.raw<{ event_id: string }>`
    INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, detail)
    VALUES (${type}, 'ok', 'system', 'keys', 'key', ${kid}, ${JSON.stringify(detail)}) RETURNING event_id`;
  await harness.emit(2);
  expect(await harness.seal()).toMatchObject({ stopped: null, backlog: 0 });
  const [sealed] = await harness.raw<Sealed>`SELECT type, outcome, target_id, detail FROM audit_events
    WHERE event_id = ${row?.event_id}`;
  await checkLog(harness);
  return sealed as Sealed;
}

const ownJwk = () => generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
const thumbprint = ({ crv, kty, x }: import('node:crypto').JsonWebKey): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
const LOG_KEY = { purpose: 'audit-log', alg: 'EdDSA' };

test('an event about a key that the vault does not have is sealed as refused, and the events beside it as they are', async () => {
  const kid = thumbprint(ownJwk());
  expect(await claim('key.published', kid, LOG_KEY)).toEqual({
    type: 'audit.row_refused',
    outcome: 'key_unknown',
    // A thumbprint that the vault does not know could be any text, as could the names of a claim.
    target_id: null,
    detail: { claimed_actor: 'system' },
  });
  const [refusal] = (await listEvents(harness, { type: 'audit.row_refused', limit: 1 })).events;
  expect(refusal).toMatchObject({
    target: { kind: 'key', id: kid },
    detail: { claimed_type: 'key.published', claimed_actor: 'system', claimed_actor_id: 'keys' },
  });
  expect(await claim('key.stopped', null, {})).toMatchObject({ type: 'audit.row_refused', target_id: null });
  const [kept] = await harness.raw`SELECT type, detail FROM audit_outbox WHERE target_id = ${kid}`;
  expect(kept).toEqual({ type: 'key.published', detail: LOG_KEY });
});

test('a superuser who also writes a row of the key table has no private key that the vault opens', async () => {
  const jwk = ownJwk();
  const insert = (kid: string, sealed: string) =>
    harness.asSuperuser(
      `INSERT INTO jwks (id, purpose, alg, "publicKey", "privateKey", signs, longest_token_seconds)
       VALUES ('${kid}', 'other', 'EdDSA', '${JSON.stringify(jwk)}', '${sealed}', tstzrange(now(), NULL), 0)`,
    );
  const kid = thumbprint(jwk);
  const [real] = await harness.raw<{ sealed: string }>`SELECT "privateKey" AS sealed FROM jwks LIMIT 1`;
  await insert(kid, real?.sealed ?? '');
  expect((await claim('key.published', kid, { ...LOG_KEY, purpose: 'other' })).type).toBe('audit.row_refused');
  await harness.asSuperuser(`DELETE FROM jwks WHERE id = '${kid}'`);
  await insert('another-kid', '1.sealed');
  expect((await claim('key.published', 'another-kid', { ...LOG_KEY, purpose: 'other' })).type).toBe(
    'audit.row_refused',
  );
});

test('an event about a key of the vault must say what is so', async () => {
  const [key] = await harness.raw<{ id: string }>`SELECT id FROM jwks WHERE purpose = 'access'`;
  for (const [type, detail] of [
    ['key.published', LOG_KEY],
    ['key.compromised', { reason: 'leaked' }],
    ['key.private_part_destroyed', {}],
  ] as const)
    expect([type, (await claim(type, key?.id ?? '', detail)).type]).toEqual([type, 'audit.row_refused']);
});

test('events of the product about its own keys are sealed as they are', async () => {
  const [key] = await harness.raw<{ id: string }>`SELECT id FROM jwks WHERE purpose = 'access'`;
  const made = await advanceLogKey(harness, { onlyWhenDue: false }, testCaller);
  await compromiseKey({ ...harness, keysChanged: () => {} }, { kid: key?.id ?? '', reason: 'leaked' }, testCaller);
  // Both end before the event of their publication is sealed.
  await compromiseKey({ ...harness, keysChanged: () => {} }, { kid: made ?? '', reason: 'leaked' }, testCaller);
  await giveKeys(harness);
  await harness.seal();
  const types = await harness.raw`SELECT type, count(*)::int FROM audit_events
    WHERE type ~ '^key[.]|refused' GROUP BY 1 ORDER BY 1`;
  expect(types).toEqual([
    { type: 'key.compromised', count: 2 },
    { type: 'key.published', count: expect.any(Number) },
  ]);
});

test('a key that is no public key is not ours; a vault that opens something else says nothing about any key', async () => {
  await harness.asSuperuser(
    `INSERT INTO jwks (id, purpose, alg, "publicKey", "privateKey", signs, longest_token_seconds)
     VALUES ('no-key', 'other', 'EdDSA', '{}', '1.sealed', tstzrange(now(), NULL), 0)`,
  );
  const about = { type: 'key.published', kid: 'no-key', detail: { purpose: 'other', alg: 'EdDSA' } };
  expect(await ownsKey(harness, about)).toBe(false);
  const [key] = await harness.raw<{ id: string; alg: string }>`SELECT id, alg FROM jwks WHERE purpose = 'access'`;
  const vault = { ...harness.vault, open: () => Buffer.from('no private key') };
  const real = { type: 'key.published', kid: key?.id ?? '', detail: { purpose: 'access', alg: key?.alg } };
  await expect(ownsKey({ sql: harness.sql, vault }, real)).rejects.toThrow();
});
