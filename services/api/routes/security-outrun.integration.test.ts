import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { newPassword } from '#tools/testing/flows/flows.ts';
import { cookieOf, type Received } from '#tools/testing/http-client.ts';
import { whileItWaits } from '#tools/testing/overtaken.ts';
import { openTheftHarness, type Theft, type TheftHarness } from './security-outrun-harness.ts';

vi.setConfig({ testTimeout: 120_000 });

let harness: TheftHarness;
let api: TheftHarness['api'];
beforeAll(async () => {
  harness = await openTheftHarness();
  ({ api } = harness);
});
afterAll(() => harness?.close());

const rows: TheftHarness['rows'] = (...asked) => harness.rows(...asked);

describe('an attacker who replaces the session or cookie of the sign-in before the detections run', () => {
  // A step-up and a sign-in keep the session of the sign-in, so the owner's sessions at home need not end.
  test.each<[string, (stolen: Theft) => Promise<Received>, atHome: string | number]>([
    [
      'steps up',
      ({ owner, thief }) => harness.act('/api/auth/step-up', cookieOf(thief), { password: owner.password }),
      200,
    ],
    [
      'changes the password',
      ({ owner, thief }) =>
        harness.act('/api/auth/change-password', cookieOf(thief), {
          current_password: owner.password,
          new_password: newPassword(),
        }),
      'session_ended',
    ],
    [
      'signs in once more by the cookie that made him known',
      ({ owner, thief }) => harness.signInFrom(owner, '203.0.113.250', 'curl', { cookie: cookieOf(thief) }),
      200,
    ],
  ])('and %s has no session left', async (_how, replace, atHome) => {
    const stolen = await harness.theft();
    const replacing = await replace(stolen);
    expect(replacing.status).toBe(200);
    await harness.detect();
    expect(await harness.incidentsOf(stolen.owner.id)).toMatchObject([
      { detection: 'impossible_travel', actions: ['end_session', 'step_up'] },
    ]);
    expect(await harness.sessionsOf(stolen.owner)).not.toContainEqual({ id: replacing.body.session.id });
    expect(await harness.refreshed(replacing)).toBe('session_ended');
    expect(await harness.refreshed(stolen.thief)).toBe('session_ended');
    expect(await harness.refreshed(stolen.home)).toBe(atHome);
  });

  test('an attacker who did nothing yet loses that session, and the owner none', async () => {
    const { owner, home, thief } = await harness.theft();
    await harness.detect();
    expect(await harness.sessionsOf(owner)).toHaveLength(2);
    expect([await harness.refreshed(thief), await harness.refreshed(home)]).toEqual(['session_ended', 200]);
  });
});

describe('a copy whose clock is a minute behind and dates the attacker’s actions before the sign-in', () => {
  const behind = (table: string, column: string, where: string, id: string) =>
    rows(`UPDATE ${table} SET ${column} = ${column} - interval '1 minute' WHERE ${where} = $1 RETURNING 1`, [id]);

  test('hides no second session', async () => {
    const stolen = await harness.theft();
    const second = await harness.again(stolen);
    expect(await behind('sessions', '"createdAt"', 'id', second.body.session.id)).toHaveLength(1);
    await harness.detect();
    expect(await harness.sessionsOf(stolen.owner)).toEqual([]);
    for (const login of [second, stolen.thief, stolen.home])
      expect(await harness.refreshed(login)).toBe('session_ended');
  });

  test('hides no device, even if the session that allowed it is gone', async () => {
    const stolen = await harness.theft();
    const second = await harness.again(stolen);
    const deviceCode = await harness.allowDevice(stolen.owner, cookieOf(second));
    await harness.act('/api/auth/signout', cookieOf(second));
    expect(await behind('oauth_device_grants', 'auth_time', 'user_id', stolen.owner.id)).toHaveLength(1);
    await harness.detect();
    expect((await harness.poll(deviceCode)).body.code).toBe('device_code_expired');
    expect(await harness.sessionsOf(stolen.owner)).toEqual([]);
  });

  test('hides no passkey; one from just before the sign-in stays', async () => {
    const { owner } = await harness.theft();
    for (const key of ['owner', 'thief'])
      await rows(
        `INSERT INTO passkeys (id, "publicKey", "userId", "credentialID", counter, "deviceType", "backedUp", "createdAt")
         VALUES ($1, '', $2, $1, 0, 'singleDevice', false, now() - interval '1 minute')`,
        [`${key}-${owner.id}`, owner.id],
      );
    await harness.justBefore(owner, 'passkeys', `owner-${owner.id}`);
    await harness.detect();
    const left = await rows('SELECT id FROM passkeys WHERE "userId" = $1', [owner.id]);
    expect(left).toEqual([{ id: `owner-${owner.id}` }]);
  });
});

describe('while a batch refreshes the token families to revoke', () => {
  test.each<[string, (stolen: Theft) => Promise<unknown>]>([
    ['another session of the thief', (stolen) => harness.again(stolen)],
    [
      'a login of a device',
      async ({ owner, thief }) => harness.poll(await harness.allowDevice(owner, cookieOf(thief))),
    ],
    ['an account that he linked', ({ owner }) => harness.linkOf(owner, 'batch')],
  ])(
    'families are locked in the order in which the batch locks them: %s never causes a deadlock',
    async (_what, gains) => {
      const stolen = await harness.theft();
      await gains(stolen);
      const families = await rows('SELECT id, sid FROM refresh_families WHERE user_id = $1 ORDER BY id', [
        stolen.owner.id,
      ]);
      const [first] = families;
      const taken = families.findIndex(({ sid }) => sid === stolen.thief.body.session.id);
      expect(taken, 'its own session is not the first by id').toBeGreaterThan(0);
      const hold = 'SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE';
      await whileItWaits(
        api.stores.pools.main,
        [[hold, [first?.id]]],
        () => harness.detect(),
        // No family above the one that it waits for is locked.
        (batch) => batch.query(`${hold} NOWAIT`, [families[taken]?.id]),
      );
      expect(await harness.sessionsOf(stolen.owner)).toEqual([]);
      expect(await harness.incidentsOf(stolen.owner.id)).toMatchObject([{ count: 1 }]);
    },
  );
});
