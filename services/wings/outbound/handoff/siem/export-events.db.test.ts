import { createPublicKey, verify } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { REJECTIONS_MAX } from '#services/core/shared/send-batch.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { type Arrived, openHandoffHarness } from '../handoff-harness.ts';
import { BATCH_BYTES_MAX } from './export-events.ts';
import { type ExportHarness, exportHarnessOf } from './export-harness.ts';
import { listSiemTargets, replaySiem } from './replay-siem.ts';
import { HOSTILE } from './siem-harness.ts';

const harness = opened(() => openHandoffHarness());
let siem: ExportHarness;

beforeAll(async () => {
  siem = exportHarnessOf(harness, [{ name: 'soc', format: 'ocsf', url: harness.url }], {
    authorization: new Map([['soc', 'Splunk word']]),
  });
});
beforeEach(async () => {
  await harness.log.raw`DELETE FROM siem_targets`;
  harness.answerWith(() => 204);
  await sealEvents(harness.log, {}, testCaller);
  await siem.run();
  harness.arrived.length = 0;
});

const documentsOf = ({ body }: Arrived) => {
  expect(body.endsWith('\n')).toBe(true);
  return body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
};
/** The `seq` of each event that arrived in a request with this answer, in order. */
const arrivedSeqs = (): number[] =>
  harness.arrived.flatMap((one) => documentsOf(one).map(({ metadata }) => metadata.sequence));
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);
const newestSeq = async (): Promise<number> =>
  Number((await harness.log.raw<{ seq: string }>`SELECT max(seq) AS seq FROM audit_events`)[0]?.seq);

