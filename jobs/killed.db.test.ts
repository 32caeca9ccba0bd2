import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { deliverMails } from '#services/core/identity/mail/deliver-mail.ts';
import { queueMail } from '#services/core/identity/mail/queue-mail.ts';
import { createKeyRing } from '#services/core/keys/key-ring.ts';
import { sendLogoutTokens } from '#services/core/oauth/logout/send-logout-tokens.ts';
import { fenced } from '#services/core/processor.ts';
import { detectIncidents } from '#services/core/security/detect-incidents.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { createFileOutbox, listMailFiles } from '#services/platform/mail/file-outbox.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { createLogHarness, giveKeys } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const mailFolder = testFolder();
const database = opened(createTestDatabase);
const harness = opened(() => createLogHarness(database.url));
beforeAll(async () => {
  await giveKeys(harness);
});

const never = { signal: new AbortController().signal };
const mailer = { publicUrl: 'https://api.sallyport.test', wake: () => {} };
let users = 0;
/** Sealed events of one new user, one sighting each: two without an action, one that locks the account. */
async function threeSightings(): Promise<string> {
  users += 1;
  const user = `user-${users}`;
  await harness.raw`INSERT INTO users (id, email) VALUES (${user}, ${`${user}@people.test`})`;
  await harness.raw`INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
    VALUES (${user}, ${user}, 'credential', ${user}, 'x')`;
  await harness.emit(2, { type: 'token.replay_detected', detail: { user_id: user } });
  const elsewhere = { factor: 'password', session_id: 's-new', elsewhere: 's-old', known_device: false };
  await harness.emit(1, { type: 'user.login', detail: { user_id: user, ...elsewhere } });
  await sealEvents(harness, {}, testCaller);
  return user;
}
const seen = (user: string) =>
  harness.raw`SELECT detection, count, actions FROM incidents WHERE subject_id = ${user} ORDER BY detection DESC`;
const JUDGED_ONCE = [
  { detection: 'token_replay', count: 2, actions: [] },
  { detection: 'impossible_travel', count: 1, actions: ['end_session', 'step_up'] },
];

test('detection, killed at every statement: each event is evaluated exactly once, and its owner mailed once', async () => {
  let kills = 0;
  for await (const { killPoint, run } of killedEverywhere({ url: database.url, work: 'detect' })) {
    const user = await threeSightings();
    if ((await run()) === null) kills += 1;
    // Another worker continues where the first one died.
    await detectIncidents(
      { ...harness, keyRing: createKeyRing(harness, loadConfig({}).keys), mailer },
      never,
      testCaller,
    );
    expect([killPoint, await seen(user)]).toEqual([killPoint, JUDGED_ONCE]);
    const mails = await harness.raw`SELECT template FROM mail_outbox`;
    expect([killPoint, mails]).toEqual([killPoint, [{ template: 'unlock_account' }]]);
    await harness.raw`DELETE FROM mail_outbox`;
  }
  expect(kills).toBeGreaterThan(20);
});

test('a worker that resumes after a newer run has begun evaluates nothing', async () => {
  const user = await threeSightings();
  const keyRing = createKeyRing(harness, loadConfig({}).keys);
  const stalled = fenced({ ...harness, keyRing, mailer }, await takeFence(harness.sql, 'detect-incidents'));
  const newer = fenced({ ...harness, keyRing, mailer }, await takeFence(harness.sql, 'detect-incidents'));
  await expect(detectIncidents(stalled, never, testCaller)).rejects.toMatchObject({ code: 'run_superseded' });
  expect(await seen(user)).toEqual([]);
  expect(await harness.raw`SELECT FROM mail_outbox`).toEqual([]);
  await detectIncidents(newer, never, testCaller);
  expect(await seen(user)).toEqual(JUDGED_ONCE);
  await harness.raw`DELETE FROM mail_outbox`;
});

test('delivery, killed at every statement: every mail is sent, and none stays behind', async () => {
  const mail = { template: 'password_changed', to: 'user@people.test' } as const;
  const mailTransport = createFileOutbox(mailFolder, 'Sallyport <no-reply@sallyport.test>');
  const asked: string[] = [];
  let kills = 0;
  for await (const { killPoint, run } of killedEverywhere({ url: database.url, work: 'deliver', mailFolder })) {
    for (let n = 0; n < 2; n += 1)
      asked.push(await harness.transact((tx) => queueMail(tx, { ...harness, mailer }, mail, testCaller)));
    if ((await run()) === null) kills += 1;
    // The leases of the dead worker have expired.
    await harness.raw`UPDATE mail_outbox SET next_attempt_at = clock_timestamp()`;
    await deliverMails(
      { ...harness, mailTransport },
      { fence: await takeFence(harness.sql, 'deliver-mail'), ...never },
    );
    expect([killPoint, await harness.raw`SELECT id FROM mail_outbox`]).toEqual([killPoint, []]);
  }
  expect(kills).toBeGreaterThan(12);
  expect(await listMailFiles(mailFolder)).toEqual(asked.map((id) => `${id}.eml`).sort());
});

test('logout tokens, killed at every statement: each reaches its client with the same jti in every attempt, and none stays behind', async () => {
  await harness.raw`INSERT INTO oauth_clients (id, "clientId", redirect_uris, backchannel_logout_uri)
    VALUES ('c', 'c', '{}', 'https://app.example/')`;
  const tokens = join(mailFolder, 'tokens');
  const queued: string[] = [];
  let kills = 0;
  for await (const { killPoint, run } of killedEverywhere({ url: database.url, work: 'logout', mailFolder })) {
    const [row] = await harness.raw<{ id: string }>`INSERT INTO logout_tokens (client_id, unvetted, user_id, session_id)
      VALUES ('c', false, 'u', 's') RETURNING id`;
    queued.push(row!.id);
    if ((await run()) === null) kills += 1;
    // The lease of the dead worker has expired.
    await harness.raw`UPDATE logout_tokens SET next_attempt_at = clock_timestamp()`;
    const sent: string[] = [];
    const others = {
      keyRing: createKeyRing(harness, loadConfig({}).keys),
      tokenSettings: { issuer: 'https://api.sallyport.test', accessTokenSeconds: 900 },
      logoutTransport: { send: async (_client: object, token: string) => sent.push(token) && 200 },
    };
    const fence = await takeFence(harness.sql, 'send-logout-tokens');
    await sendLogoutTokens({ ...harness, ...others }, { fence, ...never }, testCaller);
    const earlier = (await readFile(tokens, 'utf8').catch(() => '')).split('\n').filter((token) => token !== '');
    const received = [...earlier, ...sent].map((token) => decodeJwt(token).jti);
    expect([killPoint, [...new Set(received)]]).toEqual([killPoint, [row!.id]]);
    expect([killPoint, await harness.raw`SELECT id FROM logout_tokens`]).toEqual([killPoint, []]);
    await rm(tokens, { force: true });
  }
  expect(kills).toBeGreaterThan(12);
  const events = await harness.raw`SELECT outcome FROM audit_outbox WHERE type = 'oauth.logout_token_sent'`;
  expect(events).toEqual(queued.map(() => ({ outcome: 'ok' })));
});
