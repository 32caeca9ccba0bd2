import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { LegacyBridge } from '#services/core/tokens/verify/legacy-bridge-port.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { guardedFetch } from '#services/platform/http/outbound.ts';
import { LEGACY_AUDIENCE, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { createLegacyBridge, type LegacyBridgePorts } from './legacy-bridge.ts';
import { createLegacyIssuer } from './legacy-issuer.ts';
import { legacySessionId } from './legacy-token.ts';

const provider = opened(startLegacyProvider);
const harness = opened(openPeopledHarness);
let statements = 0;
let aheadMs = 0;
const clock = { now: () => Date.now() + aheadMs, monotonic: () => performance.now() + aheadMs };
const UNTIL = new Date(Date.now() + 86_400_000).toISOString();

function portsOf(env: Readonly<Record<string, string>> = { LEGACY_BRIDGE_UNTIL: UNTIL }): LegacyBridgePorts {
  const { legacy } = loadConfig({
    LEGACY_ISSUER: provider.issuer,
    LEGACY_JWKS_URI: provider.jwksUri,
    LEGACY_AUDIENCE,
    ...env,
  });
  const { sql } = harness.deps;
  return {
    ...harness.deps,
    clock,
    sql: {
      query: (...given) => {
        statements += 1;
        return sql.query(...given);
      },
    },
    legacyIssuer: createLegacyIssuer(legacy, { clock }, guardedFetch),
  };
}

const bridge = opened(() => createLegacyBridge(portsOf()) as LegacyBridge);

async function imported() {
  const person = await harness.newUser();
  const sub = randomUUID();
  await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('clerk', ${sub}, ${person.id})`;
  return { ...person, sub, sid: randomUUID() };
}
const ask = async (token: string, more: { audience?: string; required_scope?: string } = {}) =>
  JSON.parse(await bridge.answer({ token, ...more }));
const inactive = (reason: string) => ({ active: false, reason });
const newest = () => harness.deps.confirmNewest();

test('there is no bridge without an end, and it takes only tokens that name the old provider, until the end', async () => {
  expect(createLegacyBridge(portsOf({}))).toBeNull();
  expect(createLegacyBridge({ ...portsOf(), legacyIssuer: null })).toBeNull();
  const token = await provider.token({ sub: 'u' });
  expect(bridge.isFor(token)).toBe(true);
  for (const other of [
    await provider.token({ iss: 'https://other.example' }),
    'x',
    'a.!.c',
    'a.bnVsbA.c',
    'a.e30.c',
    `a.${'x'.repeat(9_000)}.c`,
    'a.eyJ.c',
  ])
    expect(bridge.isFor(other)).toBe(false);
  aheadMs = 2 * 86_400_000;
  expect(bridge.isFor(token)).toBe(false);
  aheadMs = 0;
});

describe('an access token of the old provider', () => {
  test('of an imported user is active, marked, and looked up once', async () => {
    const { id, sub, sid } = await imported();
    const token = await provider.token({ sub, sid, scope: 'read write' });
    statements = 0;
    expect(await ask(token)).toMatchObject({ active: true, issuer_kind: 'legacy', user_id: id, claims: { sub, sid } });
    const first = statements;
    expect(await ask(token, { audience: LEGACY_AUDIENCE, required_scope: 'write' })).toMatchObject({ active: true });
    expect(statements).toBe(first);
    expect(await ask(token, { required_scope: 'delete' })).toEqual(inactive('insufficient_scope'));
    expect(await ask(token, { audience: 'https://other.example' })).toEqual(inactive('wrong_audience'));
    expect(await ask(await provider.token({ sub }), { required_scope: 'read' })).toEqual(
      inactive('insufficient_scope'),
    );
    aheadMs = 700_000;
    expect(await ask(token)).toEqual(inactive('expired'));
    aheadMs = 0;
  });

  test('of a session that is known is verified, and its user is not looked up again', async () => {
    const [ada, bob] = [await imported(), await imported()];
    await ask(await provider.token({ sub: ada.sub, sid: ada.sid }));
    statements = 0;
    expect(await ask(await provider.token({ sub: ada.sub, sid: ada.sid, n: 2 }))).toMatchObject({ user_id: ada.id });
    expect(statements).toBe(0);
    expect(await ask(await provider.token({ sub: bob.sub, sid: ada.sid }))).toMatchObject({ user_id: bob.id });
    expect(statements).toBeGreaterThan(0);
  });

  test('whose sub is one of our ids belongs to nobody, or to the user with that id in the import', async () => {
    const [ours, victim] = [await harness.newUser(), await imported()];
    const token = await provider.token({ sub: ours.id });
    expect(await ask(token)).toEqual(inactive('revoked'));
    expect(await bridge.introspect(token)).toBe('{"active":false}');
    // An id at the old provider that is the id of another user here.
    const clashing = await harness.newUser();
    await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id)
      VALUES ('clerk', ${victim.id}, ${clashing.id})`;
    expect(await ask(await provider.token({ sub: victim.id }))).toMatchObject({
      issuer_kind: 'legacy',
      user_id: clashing.id,
    });
  });

  test('that is bound to a key is inactive, and its key is left to the caller of introspection', async () => {
    const { sub } = await imported();
    const token = await provider.token({ sub, cnf: { jkt: 'x'.repeat(43) } });
    expect(await ask(token)).toEqual(inactive('binding_mismatch'));
    expect(JSON.parse(await bridge.introspect(token))).toMatchObject({ active: true, cnf: { jkt: 'x'.repeat(43) } });
  });

  test('is introspected with its claims, which cannot replace what is said of it', async () => {
    const { id, sub } = await imported();
    const forged = { active: false, issuer_kind: 'own', user_id: 'someone' };
    const token = await provider.token({ sub, scope: 'read', ...forged });
    expect(JSON.parse(await bridge.introspect(token))).toMatchObject({
      active: true,
      issuer_kind: 'legacy',
      user_id: id,
      iss: provider.issuer,
      aud: LEGACY_AUDIENCE,
      scope: 'read',
      sub,
    });
    const unknown = await provider.token({ sub: randomUUID() });
    expect(await bridge.introspect(unknown)).toBe('{"active":false}');
  });

  test('is inactive for a reason of the closed list', async () => {
    const { sub } = await imported();
    const now = Math.floor(Date.now() / 1_000);
    const token = await provider.token({ sub });
    const [head, , signature] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ iss: provider.issuer, sub })).toString('base64url');
    expect(await ask(`${head}.${forged}.${signature}`)).toEqual(inactive('bad_signature'));
    expect(await ask(await provider.token({ sub, exp: now - 100 }))).toEqual(inactive('expired'));
    for (const kind of [{ typ: 'ID' }, { token_use: 'id' }])
      expect(await ask(await provider.token({ sub, ...kind }))).toEqual(inactive('malformed'));
    for (const wrong of ['a\0b', '\ud800', ' padded', 7])
      expect(await ask(await provider.token({ sub: wrong as string }))).toEqual(inactive('malformed'));
    expect(await ask(await provider.token({ sub, aud: 'x' }))).toEqual(inactive('wrong_audience'));
    expect(await ask(await provider.token({ sub: randomUUID() }))).toEqual(inactive('revoked'));
    // A key that is not known yet is no wrong one: the answer is 503 until the keys were read after the question.
    const later = await provider.token({ sub, exp: now + 86_400 }, { kid: 'x' });
    await expect(ask(later)).rejects.toMatchObject({ code: 'legacy_keys_unavailable' });
    aheadMs = 1_500_000;
    expect(await ask(later)).toEqual(inactive('unknown_key'));
    aheadMs = 0;
  });

  test('ends with its session at the old provider and with the bridge, also after it was looked up', async () => {
    const { sub, sid } = await imported();
    const token = await provider.token({ sub, sid, exp: Math.floor(Date.now() / 1_000) + 3 * 86_400 });
    expect(await ask(token)).toMatchObject({ active: true });
    await harness.rows`INSERT INTO legacy_sessions (id, ended_at)
      VALUES (${legacySessionId(provider.issuer, sid)}, now())`;
    await newest();
    expect(await ask(token)).toEqual(inactive('session_ended'));
    expect(await ask(await provider.token({ sub, sid }))).toEqual(inactive('session_ended'));
    const other = await provider.token({ sub, exp: Math.floor(Date.now() / 1_000) + 3 * 86_400 });
    expect(await ask(other)).toMatchObject({ active: true });
    aheadMs = 2 * 86_400_000;
    expect(await ask(other)).toEqual(inactive('wrong_issuer'));
    aheadMs = 0;
  });

  test('ends when all sessions of the user end here, or the user is disabled', async () => {
    const one = await imported();
    const token = await provider.token({ sub: one.sub, auth_time: Math.floor(Date.now() / 1_000) - 60 });
    expect(await ask(token)).toMatchObject({ active: true });
    await harness.rows`SELECT user_every_login_end(${one.id})`;
    await newest();
    expect(await ask(token)).toEqual(inactive('session_ended'));
    const two = await imported();
    const other = await provider.token({ sub: two.sub });
    expect(await ask(other)).toMatchObject({ active: true });
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${two.id}`;
    await newest();
    expect(await ask(other)).toEqual(inactive('revoked'));
  });

  test('is not decided by a copy whose revocations are too old', async () => {
    const { sub } = await imported();
    const stale = createLegacyBridge({
      ...portsOf(),
      revocations: { ...harness.revocations, refusal: () => 'revocation_state_stale' },
    }) as LegacyBridge;
    await expect(stale.answer({ token: await provider.token({ sub }) })).rejects.toMatchObject({
      code: 'revocation_state_stale',
    });
  });

  test('is remembered among so many, and the oldest is forgotten', async () => {
    const { sub } = await imported();
    const small = createLegacyBridge(portsOf(), 2) as LegacyBridge;
    const tokens = await Promise.all(['a', 'b', 'c'].map((jti) => provider.token({ sub, jti })));
    for (const token of tokens) await small.answer({ token });
    statements = 0;
    await small.answer({ token: tokens[2] as string });
    expect(statements).toBe(0);
    await small.answer({ token: tokens[0] as string });
    expect(statements).toBeGreaterThan(0);
  });
});
