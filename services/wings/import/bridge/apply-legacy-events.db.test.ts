import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { openPeopledHarness, type PeopledHarness } from '#tools/testing/harness/people.ts';
import { callerAt, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { applyLegacyEvents } from './apply-legacy-events.ts';
import type { LegacyIssuer } from './legacy-issuer.ts';
import { legacySessionId } from './legacy-token.ts';
import { receiveLegacyWebhook, type WebhookPorts } from './receive-legacy-webhook.ts';

const ISSUER = 'https://old.example';
const KEY = randomBytes(32);
const harness = opened(openPeopledHarness);
let ports: WebhookPorts;
let woken = 0;
const countWake = (): void => {
  woken += 1;
};
beforeAll(async () => {
  const legacyIssuer = { issuer: ISSUER } as LegacyIssuer;
  ports = { ...harness.deps, legacyIssuer, legacyWebhook: { key: KEY, wake: countWake } };
});

type Sent = {
  readonly id?: string;
  readonly type: string;
  readonly data: object;
  readonly at?: string | number;
  readonly text?: string;
};
/** Sends a signed event. */
function deliver(event: Sent, changed: Partial<WebhookPorts> = {}) {
  const { id = randomUUID(), text, ...said } = event;
  const body = Buffer.from(text ?? JSON.stringify(said));
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const mac = createHmac('sha256', KEY).update(`${id}.${timestamp}.`).update(body).digest('base64');
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
  const input = { headers, body, event: said as never };
  return receiveLegacyWebhook({ ...ports, ...changed }, input, callerAt('198.51.100.1'));
}
const fence = { number: 1, hold: async () => {} };
const apply = (signal = new AbortController().signal) =>
  applyLegacyEvents({ ...harness.deps, legacyProvider: null }, { fence, signal }, testCaller);

async function imported(who: Parameters<PeopledHarness['newUser']>[0] = {}, sub: string = randomUUID()) {
  const person = await harness.newUser(who);
  await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('clerk', ${sub}, ${person.id})`;
  return { ...person, sub };
}
const nameOf = async (id: string) => (await harness.accountOf(id))?.name;
const statesOf = async (sub: string) =>
  (await harness.rows`SELECT state FROM legacy_events WHERE subject = ${sub} ORDER BY seq`).map(({ state }) => state);

describe('a webhook', () => {
  test('is kept once, also when it comes ten times at once, and wakes the job', async () => {
    const { id, sub } = await imported();
    const event = { id: 'evt_once', type: 'user.updated', data: { id: sub, first_name: 'Grace' } };
    const before = woken;
    const receipts = await Promise.all(Array.from({ length: 10 }, () => deliver(event)));
    expect(receipts.map(({ status }) => status).sort()).toEqual(['accepted', ...Array(9).fill('duplicate')]);
    expect(woken - before).toBe(1);
    expect(await apply()).toBe(1);
    expect(await nameOf(id)).toBe('Grace');
    expect((await deliver(event)).status).toBe('duplicate');
    expect(await apply()).toBe(0);
    const [row] = await harness.rows`SELECT changes, state FROM legacy_events WHERE subject = ${sub}`;
    expect(row).toEqual({ changes: null, state: 'applied' });
  });

  test('names its user by the digits of its bytes, whatever a parser made of them', async () => {
    const { id, sub } = await imported({}, '9007199254740993');
    const rounded = 9_007_199_254_740_992;
    const said = { type: 'user.updated', data: { id: rounded, name: 'Hedy' } };
    const text = JSON.stringify(said).replace(String(rounded), sub);
    expect((await deliver({ ...said, text })).status).toBe('accepted');
    expect(await apply()).toBe(1);
    expect(await nameOf(id)).toBe('Hedy');
    await expect(
      deliver({ ...said, text: JSON.stringify(said).replace(String(rounded), '1e3') }),
    ).rejects.toMatchObject({ code: 'request_invalid' });
  });

  test('is refused with an event if its signature is not ours, without a secret, or without an id', async () => {
    const event = { type: 'user.updated', data: { id: 'x' } };
    await expect(deliver(event, { legacyWebhook: { key: randomBytes(32), wake: () => {} } })).rejects.toMatchObject({
      code: 'legacy_webhook_forged',
    });
    expect(await harness.countOf('legacy.webhook_refused', 'refused')).toBe(1);
    await expect(deliver(event, { legacyWebhook: { key: null, wake: () => {} } })).rejects.toMatchObject({
      code: 'legacy_not_configured',
    });
    await expect(deliver({ type: 'user.updated', data: {} })).rejects.toMatchObject({ code: 'request_invalid' });
    expect(await deliver({ type: 'email.created', data: {} })).toEqual({ status: 'ignored' });
  });

  test('in the plain form is known by the id in its body, or by the body', async () => {
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const plain = (said: object, { legacyIssuer }: Pick<WebhookPorts, 'legacyIssuer'> = ports) => {
      const body = Buffer.from(JSON.stringify(said));
      const mac = createHmac('sha256', KEY).update(`${timestamp}.`).update(body).digest('hex');
      const headers = { 'x-webhook-timestamp': timestamp, 'x-webhook-signature': `sha256=${mac}` };
      return receiveLegacyWebhook(
        { ...ports, legacyIssuer },
        { headers, body, event: said as never },
        callerAt('198.51.100.1'),
      );
    };
    const said = { type: 'session.ended', data: { session_id: randomUUID() } };
    expect([await plain({ id: 'p1', ...said }), await plain({ id: 'p1', ...said, again: true })]).toEqual([
      { status: 'accepted' },
      { status: 'duplicate' },
    ]);
    expect([await plain(said), await plain(said)]).toEqual([{ status: 'accepted' }, { status: 'duplicate' }]);
    // Without LEGACY_ISSUER no session has a name here; users have.
    const without = { legacyIssuer: null };
    await expect(plain({ id: 'p2', ...said }, without)).rejects.toMatchObject({ code: 'legacy_not_configured' });
    expect(await plain({ type: 'user.updated', data: { id: randomUUID() } }, without)).toEqual({ status: 'accepted' });
    await apply();
  });
});

describe('events', () => {
  test('of a user are applied in the order in which they happened, and an older one that comes late is dropped', async () => {
    const { id, sub } = await imported();
    const at = (second: number) => new Date(Date.now() - 60_000 + second * 1_000).toISOString();
    const update = (second: number, name: string) =>
      deliver({ type: 'user.updated', data: { id: sub, first_name: name }, at: at(second) });
    await update(3, 'Third');
    await update(1, 'First');
    await apply();
    expect(await nameOf(id)).toBe('Third');
    await update(2, 'Second');
    await apply();
    expect(await nameOf(id)).toBe('Third');
    expect(await statesOf(sub)).toEqual(['applied', 'applied', 'superseded']);
    await deliver({ type: 'user.deleted', data: { id: sub }, at: at(0) });
    await apply();
    expect((await harness.accountOf(id))?.disabledAt).not.toBeNull();
  });

  test('of a user who is not there wait for the import, and for a day at most', async () => {
    const sub = randomUUID();
    await deliver({ type: 'user.created', data: { id: sub, first_name: 'Early' } });
    await apply();
    expect(await statesOf(sub)).toEqual(['user_not_imported']);
    expect(await apply()).toBe(0);
    const { id } = await imported({}, sub);
    expect(await apply()).toBe(1);
    expect(await nameOf(id)).toBe('Early');
    const never = randomUUID();
    await deliver({ type: 'user.updated', data: { id: never } });
    await harness.rows`UPDATE legacy_events SET received_at = now() - interval '25 hours' WHERE subject = ${never}`;
    await apply();
    const [row] = await harness.rows`SELECT state, next_attempt_at FROM legacy_events WHERE subject = ${never}`;
    expect(row).toEqual({ state: 'user_not_imported', next_attempt_at: null });
  });

  test('that delete a user disable the account here and end its sessions, but not of the last administrator', async () => {
    const { id, sub } = await imported();
    await openSessionFor({ ports: harness.deps }, id);
    await deliver({ type: 'user.deleted', data: { id: sub } });
    await deliver({ type: 'user.deleted', data: { id: sub } });
    await apply();
    expect((await harness.accountOf(id))?.disabledAt).not.toBeNull();
    expect(await harness.sessionsOf(id)).toBe(0);
    expect(await statesOf(sub)).toEqual(['applied', 'applied']);
    const admin = await imported({ roles: ['admin'] });
    await deliver({ type: 'user.deleted', data: { id: admin.sub } });
    await apply();
    expect(await statesOf(admin.sub)).toEqual(['last_admin']);
    const second = await imported({ roles: ['admin'] });
    await deliver({ type: 'user.deleted', data: { id: second.sub } });
    await apply();
    expect(await statesOf(second.sub)).toEqual(['applied']);
    const gone = await imported();
    await harness.rows`DELETE FROM users WHERE id = ${gone.id}`;
    await deliver({ type: 'user.updated', data: { id: gone.sub, first_name: 'x' } });
    await apply();
    expect(await statesOf(gone.sub)).toEqual(['user_deleted_here']);
  });

  test('without a change of name or picture change nothing', async () => {
    const { id, sub } = await imported();
    await deliver({ type: 'user.updated', data: { id: sub } });
    await apply();
    expect((await harness.eventsOf(id)).filter(({ type }) => type === 'user.profile_changed')).toEqual([]);
  });

  test('that end a session end the session that it became here, and keep it from coming', async () => {
    const { id } = await imported();
    const session = await openSessionFor({ ports: harness.deps }, id);
    const sid = randomUUID();
    const key = legacySessionId(ISSUER, sid);
    const [row] = await harness.rows`SELECT id FROM sessions WHERE "userId" = ${id}`;
    await harness.rows`INSERT INTO legacy_sessions (id, user_id, session_id) VALUES (${key}, ${id}, ${row.id})`;
    await deliver({ type: 'session.ended', data: { id: sid } });
    await deliver({ type: 'session.ended', data: { id: 'never seen here' } });
    await apply();
    expect(await harness.sessionsOf(id)).toBe(0);
    expect(session).toBeDefined();
    const ended = await harness.rows`SELECT ended_at FROM legacy_sessions
      WHERE id = ANY (${[key, legacySessionId(ISSUER, 'never seen here')]})`;
    expect(ended.map(({ ended_at: at }) => at !== null)).toEqual([true, true]);
  });

  test('stay for the next run when the process stops', async () => {
    const { sub } = await imported();
    await deliver({ type: 'user.updated', data: { id: sub, first_name: 'Later' } });
    expect([await apply(AbortSignal.abort()), await apply()]).toEqual([0, 1]);
  });
});
