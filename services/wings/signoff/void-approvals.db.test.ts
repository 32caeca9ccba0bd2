import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rotateClientSecret } from '#services/core/access/manage-clients.ts';
import type { Caller } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import type { SignOffView } from './contract.ts';
import { readSignOff } from './read-signoff.ts';
import { ACT, ARGUMENTS, type Asking, openSignOffHarness, type SignOffHarness } from './signoff-harness.ts';
import { startSignOff } from './start-signoff.ts';

let harness: SignOffHarness;
let agent: Asking;
beforeAll(async () => {
  harness = await openSignOffHarness();
  ({ agent } = await harness.newAsking());
});
afterAll(() => harness?.end());

type Person = Caller & { readonly kind: 'user' };
const start = ({ signoff_id }: SignOffView, by: Asking = agent) =>
  startSignOff(harness, { signoff_id, act: ACT, arguments: ARGUMENTS }, by);
const now = (signOff: SignOffView) => readSignOff(harness, signOff, testCaller);
const voidsOf = ({ signoff_id: id }: SignOffView) =>
  harness.raw<{ detail: Record<string, unknown> }>(
    `SELECT detail FROM audit_outbox WHERE type = 'signoff.approval_void' AND target_id = $1 ORDER BY id`,
    [id],
  );

const disable = ({ userId }: Person) => harness.raw('UPDATE users SET "disabledAt" = now() WHERE id = $1', [userId]);
const loseRole = ({ userId }: Person) =>
  harness.raw(`DELETE FROM user_roles WHERE user_id = $1 AND role <> 'user'`, [userId]);
const remove = ({ userId }: Person) => harness.raw('DELETE FROM users WHERE id = $1', [userId]);
const setSecret = (person: Person, { clientId }: Asking = agent) =>
  rotateClientSecret(
    harness,
    { client_id: clientId, reason: 'test' },
    { ...person, permissions: new Set(['clients:manage', 'signoffs:request']) },
  );

describe.each([
  ['was disabled', disable, 'account_inactive'],
  ['was deleted', remove, 'account_inactive'],
  ['lost the role', loseRole, 'role_lost'],
  ['set the secret of the agent that asks', setSecret, 'barred'],
] as const)('the approval of a person who %s', (_how, end, why) => {
  test('after the quorum starts no act: the sign-off waits again, with an event, until another person approves', async () => {
    ({ agent } = await harness.newAsking());
    const signOff = await harness.request(agent);
    const lead = await harness.newPerson('tech_lead');
    await harness.decide(signOff, await harness.newPerson('developer'), 'developer');
    await harness.decide(signOff, lead, 'tech_lead');
    await end(lead);
    await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_approval_void' });
    expect(await now(signOff)).toMatchObject({ state: 'pending', waiting_for: ['tech_lead'], decided_at: null });
    const [event] = await voidsOf(signOff);
    expect(event?.detail).toMatchObject({ act: ACT, role: 'tech_lead', user_id: lead.userId, why });
    await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_not_runnable' });
    await harness.decide(signOff, await harness.newPerson('tech_lead'), 'tech_lead');
    expect(await start(signOff)).toMatchObject({ state: 'running' });
  });

  test('before the quorum completes none', async () => {
    ({ agent } = await harness.newAsking());
    const signOff = await harness.request(agent);
    const developer = await harness.newPerson('developer');
    await harness.decide(signOff, developer, 'developer');
    await end(developer);
    const after = await harness.decide(signOff, await harness.newPerson('tech_lead'), 'tech_lead');
    expect(after).toMatchObject({ state: 'pending', waiting_for: ['developer'] });
    expect(await voidsOf(signOff)).toHaveLength(1);
  });

  test('starts none, whatever writes the row', async () => {
    ({ agent } = await harness.newAsking());
    const signOff = await harness.request(agent);
    const lead = await harness.newPerson('tech_lead');
    await harness.decide(signOff, await harness.newPerson('developer'), 'developer');
    await harness.decide(signOff, lead, 'tech_lead');
    await end(lead);
    const run = `UPDATE signoffs SET state = 'running', started_at = now() WHERE id = $1`;
    await expect(harness.raw(run, [signOff.signoff_id])).rejects.toThrow();
  });
});

test('an approver who is disabled at the moment of the start: the act starts first, or it does not start', async () => {
  for (let round = 0; round < 10; round += 1) {
    ({ agent } = await harness.newAsking());
    const signOff = await harness.request(agent, { required_roles: ['tech_lead'] });
    const lead = await harness.newPerson('tech_lead');
    await harness.decide(signOff, lead, 'tech_lead');
    const [outcome] = await Promise.all([outcomeOf(start(signOff)), disable(lead)]);
    expect(['ok', 'signoff_approval_void']).toContain(outcome);
    expect((await now(signOff)).state).toBe(outcome === 'ok' ? 'running' : 'pending');
  }
});

test('an approver who is being disabled holds the start back until that is decided', async () => {
  ({ agent } = await harness.newAsking());
  const signOff = await harness.request(agent, { required_roles: ['tech_lead'] });
  const lead = await harness.newPerson('tech_lead');
  await harness.decide(signOff, lead, 'tech_lead');
  let started: Promise<unknown> | undefined;
  await harness.transact(async (tx) => {
    await tx.query(defineStatement('', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'), [lead.userId]);
    started = outcomeOf(start(signOff));
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await eventually('the start to wait', async () => (await harness.raw(waiting)).length === 1);
  });
  expect(await started).toBe('signoff_approval_void');
});

describe('whatever writes the rows', () => {
  test('an approval that counts is not deleted, and an approved sign-off does not go back', async () => {
    const signOff = await harness.approved(agent);
    const id = signOff.signoff_id;
    await expect(harness.raw('DELETE FROM signoff_decisions WHERE signoff_id = $1', [id])).rejects.toThrow();
    const back = `UPDATE signoffs SET state = 'pending', decided_at = NULL WHERE id = $1`;
    await expect(harness.raw(back, [id])).rejects.toThrow();
  });
});
