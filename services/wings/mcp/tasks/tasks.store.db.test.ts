import { randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import type { TaskRow } from '#services/core/shared/task-kind.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { changeTask, insertTask, readDueTasks, readTaskRow } from './tasks.store.ts';

const ports = opened(() => openTestPorts());
beforeAll(async () => {
  await ports.raw`INSERT INTO oauth_clients (id, "clientId", name) VALUES ('notes', 'notes', 'Notes')`;
  await ports.raw`INSERT INTO users (id, email) VALUES ('tech_lead', 'tech_lead@example.test')`;
  await ports.raw`INSERT INTO user_roles (user_id, role) VALUES ('tech_lead', 'tech_lead')`;
});

const WAITING = { state: 'input_required', message: 'Waits.' } as const;
const EXPIRES_AT = '2099-01-01T00:00:00.000Z';

/** A task with its sign-off, before its first check. */
async function begin(): Promise<TaskRow> {
  const [id, subjectId] = [randomBytes(18).toString('base64url'), randomUUID()];
  await ports.raw`INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by,
    client_id, barred_users,
      required_roles, quorum, no_open_incident, requested_at, expires_at)
    VALUES (${subjectId}, 'keys.rotate', 'Rotate', '{}', encode(sha256('{}'), 'hex'), 'client', 'notes', 'notes', '{}',
      '{tech_lead,security_reviewer}', 2, false, now(), now() + interval '1 day')`;
  const owner = { kind: 'client', id: 'notes', clientId: 'notes' } as const;
  return insertTask(ports.sql, { id, kind: 'rotate_signing_keys', owner, arguments: {}, subjectId, ...WAITING });
}
const wait = (task: TaskRow) => changeTask(ports.sql, task, { ...WAITING, at: EXPIRES_AT });
const decision = defineStatement('')`
  INSERT INTO signoff_decisions (signoff_id, role, user_id, decision) VALUES ($1, $2, $2, 'approve')`;
const decide = (row: TaskRow, sql: Sql = ports.sql) => sql.query(decision, [row.subject_id, 'tech_lead']);
const set = (row: TaskRow, change: string) =>
  ports.raw(`UPDATE signoffs SET ${change} WHERE id = $1`, [row.subject_id]);
const isDue = async ({ id }: TaskRow): Promise<boolean> =>
  (await readDueTasks(ports.sql, 100)).some((each) => each.id === id);

test('a task that waits for people is not checked before its sign-off expires', async () => {
  const task = await begin();
  expect(await isDue(task)).toBe(true);
  expect(await wait(task)).toMatchObject({ state: 'input_required', next_look_at: EXPIRES_AT });
  expect(await isDue(task)).toBe(false);
});

describe('a waiting task is due', () => {
  test('as soon as a person has decided, and again for each change of the sign-off', async () => {
    const task = (await wait(await begin())) as TaskRow;
    for (const change of [() => decide(task), () => set(task, `state = 'denied', decided_at = now()`)]) {
      await change();
      // Its time is rounded to a millisecond, up or down.
      await eventually('the task to be due', () => isDue(task));
      await wait((await readTaskRow(ports.sql, task.id)) as TaskRow);
      expect(await isDue(task)).toBe(false);
    }
  });

  test('only in the transaction of the decision: one that is rolled back wakes nothing', async () => {
    const task = (await wait(await begin())) as TaskRow;
    const rolledBack = ports.transact(async (tx) => {
      await decide(task, tx);
      throw new Error('rolled back');
    });
    await expect(rolledBack).rejects.toThrow('rolled back');
    expect(await isDue(task)).toBe(false);
  });

  test('not because another task is, and a task that ended is never due', async () => {
    const [task, ended] = [(await wait(await begin())) as TaskRow, await begin()];
    await changeTask(ports.sql, ended, { state: 'cancelled', message: 'Cancelled.' });
    await decide(ended);
    expect([await isDue(task), await isDue(ended)]).toEqual([false, false]);
  });
});

describe('a check that read the sign-off before a decision', () => {
  test('does not let the task wait on after it', async () => {
    const task = await begin();
    await decide(task);
    expect(await wait(task)).toBeUndefined();
    expect(await isDue(task)).toBe(true);
  });

  test('does not either if the decision commits while the check stores what it read', async () => {
    const task = await begin();
    let stored: Promise<TaskRow | undefined> | undefined;
    await ports.transact(async (tx) => {
      await decide(task, tx);
      stored = wait(task);
      // It waits for the lock of this transaction.
      await eventually(
        'the check to wait',
        async () =>
          (
            await ports.raw`SELECT 1 FROM pg_stat_activity
              WHERE wait_event_type = 'Lock' AND datname = current_database()`
          ).length === 1,
      );
    });
    expect(await stored).toBeUndefined();
    expect(await isDue(task)).toBe(true);
  });

  test('stores how the task ended', async () => {
    const task = await begin();
    await decide(task);
    const end = { state: 'completed', message: 'Done.', result: { kid: 'k1' } } as const;
    expect(await changeTask(ports.sql, task, end)).toMatchObject(end);
  });
});

test('a task that works is checked again after the given seconds', async () => {
  const task = await begin();
  await changeTask(ports.sql, task, { state: 'working', message: 'Runs.', afterSeconds: 2 });
  const [row] = await ports.raw<{ pause: number }>`SELECT extract(epoch FROM next_look_at - updated_at)::float8 AS pause
    FROM mcp_tasks WHERE id = ${task.id}`;
  expect(Math.round((row as { pause: number }).pause)).toBe(2);
});
