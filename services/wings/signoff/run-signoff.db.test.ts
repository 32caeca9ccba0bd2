import { beforeAll, describe, expect, test } from 'vitest';
import { rotateClientSecret } from '#services/core/access/manage-clients.ts';
import type { Caller } from '#services/core/ports.ts';
import { breakGlass } from '#services/core/security/detections.ts';
import { raiseIncident } from '#services/core/security/raise-incident.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { killAgent } from '../agents/manage-agents.ts';
import { bindArguments } from './bind-arguments.ts';
import type { SignOffView } from './contract.ts';
import { finishSignOff } from './finish-signoff.ts';
import { readReceipt, readSignOff } from './read-signoff.ts';
import { runSignedOff } from './run-signoff.ts';
import { ACT, ARGUMENTS, type Asking, openSignOffHarness } from './signoff-harness.ts';
import { startSignOff } from './start-signoff.ts';

const harness = opened(() => openSignOffHarness());
let agent: Asking;
beforeAll(async () => {
  ({ agent } = await harness.newAsking());
});

const start = (signOff: SignOffView, by: Caller = agent, changes: { act?: string; arguments?: unknown } = {}) =>
  startSignOff(harness, { signoff_id: signOff.signoff_id, act: ACT, arguments: ARGUMENTS, ...changes }, by);
const finish = (signOff: SignOffView, outcome: 'done' | 'failed' = 'done', by: Caller = agent) =>
  finishSignOff(harness, { signoff_id: signOff.signoff_id, outcome }, by);
const run = (signOff: SignOffView, work: () => Promise<unknown>, by: Caller = agent) =>
  runSignedOff(harness, { signoff_id: signOff.signoff_id, act: ACT, arguments: ARGUMENTS }, work, by);

/** Detail of the newest refusal. */
const refusalOf = async ({ signoff_id: id }: SignOffView): Promise<Record<string, unknown> | undefined> => {
  const [event] = await harness.raw<{ detail: Record<string, unknown> }>`SELECT detail FROM audit_outbox
    WHERE type = 'signoff.refused' AND target_id = ${id} ORDER BY id DESC LIMIT 1`;
  return event?.detail;
};

