import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { continueInBulk, noteSigner, plainEvent, sealInBulk } from '#tools/testing/fixtures/sealed-log.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { vkeyOf } from '../log/note.ts';
import { followEvents, followEventsOf, type ListEventsInput, listEvents, newestEventSeq } from './list-events.ts';
import { proveEvent } from './prove-event.ts';
import { parseSeq, readEvent } from './read-event.ts';
import { listOrigins, readCheckpoint, readVkeys } from './read-log.ts';

const SIZE = 30;
const signers = [noteSigner('sallyport.test/first', 1), noteSigner('sallyport.test/second', 2)] as const;
const timeOf = (seq: number): string => plainEvent(seq).occurred_at;

let empty: OwnPorts;
let ports: OwnPorts;
beforeAll(async () => {
  [empty, ports] = await Promise.all([openTestPorts(), openTestPorts()]);
  const first = await sealInBulk(ports.sql, { signer: signers[0], batches: [20] });
  await continueInBulk(ports.sql, first, { signer: signers[1], batches: [SIZE - 20] });
});
afterAll(() => Promise.all([empty?.end(), ports?.end()]));

/** The `seq` of every listed event, page by page. */
async function listed(input: Omit<ListEventsInput, 'cursor'>): Promise<number[]> {
  const seqs: number[] = [];
  let cursor: string | undefined;
  do {
    const { events, next } = await listEvents(ports, { ...input, cursor });
    expect(events.length).toBeLessThanOrEqual(input.limit);
    seqs.push(...events.map(({ seq }) => seq));
    cursor = next ?? undefined;
  } while (cursor !== undefined);
  return seqs;
}
const down = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.floor((from - to) / step) + 1 }, (_, n) => from - n * step);

describe('sealed events', () => {
  test('are listed newest first, each once, for any page size', async () => {
    for (const limit of [1, 7, 30, 31]) expect(await listed({ limit }), `${limit}`).toEqual(down(29, 0));
  });

  test('can be filtered by type', async () => {
    expect(await listed({ limit: 4, type: 'user.login' })).toEqual(down(27, 0, 3));
    expect(await listed({ limit: 4, type: 'no.such' })).toEqual([]);
  });

  test('of a period are listed by time, both ends inclusive; one end is enough', async () => {
    expect(await listed({ limit: 3, from: timeOf(5), to: timeOf(9) })).toEqual(down(9, 5));
    expect(await listed({ limit: 3, from: timeOf(27) })).toEqual(down(29, 27));
    expect(await listed({ limit: 2, to: timeOf(2) })).toEqual(down(2, 0));
    expect(await listed({ limit: 2, to: timeOf(8), type: 'user.login' })).toEqual([6, 3, 0]);
  });

  test('a cursor of another list and a forged cursor are rejected', async () => {
    const cursorOf = (text: string) => Buffer.from(text, 'latin1').toString('base64url');
    const { next: bySeq } = await listEvents(ports, { limit: 1 });
    const { next: byTime } = await listEvents(ports, { limit: 1, from: timeOf(0) });
    const refused = (input: Partial<ListEventsInput>) =>
      expect(listEvents(ports, { limit: 1, ...input })).rejects.toMatchObject({ code: 'cursor_invalid' });
    await refused({ cursor: byTime ?? '' });
    await refused({ cursor: bySeq ?? '', from: timeOf(0) });
    for (const text of ['', '01', '-1', '9999999999999999', 'x']) await refused({ cursor: cursorOf(text) });
    await refused({ cursor: cursorOf('2026-02-30T00:00:00.000000Z 1'), from: timeOf(0) });
    await refused({ cursor: `${bySeq}=` });
  });

  test('after a given event are returned oldest first, up to the limit', async () => {
    const seqs = (events: readonly { readonly seq: number }[]) => events.map(({ seq }) => seq);
    expect(seqs(await followEvents(ports, 25, 100))).toEqual([26, 27, 28, 29]);
    expect(seqs(await followEvents(ports, -1, 2))).toEqual([0, 1]);
    expect([await newestEventSeq(ports), await newestEventSeq(empty)]).toEqual([29, -1]);
  });

  test('of some types are returned with the last event searched: the end of the page, or of the log', async () => {
    const follow = async (after: number, limit: number) => {
      const { events, reachedSeq } = await followEventsOf(ports, ['user.login'], after, limit);
      return [events.map(({ seq }) => seq), reachedSeq];
    };
    expect([await follow(-1, 2), await follow(20, 9)]).toEqual([
      [[0, 3], 3],
      [[21, 24, 27], 29],
    ]);
    expect([await follow(27, 9), await follow(29, 9)]).toEqual([
      [[], 29],
      [[], 29],
    ]);
  });
});

