// About: services/wings/recovery/backup/
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeS3AtOnce } from '#services/platform/backups/s3-place.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { type ApiCopy, newClient, type TestClient } from '#tools/testing/harness/api.ts';
import { findS3Gateway, startS3Gateway } from '#tools/testing/processes/s3-gateway.ts';
import { call, issued, openRestoreHarness, type Pair, type RestoreHarness, userInsert } from '../restore-harness.ts';

const s3Gateway = findS3Gateway();
if (s3Gateway === undefined) console.warn('SKIPPED: a feed in an S3 store: no Go here to build its server with');

let harness: RestoreHarness;
beforeEach(async () => {
  harness = await openRestoreHarness();
});
afterEach(() => harness?.close());

const RECOVERY_MS_MAX = 30_000;
const cutOff = defineStatement('')`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`;

const validate = async (copy: ApiCopy, { access_token }: Pair) =>
  (await call(copy, '/v1/tokens/validate', { token: access_token })).body;
const refresh = async (copy: ApiCopy, { refresh_token }: Pair) =>
  (await call(copy, '/v1/tokens/refresh', { refresh_token })).status;
/** Both tokens, as a user does who lost a device. */
const revoke = async (copy: ApiCopy, pair: Pair, client: TestClient): Promise<void> => {
  for (const token of [pair.access_token, pair.refresh_token]) {
    const { status } = await call(copy, '/v1/tokens/revoke', { token, reason: 'stolen' }, client);
    expect(status).toBe(200);
  }
};
const isBack = (copy: ApiCopy) =>
  expect.poll(async () => (await fetch(`${copy.url}/readyz`)).status, { timeout: 60_000, interval: 20 }).toBe(200);
const isRewound = (copy: ApiCopy) =>
  expect.poll(() => copy.ports.revocations.state().rewound, { timeout: 60_000 }).toBe(true);
const segment = async (copy: ApiCopy, client: TestClient, since: number): Promise<string> => {
  const answer = await fetch(`${copy.url}/v1/revocations?since=${since}`, { headers: { authorization: client.basic } });
  expect(answer.status).toBe(200);
  return answer.text();
};
const issueFor = async (copy: ApiCopy, client: TestClient, userId: string): Promise<Pair> => {
  const { status, body } = await call(copy, '/v1/tokens', { user_id: userId }, client);
  expect(status).toBe(201);
  return body as Pair;
};