describe('an approved act', () => {
  test('runs once with the approved arguments, and its end names who approved', async () => {
    const signOff = await harness.approved(agent);
    const ran: unknown[] = [];
    const { result, signOff: after } = await runSignedOff(
      harness,
      // The same arguments in another order.
      { signoff_id: signOff.signoff_id, act: ACT, arguments: { reason: 'yearly', keep: [1, 2], alg: 'ES256' } },
      async (given) => ran.push(given),
      agent,
    );
    expect([result, ran]).toEqual([1, [ARGUMENTS]]);
    expect(after).toMatchObject({ state: 'done', failure: null, finished_at: expect.any(String) });
    expect((await harness.storyOf(signOff)).slice(3)).toEqual(['signoff.started ok', 'signoff.finished done']);
    const [event] = await harness.raw<{ detail: Record<string, unknown> }>`SELECT detail FROM audit_outbox
      WHERE type = 'signoff.finished' AND target_id = ${signOff.signoff_id}`;
    expect(event?.detail).toEqual({
      act: ACT,
      arguments_sha256: signOff.arguments_sha256,
      required_roles: ['developer', 'tech_lead'],
      quorum: 2,
      policy_version: null,
      approvals: signOff.decisions.map(({ role, user_id }) => ({ role, user_id })),
    });
  });

  test('approval replayed: a second start is refused and recorded', async () => {
    const signOff = await harness.approved(agent);
    await start(signOff);
    await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_not_runnable' });
    await finish(signOff);
    await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_not_runnable' });
    const story = await harness.storyOf(signOff);
    expect(story.filter((line) => line.startsWith('signoff.started'))).toHaveLength(1);
    expect(story.filter((line) => line.startsWith('signoff.refused'))).toHaveLength(2);
  });

  test('of ten concurrent runs one executes', async () => {
    const signOff = await harness.approved(agent);
    let executions = 0;
    const runs = Array.from({ length: 10 }, () => outcomeOf(run(signOff, async () => (executions += 1))));
    const refused = (await Promise.all(runs)).filter((outcome) => outcome === 'signoff_not_runnable');
    expect([executions, refused.length]).toEqual([1, 9]);
  });

  test.each<[string, { act?: string; arguments?: unknown }]>([
    ['another value', { arguments: { ...ARGUMENTS, alg: 'RS256' } }],
    ['one more member', { arguments: { ...ARGUMENTS, force: true } }],
    ['another act', { act: 'keys.compromise' }],
  ])('altered arguments: %s is refused, recorded, and uses up nothing', async (_what, changes) => {
    const signOff = await harness.approved(agent);
    const { sha256: arguments_sha256 } = bindArguments(changes.arguments ?? ARGUMENTS);
    const lacking = { type: 'sallyport_act', act: changes.act ?? ACT, arguments_sha256 };
    const options = { members: { authorization_details: [lacking] } };
    const refused = { code: 'signoff_arguments_changed', options };
    await expect(start(signOff, agent, changes)).rejects.toMatchObject(refused);
    expect((await harness.storyOf(signOff)).at(-1)).toBe('signoff.refused refused');
    expect(await refusalOf(signOff)).toMatchObject({ code: 'signoff_arguments_changed', agent_id: agent.clientId });
    expect(await start(signOff)).toMatchObject({ state: 'running' });
  });

  test('altered arguments of a user name no agent, unless an agent acts for the user', async () => {
    const userId = await harness.newUser();
    for (const [by, agentId] of [
      [userCaller(userId), undefined],
      [userCaller(userId, { clientId: agent.clientId, agentId: agent.clientId }), agent.clientId],
    ] as const) {
      const signOff = await harness.approved(by);
      await expect(start(signOff, by, { arguments: {} })).rejects.toMatchObject({ code: 'signoff_arguments_changed' });
      expect((await refusalOf(signOff))?.agent_id).toBe(agentId);
    }
  });

  test('does not start before its approval, after a denial, or after a day', async () => {
    const pending = await harness.request(agent);
    const denied = await harness.request(agent);
    await harness.decide(denied, await harness.newPerson('developer'), 'developer', { decision: 'deny' });
    const expired = await harness.approved(agent);
    await harness.age(expired, 25);
    for (const signOff of [pending, denied, expired])
      await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_not_runnable' });
  });

  test('belongs to its requester', async () => {
    const signOff = await harness.approved(agent);
    const other = (await harness.newAsking()).agent;
    const person = userCaller('someone', { permissions: new Set(['signoffs:request', 'signoffs:read']) });
    for (const stranger of [other, person, clientCaller('x')])
      await expect(start(signOff, stranger)).rejects.toMatchObject({ code: 'signoff_unknown' });
    await start(signOff);
    await expect(finish(signOff, 'done', other)).rejects.toMatchObject({ code: 'signoff_unknown' });
  });

  test('that fails is not run again, and says why', async () => {
    const signOff = await harness.approved(agent);
    const broken = run(signOff, () => Promise.reject(Object.assign(new Error('x'), { code: 'ECONNRESET' })));
    await expect(broken).rejects.toThrow('x');
    expect(await readSignOff(harness, signOff, agent)).toMatchObject({ state: 'failed', failure: expect.any(String) });
    await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_not_runnable' });
  });

  test('whose end is not reported is interrupted, and not started again', async () => {
    const signOff = await harness.approved(agent);
    await start(signOff);
    await harness.age(signOff, 25);
    expect(await readSignOff(harness, signOff, agent)).toMatchObject({ state: 'interrupted' });
    await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_not_runnable' });
  });

  test('that does not run cannot end', async () => {
    const signOff = await harness.approved(agent);
    await expect(finish(signOff)).rejects.toMatchObject({ code: 'signoff_not_running' });
    await start(signOff);
    await finish(signOff, 'failed');
    await expect(finish(signOff)).rejects.toMatchObject({ code: 'signoff_not_running' });
  });
});

