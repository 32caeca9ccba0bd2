import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClientCaller } from '#services/core/authority/callers.ts';
import { accountPasswordChanged, userSessionEnded, userTokensRevoked } from '#services/core/identity/audit-events.ts';
import type { Caller } from '#services/core/ports.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { readStreamStatus, replaceStream, updateStream, updateStreamStatus } from './manage-streams.ts';
import { CAEP_EVENTS } from './signal-shapes.ts';
import { POLL, PUSH } from './streams-contract.ts';
import { caller, ISSUER, openStreamsHarness, type StreamsHarness } from './streams-harness.ts';

let harness: StreamsHarness;
beforeAll(async () => {
  harness = await openStreamsHarness();
});
beforeEach(() => harness.reset());
afterAll(() => harness?.close());

describe('a pushed stream', () => {
  const delivery = () =>
    ({ method: PUSH, endpoint_url: `${harness.origin}/events`, authorization_header: 'Bearer their-secret' }) as const;

  test('gets each event as a signed token, with the receiver’s authorization, which is not shown or stored in clear', async () => {
    const view = await harness.create({ delivery: delivery() });
    expect(view).toMatchObject({
      iss: ISSUER,
      aud: 'receiver',
      delivery: { method: PUSH, endpoint_url: `${harness.origin}/events` },
    });
    expect(JSON.stringify([view, await harness.log.raw('SELECT * FROM signal_streams')])).not.toContain('their-secret');
    await harness.happen(userSessionEnded, 'ada', { reason: 'ended_by_user' }, 's1');
    await harness.push();
    expect(harness.arrived.map(({ authorization }) => authorization)).toEqual(['Bearer their-secret']);
    const claims = await harness.read(harness.arrived[0]?.body ?? '');
    expect(claims).toMatchObject({
      iat: expect.any(Number),
      txn: expect.any(String),
      sub_id: {
        format: 'complex',
        session: { format: 'opaque', id: 's1' },
        user: { format: 'iss_sub', iss: ISSUER, sub: 'ada' },
      },
      events: {
        [CAEP_EVENTS['session-revoked']]: {
          event_timestamp: expect.any(Number),
          initiating_entity: 'system',
          reason_admin: { en: 'ended_by_user' },
        },
      },
    });
    // Never another kind of token (SSF 1.0 §4.1.4, §4.1.6).
    expect([claims.exp, (claims as { sub?: string }).sub]).toEqual([undefined, undefined]);
  });

  test('a stolen token directs to no address that its client has not registered, and the client itself to any', async () => {
    const bySecret = caller as ClientCaller;
    const to = (endpoint_url: string) => ({ delivery: { method: PUSH, endpoint_url } }) as const;
    const registered = to('https://receiver.example.test/events');
    const elsewhere = to('https://thief.example.test/events');
    const refusal = { code: 'own_credential_required' };
    for (const by of ['bearer', 'api_key'] as const) {
      const thief = { ...bySecret, by };
      await expect(harness.create(elsewhere, thief)).rejects.toMatchObject(refusal);
      const { stream_id } = await harness.create(registered, thief);
      const change = { stream_id, ...elsewhere };
      await expect(updateStream(harness.ports, change, thief)).rejects.toMatchObject(refusal);
      await expect(replaceStream(harness.ports, change, thief)).rejects.toMatchObject(refusal);
      const { delivery } = await updateStream(harness.ports, change, bySecret);
      expect(delivery).toEqual(elsewhere.delivery);
    }
    expect((await harness.create(elsewhere, { ...bySecret, by: 'bearer', isBound: true })).delivery).toEqual(
      elsewhere.delivery,
    );
    expect((await harness.create({}, { ...bySecret, by: 'bearer' })).delivery.method).toBe(POLL);
  });

  const losses: Record<string, readonly [string, string?]> = {
    'was disabled': [
      `UPDATE oauth_clients SET disabled = true WHERE "clientId" = 'receiver'`,
      `UPDATE oauth_clients SET disabled = false WHERE "clientId" = 'receiver'`,
    ],
    'lost the permission': [
      `UPDATE oauth_clients SET credential_scopes = '{ssf.read}' WHERE "clientId" = 'receiver'`,
      `UPDATE oauth_clients SET credential_scopes = '{ssf.manage}' WHERE "clientId" = 'receiver'`,
    ],
    'was deleted': [`DELETE FROM oauth_clients WHERE "clientId" = 'receiver'`],
  };
  test.each(Object.keys(losses))('of a client that %s gets nothing more', async (name) => {
    const [lose, regain] = losses[name] as (typeof losses)[string];
    await harness.create({ delivery: delivery() });
    await harness.log.raw(lose);
    await harness.happen(userTokensRevoked, 'ada');
    await harness.push();
    expect(harness.arrived).toEqual([]);
    if (regain === undefined) return;
    await harness.log.raw(regain);
    await harness.push();
    expect(harness.arrived).toHaveLength(1);
  });

  test('of an agent ends with its kill and its time, and that of a person with the permission or the account', async () => {
    const owner = await harness.newUser();
    await harness.log.raw(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [owner]);
    const until = (interval: string) =>
      harness.log.raw(`UPDATE agents SET expires_at = clock_timestamp() + $1::interval`, [interval]);
    await harness.log.raw(
      `INSERT INTO agents (client_id, owner_id, capabilities, heartbeat_seconds, expires_at)
       VALUES ('receiver', $1, '{}', 60, clock_timestamp() + interval '1 day')`,
      [owner],
    );
    const person = { ...testCaller, kind: 'user', userId: owner } as Caller;
    await harness.create({ delivery: delivery() });
    await harness.create({ delivery: delivery() }, person);
    /** The audiences of what is pushed about one more event. */
    const audiences = async () => {
      harness.arrived.length = 0;
      await harness.happen(userTokensRevoked, 'ada');
      await harness.push();
      return harness.arrived.map(({ body }) => decodeJwt(body).aud).sort();
    };
    expect(await audiences()).toEqual([owner, 'receiver'].sort());
    await until('-1 second');
    expect(await audiences()).toEqual([owner]);
    await harness.log.raw('UPDATE agents SET killed_at = clock_timestamp()');
    expect(await audiences()).toEqual([owner]);
    await harness.log.raw('DELETE FROM user_roles WHERE user_id = $1', [owner]);
    expect(await audiences()).toEqual([]);
    await harness.log.raw(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [owner]);
    await harness.log.raw('UPDATE users SET "disabledAt" = now() WHERE id = $1', [owner]);
    expect(await audiences()).toEqual([]);
  });

  test('has the reason of an event only if it is one of our codes: what a person wrote stays here', async () => {
    await harness.create({ delivery: delivery() });
    await harness.happen(userTokensRevoked, 'ada', { reason: 'positive test of J. Doe, ward 4' });
    await harness.push();
    const claims = await harness.read(harness.arrived[0]?.body ?? '');
    expect(claims.events[CAEP_EVENTS['session-revoked']]?.reason_admin).toEqual({ en: 'user.tokens_revoked' });
  });

  test('that is paused gets its events when it is enabled again; one that was disabled does not', async () => {
    const { stream_id: id } = await harness.create({ delivery: delivery() });
    const set = (to: 'enabled' | 'paused' | 'disabled', reason?: string) =>
      updateStreamStatus(harness.ports, { stream_id: id, status: to, ...(reason ? { reason } : {}) }, caller);
    expect(await set('paused', 'maintenance')).toEqual({ stream_id: id, status: 'paused', reason: 'maintenance' });
    await harness.happen(accountPasswordChanged, 'ada');
    await harness.push();
    expect(harness.arrived).toEqual([]);
    await set('enabled');
    await harness.push();
    expect(harness.arrived).toHaveLength(1);
    await set('disabled');
    await harness.happen(accountPasswordChanged, 'ada');
    await set('enabled');
    await harness.push();
    expect([harness.arrived.length, await readStreamStatus(harness.ports, { stream_id: id }, caller)]).toEqual([
      1,
      { stream_id: id, status: 'enabled' },
    ]);
  });
});
