import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { MarkStore } from '#services/core/ports.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { claimUnusedDatabase } from './high-water-keeper.ts';

const ports = opened(() => openTestPorts());
let incarnation: string;
let folder: string;
let marks: MarkStore;

beforeAll(async () => {
  const [state] = await ports.raw<{ incarnation: string }>`SELECT incarnation FROM feed_state`;
  incarnation = state!.incarnation;
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-claim-'));
  marks = createFileMarks(folder);
  return () => rm(folder, { recursive: true, force: true });
});

const claim = (): Promise<boolean> => claimUnusedDatabase({ sql: ports.sql, marks });

test('the high-water mark moves to an unused database, even from another database, and moves once', async () => {
  expect(await claim()).toBe(true);
  const claimed = await marks.read();
  expect(claimed).toMatchObject({ incarnation });
  expect(await claim()).toBe(true);
  expect(await marks.read()).toEqual(claimed);
});

test('an unused database replaces the mark of another database', async () => {
  await marks.raise({ incarnation: randomUUID(), revocationEpoch: 9, beat: 99 });
  expect(await claim()).toBe(true);
  expect(await marks.read()).toMatchObject({ incarnation });
});

test('an unused database behind its own mark has lost rows: the mark stays', async () => {
  const ahead = { incarnation, revocationEpoch: 1_000, beat: 1_000_000 };
  await marks.raise(ahead);
  expect(await claim()).toBe(false);
  expect(await marks.read()).toEqual(ahead);
});

test('a database that has been used does not replace the mark of another: the state poll decides', async () => {
  await ports.raw`INSERT INTO users (id, email) VALUES ('u', 'u@example.test')`;
  await ports.raw`INSERT INTO sessions (id, "userId", "expiresAt", token)
    VALUES ('s', 'u', now() + interval '1 day', 't')`;
  expect(await claim()).toBe(false);
  expect(await marks.read()).toBeNull();
});