describe('a target that accepts', () => {
  test('begins after the newest event, and gets all types of later ones once and in order', async () => {
    const before = await newestSeq();
    await harness.events('ada', 'bob', 'ada');
    await harness.log.emit(1, { type: 'role.created', userId: 'eve' });
    await sealEvents(harness.log, {}, testCaller);
    const newest = await newestSeq();
    expect(await siem.run()).toEqual({ sent: newest - before });
    expect(arrivedSeqs()).toEqual(range(before + 1, newest));
    expect(harness.arrived.flatMap(documentsOf).map(({ metadata }) => metadata.event_code)).toContain('role.created');
    expect(await siem.run()).toEqual({ sent: 0 });
    expect(await siem.rows()).toMatchObject([
      { name: 'soc', reached_seq: newest, failures: 0, failure: null, accepted_at: expect.any(Date) },
    ]);
  });

  test('can verify who sent it and authorises by its header', async () => {
    await harness.events('ada');
    await siem.run();
    const [{ headers, body }] = harness.arrived as [Arrived];
    expect(headers).toMatchObject({ authorization: 'Splunk word', 'content-type': 'application/x-ndjson' });
    const params = (headers['signature-input'] as string).replace('sallyport=', '');
    const kid = /keyid="([^"]+)"/.exec(params)?.[1];
    const base = [
      '"@method": POST',
      `"@target-uri": ${harness.url}`,
      '"content-type": application/x-ndjson',
      `"content-digest": ${headers['content-digest']}`,
      `"idempotency-key": ${headers['idempotency-key']}`,
      `"@signature-params": ${params}`,
    ].join('\n');
    const jwk = JSON.parse(harness.keyRing.jwks().body).keys.find((each: { kid: string }) => each.kid === kid);
    const signature = Buffer.from((headers.signature as string).slice('sallyport=:'.length, -1), 'base64');
    expect(verify(null, Buffer.from(base), createPublicKey({ key: jwk, format: 'jwk' }), signature)).toBe(true);
    const seqs = documentsOf({ headers, body, url: '' }).map(({ metadata }) => metadata.sequence);
    expect(headers['idempotency-key']).toBe(`"soc-${seqs[0]}-${seqs.at(-1)}"`);
  });

  test('gets nothing that the leaf hides: neither the target of a refused sign-in, nor a free text, nor an address', async () => {
    await harness.log
      .raw`INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, ip_hash, detail)
      VALUES ('user.login', 'refused', 'anonymous', NULL, 'user', 'hidden-user', 'hidden-address',
        jsonb_build_object('reason', 'hidden reason', 'identifier', 'hidden@example.test', 'provider',
          ${HOSTILE.toWellFormed().replaceAll('\0', '')}::text))`;
    await sealEvents(harness.log, {}, testCaller);
    await siem.run();
    const [{ body }] = harness.arrived as [Arrived];
    expect(body).not.toContain('hidden');
    expect(body).not.toMatch(/[^\P{Cc}\n]/u);
    expect(documentsOf({ headers: {}, body, url: '' }).at(-1)).toMatchObject({
      status: 'refused',
      user: { name: 'undisclosed' },
      unmapped: { target: null, detail: { provider: expect.stringContaining('forged') } },
    });
  });

  test('gets at most a megabyte at once', async () => {
    const text = 'x'.repeat(20_000);
    await harness.log.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, detail)
      SELECT 'role.changed', 'ok', 'system', jsonb_build_object('added', jsonb_build_array(${text}::text))
        FROM generate_series(1, 60)`;
    await sealEvents(harness.log, {}, testCaller);
    await siem.run();
    expect(harness.arrived.length).toBeGreaterThan(1);
    for (const { body } of harness.arrived) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(BATCH_BYTES_MAX);
    expect(arrivedSeqs()).toEqual(range(arrivedSeqs()[0]!, await newestSeq()));
  });

  test('of another name in ECS gets the same events', async () => {
    const other = exportHarnessOf(harness, [{ name: 'elastic', format: 'ecs', url: harness.url }]);
    await other.run();
    await harness.events('ada');
    await other.run();
    expect(documentsOf(harness.arrived[0] as Arrived)[0]).toMatchObject({ event: { action: 'user.login' } });
    expect(harness.arrived[0]?.headers).not.toHaveProperty('authorization');
  });
});

describe('a target that is down', () => {
  test('gets everything once it is back, in order, however long it took; and is asked at growing intervals', async () => {
    const before = await newestSeq();
    harness.answerWith(() => 503);
    for (let day = 0; day < 10; day += 1) {
      await harness.events(`u${day % 3}`);
      await siem.pass();
      await siem.run();
      await siem.run();
    }
    // One request each time a pause was over, and none within it.
    expect(harness.arrived).toHaveLength(10);
    expect(await siem.rows()).toMatchObject([
      { reached_seq: before, failures: 10, failure: 'http_503', failed_at: expect.any(Date), is_paused: true },
    ]);
    harness.arrived.length = 0;
    harness.answerWith(() => 200);
    await siem.pass();
    await siem.run();
    expect(arrivedSeqs()).toEqual(range(before + 1, await newestSeq()));
    expect(await siem.rows()).toMatchObject([{ failures: 0, failure: null, failed_at: null, is_paused: false }]);
  });

  test.each([
    ['a refused credential', 401],
    ['an address that is none', 404],
    ['a limit', 429],
  ])('is also one that answers %s: nothing is skipped', async (_what, status) => {
    await harness.events('ada');
    harness.answerWith(() => status);
    for (let n = 0; n <= REJECTIONS_MAX; n += 1) {
      await siem.pass();
      await siem.run();
    }
    expect(await siem.rows()).toMatchObject([
      { failure: `http_${status}`, rejections: 0, failures: REJECTIONS_MAX + 1 },
    ]);
  });

  test('does not delay another target', async () => {
    const both = exportHarnessOf(harness, [
      { name: 'soc', format: 'ocsf', url: harness.url },
      { name: 'other', format: 'ecs', url: harness.url.replace('/events', '/other') },
    ]);
    await both.run();
    await harness.events('ada');
    harness.answerWith(({ url }) => (url === '/other' ? 204 : 503));
    await both.run();
    const rows = await both.rows();
    expect(rows.map(({ name, failures }) => [name, failures])).toEqual([
      ['other', 0],
      ['soc', 1],
    ]);
  });
});

describe('an event that the target refuses', () => {
  test('is found among the others, tried six times alone, then skipped; the audit log has it, and the rest arrives', async () => {
    const sent = await harness.events(...Array.from({ length: 40 }, (_, n) => `u${n}`));
    const bad = sent[17] as number;
    harness.answerWith(({ body }) => (body.includes(`"sequence":${bad},`) ? 422 : 204));
    for (let n = 0; n < REJECTIONS_MAX; n += 1) {
      await siem.pass();
      await siem.run();
    }
    await siem.run();
    const accepted = harness.arrived.filter(({ body }) => !body.includes(`"sequence":${bad},`));
    const seqs = accepted.flatMap(documentsOf).map(({ metadata }) => metadata.sequence);
    expect(seqs).toEqual(range(sent[0]!, await newestSeq()).filter((seq) => seq !== bad));
    expect(
      harness.arrived.filter(({ body }) => body.includes(`"sequence":${bad},`) && !body.includes('\n{')),
    ).toHaveLength(REJECTIONS_MAX);
    expect(await harness.log.raw`SELECT outcome, detail FROM audit_outbox WHERE type = 'siem.event_skipped'`).toEqual([
      { outcome: 'skipped', detail: { siem_target: 'soc', seq: bad, code: 'http_422' } },
    ]);
  });

  test('if it is the report of a skipped event, it is skipped without another report', async () => {
    await harness.log.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, detail)
      VALUES ('siem.event_skipped', 'skipped', 'system', '{}')`;
    await sealEvents(harness.log, {}, testCaller);
    const reports = () =>
      harness.log.raw`SELECT count(*)::int AS n FROM audit_outbox WHERE type LIKE 'siem.%' AND seq IS NULL`;
    harness.answerWith(() => 400);
    for (let n = 0; n < REJECTIONS_MAX; n += 1) {
      await siem.pass();
      await siem.run();
    }
    expect(await siem.rows()).toMatchObject([{ reached_seq: await newestSeq() }]);
    expect(await reports()).toEqual([{ n: 0 }]);
  });
});