describe('one event', () => {
  test('is returned with its index in the log, its sealed bytes and its personal values', async () => {
    expect(await readEvent(ports, 21)).toMatchObject({
      seq: 21,
      origin: 'sallyport.test/second',
      index: 1,
      target: null,
      personal: [{ field: 'ip_hash', salt: Buffer.alloc(32, 21).toString('base64'), value: '1.21' }],
    });
    expect((await readEvent(ports, 1)).target).toEqual({ kind: 'token', id: plainEvent(1).target_id });
  });

  test('that was never sealed is not found, and has no proof', async () => {
    await expect(readEvent(ports, SIZE)).rejects.toMatchObject({ code: 'audit_event_unknown' });
    await expect(proveEvent(ports, SIZE)).rejects.toMatchObject({ code: 'audit_event_unknown' });
  });

  test.each(['', '-1', '01', '1.0', '1e3', 'x', '9999999999999999'])('%j is the place of none', (text) => {
    expect(() => parseSeq(text)).toThrow(expect.objectContaining({ code: 'audit_event_unknown' }));
  });

  test.each(['0', '9007199254740991'])('%j can be a place', (text) => expect(parseSeq(text)).toBe(Number(text)));

  test('waits for its proof until a checkpoint covers it; where a tile is gone the log is damaged', async () => {
    await ports.raw`UPDATE audit_checkpoints SET size = 5 WHERE origin = 'sallyport.test/second'`;
    await expect(proveEvent(ports, 25)).rejects.toMatchObject({ code: 'audit_proof_pending' });
    await ports.raw`UPDATE audit_checkpoints SET size = 10 WHERE origin = 'sallyport.test/second'`;
    expect(await proveEvent(ports, 25)).toContain('index 5\n');
    await ports.raw`UPDATE audit_tiles SET n = 7 WHERE origin = 'sallyport.test/second'`;
    await expect(proveEvent(ports, 25)).rejects.toMatchObject({ code: 'audit_log_damaged' });
    await ports.raw`UPDATE audit_tiles SET n = 0 WHERE origin = 'sallyport.test/second'`;
  });
});

describe('a log', () => {
  const auditLogKeys = async (origin: string) => signers.filter(({ key }) => key.name === origin).map(({ key }) => key);
  const keyed = () => ({ sql: ports.sql, auditLogKeys });

  test('is chosen by its number, or as the one in use', async () => {
    const origins = await listOrigins(ports);
    expect(origins).toMatchObject([
      { number: 1, first_seq: 0, size: 20, closed_at: expect.any(String), previous: null },
      { number: 2, first_seq: 20, size: 10, closed_at: null, previous: 'sallyport.test/first' },
    ]);
    for (const [choice, { key }] of [
      ['1', signers[0]],
      ['2', signers[1]],
      ['current', signers[1]],
    ] as const) {
      expect(await readCheckpoint(ports, choice)).toMatch(new RegExp(`^${key.name}\n`));
      expect(await readVkeys(keyed(), choice)).toBe(`${vkeyOf(key)}\n`);
    }
  });

  test('that is not there is unknown; before the first there is none to read', async () => {
    await expect(readCheckpoint(ports, '3')).rejects.toMatchObject({ code: 'audit_origin_unknown' });
    await expect(readCheckpoint(empty, 'current')).rejects.toMatchObject({ code: 'audit_log_empty' });
    const keyless = { sql: ports.sql, auditLogKeys: async () => [] };
    await expect(readVkeys(keyless, 'current')).rejects.toMatchObject({ code: 'audit_log_empty' });
  });

  test('without a signature has no checkpoint', async () => {
    await ports.raw`UPDATE audit_checkpoints SET origin = 'away' WHERE origin = 'sallyport.test/first'`;
    await expect(readCheckpoint(ports, '1')).rejects.toMatchObject({ code: 'audit_log_empty' });
    await ports.raw`UPDATE audit_checkpoints SET origin = 'sallyport.test/first' WHERE origin = 'away'`;
  });
});