describe('restoring from the feed', () => {
  test('a database set back serves again without an accepted loss, and no token that was revoked is accepted', async () => {
    const copy = await harness.startCopy();
    const client = await newClient(copy, ['tokens:issue', 'tokens:revoke', 'revocations:read']);
    for (const id of ['alice', 'bob']) await copy.ports.sql.query(userInsert, [id]);
    const [kept, stolen, ofBob] = [
      await issued(copy, client),
      await issued(copy, client),
      await issueFor(copy, client, 'bob'),
    ];
    await revoke(copy, await issued(copy, client), client);
    await harness.takeBackup();
    await isBack(copy);
    const from = copy.ports.revocations.state().epoch;
    const incarnation = copy.ports.revocations.state().incarnation;

    // What the database loses: single revocations, the cut-off of a user, a sign-in.
    await expect
      .poll(async () => (await call(copy, '/v1/tokens', { user_id: 'alice' }, client)).status, { timeout: 60_000 })
      .toBe(201);
    const lost = await issued(copy, client);
    await revoke(copy, stolen, client);
    await revoke(copy, lost, client);
    await copy.ports.sql.query(cutOff, ['bob']);
    await expect.poll(() => validate(copy, ofBob)).toMatchObject({ active: false });
    const early = await segment(copy, client, from);
    const to = copy.ports.revocations.state().epoch;
    expect(to).toBeGreaterThan(from);
    await harness.marksReach(copy, 2);
    await harness.restoreBackup();
    await isRewound(copy);
    const folder = join(harness.marksDir, 'segments');
    await mkdir(folder);
    const args = ['--json', 'restore', '--from-feed', folder];

    // Refused, and nothing changes: no segment, a forged one, one that is not enough.
    expect((await harness.sallyport(args)).code).toBe(2);
    const [header, payload, signature] = early.split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...claims, entries: [] })).toString('base64url');
    for (const [text, code] of [
      [`${header}.${forged}.${signature}`, 'feed_invalid'],
      ['not a segment', 'feed_invalid'],
      [kept.access_token, 'feed_invalid'],
    ] as const) {
      await writeFile(join(folder, 'one.jws'), text);
      const refused = await harness.sallyport(args);
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining(code)]);
    }
    expect(copy.ports.revocations.state().rewound).toBe(true);

    await writeFile(join(folder, 'one.jws'), early);
    const dry = await harness.sallyport([...args, '--dry-run']);
    expect([dry.code, JSON.parse(dry.out)]).toMatchObject([0, { from, to }]);
    const startedAt = performance.now();
    const done = await harness.sallyport(args);
    expect(done.code, done.err).toBe(0);
    await isBack(copy);
    expect(performance.now() - startedAt).toBeLessThan(RECOVERY_MS_MAX);
    expect(JSON.parse(done.out)).toMatchObject({ from, to, incarnation, users: ['bob'], keys_compromised: [] });

    for (const each of [copy, await harness.startCopy()]) {
      for (const pair of [stolen, lost, ofBob]) {
        expect(await validate(each, pair)).toMatchObject({ active: false });
        expect(await refresh(each, pair)).toBe(401);
      }
      expect(await validate(each, kept)).toMatchObject({ active: true });
    }
    expect(await refresh(copy, kept)).toBe(200);
    // A consumer that knows the lost epochs gets every revocation above them.
    const again = await segment(copy, client, to);
    const entries = JSON.parse(Buffer.from(again.split('.')[1] as string, 'base64url').toString()).entries;
    expect(entries.map(({ value }: { value: string }) => value)).toEqual(
      expect.arrayContaining(claims.entries.map(({ value }: { value: string }) => value)),
    );
    const repeated = await harness.sallyport(args);
    expect([repeated.code, repeated.err]).toEqual([5, expect.stringContaining('nothing_to_accept')]);
  });

  test('segments come from a relay too, and a loss that they do not prove is named', async () => {
    const copy = await harness.startCopy();
    const client = await newClient(copy, ['tokens:issue', 'tokens:revoke', 'revocations:read']);
    await copy.ports.sql.query(userInsert, ['alice']);
    const [first, second] = [await issued(copy, client), await issued(copy, client)];
    await harness.takeBackup();
    await isBack(copy);
    await expect
      .poll(async () => (await call(copy, '/v1/tokens', { user_id: 'alice' }, client)).status, { timeout: 60_000 })
      .toBe(201);
    await revoke(copy, first, client);
    const half = await segment(copy, client, 0);
    await revoke(copy, second, client);
    const whole = await segment(copy, client, 0);
    await harness.marksReach(copy, 2);
    await harness.restoreBackup();
    await isRewound(copy);
    let answer = half;
    const relay = createServer((_request, response) => response.end(`${answer}\n`));
    await new Promise<void>((done) => relay.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(relay.address() as AddressInfo).port}/v1/revocations`;
    const short = await harness.sallyport(['restore', '--from-feed', url]);
    expect([short.code, short.err]).toEqual([5, expect.stringContaining('feed_incomplete')]);
    answer = whole;
    const done = await harness.sallyport(['restore', '--from-feed', url]);
    expect(done.code, done.err).toBe(0);
    await isBack(copy);
    for (const pair of [first, second]) expect(await validate(copy, pair)).toMatchObject({ active: false });
    await new Promise((closed) => relay.close(closed));
    const silent = await harness.sallyport(['restore', '--from-feed', url]);
    expect(silent.code).toBe(3);
    expect((await harness.sallyport(['restore', '--from-feed', join(harness.marksDir, 'none')])).code).toBe(2);
  });

  test.skipIf(s3Gateway === undefined)(
    'segments come from an object store too, in order or not, and one object alone is read as well',
    async () => {
      const gateway = await startS3Gateway(s3Gateway as string);
      try {
        const copy = await harness.startCopy();
        const client = await newClient(copy, ['tokens:issue', 'tokens:revoke', 'revocations:read']);
        await copy.ports.sql.query(userInsert, ['alice']);
        const [first, second] = [await issued(copy, client), await issued(copy, client)];
        await harness.takeBackup();
        await isBack(copy);
        await expect
          .poll(async () => (await call(copy, '/v1/tokens', { user_id: 'alice' }, client)).status, { timeout: 60_000 })
          .toBe(201);
        const from = copy.ports.revocations.state().epoch;
        await revoke(copy, first, client);
        const early = await segment(copy, client, from);
        const between = copy.ports.revocations.state().epoch;
        await revoke(copy, second, client);
        await expect.poll(() => copy.ports.revocations.state().epoch).toBeGreaterThan(between);
        const late = await segment(copy, client, between);
        await harness.marksReach(copy, 2);
        await harness.restoreBackup();
        await isRewound(copy);
        const { backups } = loadConfig(gateway.env);
        const put = (key: string, text: string) =>
          writeS3AtOnce(
            `s3://backups/${key}`,
            (async function* () {
              yield Buffer.from(text);
            })(),
            backups,
          );
        const restore = (place: string) => harness.sallyport(['--json', 'restore', '--from-feed', place], gateway.env);

        const none = await restore('s3://backups/segments/');
        expect([none.code, none.err]).toEqual([2, expect.stringContaining('no segment in')]);
        const missing = await restore('s3://backups/segments/one.jws');
        expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('backup_not_found')]);
        await put('segments/a.jws', late);
        const short = await restore('s3://backups/segments/');
        expect([short.code, short.err]).toEqual([5, expect.stringContaining('feed_incomplete')]);
        expect((await harness.sallyport(['restore', '--from-feed', 's3://backups/segments/'])).err).toContain(
          'backup_place_invalid',
        );
        await put('segments/b.jws', early);
        const done = await restore('s3://backups/segments/');
        expect(done.code, done.err).toBe(0);
        await isBack(copy);
        for (const pair of [first, second]) {
          expect(await validate(copy, pair)).toMatchObject({ active: false });
          expect(await refresh(copy, pair)).toBe(401);
        }
        const again = await restore('s3://backups/segments/b.jws');
        expect([again.code, again.err]).toEqual([5, expect.stringContaining('nothing_to_accept')]);
      } finally {
        await gateway.close();
      }
    },
  );
});
