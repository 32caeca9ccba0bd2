import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OwnPorts, openTestPorts } from '#testing/harness/stores.ts';
import { changeTask, insertTask } from './tasks.store.ts';

let ports: OwnPorts;
beforeAll(async () => {
  ports = await openTestPorts();
});
afterAll(() => ports?.end());

/** Seconds until the next check of a task of this age. */
async function pauseOf(ageMinutes: number, upToSeconds?: number): Promise<number> {
  const id = randomBytes(18).toString('base64url');
  const owner = { kind: 'client', id: 'notes', clientId: 'notes' } as const;
  const waiting = { state: 'input_required', message: 'Waits.' } as const;
  const kind = 'rotate_signing_keys';
  await insertTask(ports.sql, { id, kind, owner, arguments: {}, subjectId: randomUUID(), ...waiting });
  await ports.raw('UPDATE mcp_tasks SET created_at = created_at - make_interval(mins => $2) WHERE id = $1', [
    id,
    ageMinutes,
  ]);
  const longest = upToSeconds === undefined ? {} : { upToSeconds };
  await changeTask(ports.sql, id, { ...waiting, afterSeconds: 2, ...longest });
  const [row] = await ports.raw<{ pause: number }>(
    'SELECT extract(epoch FROM next_look_at - updated_at)::float8 AS pause FROM mcp_tasks WHERE id = $1',
    [id],
  );
  return (row as { pause: number }).pause;
}

test('a task that waits for people is checked less often the longer it waits, at least every minute', async () => {
  const pauses = await Promise.all([0, 10, 24 * 60].map((minutes) => pauseOf(minutes, 60)));
  expect(pauses.map(Math.round)).toEqual([2, 30, 60]);
});

test('a task that works is checked as often, however old it is', async () => {
  expect(Math.round(await pauseOf(24 * 60))).toBe(2);
});