describe('conditions', () => {
  test('a security score below the least, or unknown, keeps the act from starting until it is reached', async () => {
    const signOff = await harness.approved(agent, { conditions: { min_security_score: 80 } });
    for (const score of [null, 79]) {
      harness.score = score;
      await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_condition_unmet' });
    }
    harness.score = 80;
    expect(await start(signOff)).toMatchObject({ state: 'running' });
  });

  test('so does a serious incident until it is closed', async () => {
    const signOff = await harness.approved(agent, { conditions: { no_open_incident: true } });
    const target = { kind: 'user', id: 'u' } as const;
    const { id } = await raiseIncident(harness.sql, harness, testCaller, breakGlass, { target });
    await expect(start(signOff)).rejects.toMatchObject({ code: 'signoff_condition_unmet' });
    await harness.raw`UPDATE incidents SET state = 'closed' WHERE id = ${id}`;
    expect(await start(signOff)).toMatchObject({ state: 'running' });
  });
});

describe('killing an agent', () => {
  test('fails what it asked for and what it runs, each with an event', async () => {
    const { agent: victim } = await harness.newAsking();
    const [pending, approved, running, done] = [
      await harness.request(victim),
      await harness.approved(victim),
      await harness.approved(victim),
      await harness.approved(victim),
    ];
    await run(done, async () => {}, victim);
    const midAct = run(
      running,
      () => killAgent(harness, { agent_id: victim.clientId, reason: 'test' }, testCaller),
      victim,
    );
    await expect(midAct).rejects.toMatchObject({ code: 'signoff_requester_ended' });
    for (const signOff of [pending, approved, running]) {
      expect(await readSignOff(harness, signOff, testCaller)).toMatchObject({
        state: 'failed',
        failure: 'agent_killed',
      });
      expect((await harness.storyOf(signOff)).at(-1)).toBe('signoff.finished failed');
    }
    expect(await readSignOff(harness, done, testCaller)).toMatchObject({ state: 'done' });
    await expect(harness.decide(pending, await harness.newPerson('developer'), 'developer')).rejects.toMatchObject({
      code: 'signoff_closed',
    });
  });
});

test('a receipt is about an act that ended, and waits for the seal of its event', async () => {
  const signOff = await harness.approved(agent);
  const receipt = () => readReceipt(harness, signOff, agent);
  await expect(receipt()).rejects.toMatchObject({ code: 'signoff_unfinished' });
  await run(signOff, async () => {});
  await expect(receipt()).rejects.toMatchObject({ code: 'audit_proof_pending' });
});

type Person = Caller & { readonly kind: 'user' };
const now = (signOff: SignOffView) => readSignOff(harness, signOff, testCaller);
const voidsOf = ({ signoff_id: id }: SignOffView) =>
  harness.raw<{ detail: Record<string, unknown> }>`SELECT detail FROM audit_outbox
    WHERE type = 'signoff.approval_void' AND target_id = ${id} ORDER BY id`;

const disable = ({ userId }: Person) => harness.raw`UPDATE users SET "disabledAt" = now() WHERE id = ${userId}`;
const loseRole = ({ userId }: Person) =>
  harness.raw`DELETE FROM user_roles WHERE user_id = ${userId} AND role <> 'user'`;
const remove = ({ userId }: Person) => harness.raw`DELETE FROM users WHERE id = ${userId}`;
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
    await tx.query(defineStatement('')`UPDATE users SET "disabledAt" = now() WHERE id = $1`, [lead.userId]);
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
    await expect(harness.raw`DELETE FROM signoff_decisions WHERE signoff_id = ${id}`).rejects.toThrow();
    const back = `UPDATE signoffs SET state = 'pending', decided_at = NULL WHERE id = $1`;
    await expect(harness.raw(back, [id])).rejects.toThrow();
  });
});