describe('replay', () => {
  const replay = (from: number, name = 'soc') =>
    replaySiem(harness.log, { siem_target: name, from_seq: from, reason: 'index lost' }, testCaller);

  test('sends everything from a position on again, with the same bytes, and then what is new', async () => {
    await harness.events('ada', 'bob', 'eve');
    await siem.run();
    const first = harness.arrived.flatMap(documentsOf);
    harness.arrived.length = 0;
    const [from, newest] = [first[1].metadata.sequence as number, await newestSeq()];
    expect(await replay(from)).toMatchObject({ siem_target: 'soc', reached_seq: from - 1, behind: newest - from + 1 });
    await sealEvents(harness.log, {}, testCaller);
    await siem.run();
    expect(harness.arrived.flatMap(documentsOf).slice(0, first.length - 1)).toEqual(first.slice(1));
    expect(arrivedSeqs()).toEqual(range(from, await newestSeq()));
    expect(harness.arrived.flatMap(documentsOf).at(-1).metadata.event_code).toBe('siem.replayed');
  });

  test('is an event with who did it and why', async () => {
    const reached = (await siem.rows())[0]?.reached_seq;
    await replay(0);
    const rows = await harness.log.raw`SELECT detail FROM audit_outbox WHERE type = 'siem.replayed' ORDER BY id DESC`;
    expect(rows[0]).toEqual({ detail: { siem_target: 'soc', seq: 0, reached_seq: reached, reason: 'index lost' } });
  });

  test('from zero sends the whole log', async () => {
    await replay(0);
    await sealEvents(harness.log, {}, testCaller);
    await siem.run();
    expect(arrivedSeqs()).toEqual(range(0, await newestSeq()));
  });

  test('while a batch is on its way starts again at the position', async () => {
    const [seq] = (await harness.events('ada')) as [number];
    await siem.run();
    await harness.events('bob');
    harness.answerWith(async () => {
      harness.answerWith(() => 204);
      await replay(seq);
      return 204;
    });
    await siem.run();
    expect(arrivedSeqs().filter((each) => each === seq)).toHaveLength(2);
  });

  test('refuses a position that was not reached, and an unknown target', async () => {
    const [row] = await siem.rows();
    await expect(replay(row!.reached_seq + 2)).rejects.toMatchObject({ code: 'siem_position_ahead' });
    await expect(replay(0, 'other')).rejects.toMatchObject({ code: 'siem_target_unknown' });
  });

  test('targets are listed with their place', async () => {
    await harness.events('ada');
    harness.answerWith(() => 503);
    await siem.run();
    const newest = await newestSeq();
    const [row] = await siem.rows();
    expect(await listSiemTargets(harness.log)).toEqual({
      newest_seq: newest,
      siem_targets: [
        {
          siem_target: 'soc',
          reached_seq: row?.reached_seq,
          behind: newest - row!.reached_seq,
          failure: 'http_503',
          failing_since: expect.stringMatching(/Z$/),
          accepted_at: null,
        },
      ],
    });
  });
});
