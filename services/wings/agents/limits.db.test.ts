import { describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { finishSignOff } from '../signoff/finish-signoff.ts';
import { type Asking, openSignOffHarness } from '../signoff/signoff-harness.ts';
import { startSignOff } from '../signoff/start-signoff.ts';
import type { LimitChange } from './contract.ts';
import { limitAgent, limitOwnAgent, readAgentLimits, readOwnedClients } from './manage-agents.ts';

const harness = opened(() => openSignOffHarness());

const ACT = 'payments.send';
const REACHED = 'agent_limit_reached';
const NONE = { act: ACT, acts_a_day: null, amounts_a_day: null, amount_at: '/amount', currency_at: '/currency' };
const changeOf = (changes: Partial<LimitChange>): LimitChange => ({ ...NONE, reason: 'test', ...changes });
const limit = ({ clientId }: Asking, changes: Partial<LimitChange>) =>
  limitAgent(harness, { agent_id: clientId, ...changeOf(changes) }, testCaller);

async function approvedOf(agent: Asking, payment: object = {}, act = ACT) {
  const signOff = await harness.request(agent, { act, arguments: payment, required_roles: ['developer'] });
  return harness.decide(signOff, await harness.newPerson('developer'), 'developer');
}
const startOf = (agent: Asking, { signoff_id, act, arguments: given }: Awaited<ReturnType<typeof approvedOf>>) =>
  outcomeOf(startSignOff(harness, { signoff_id, act, arguments: given }, agent));
const pay = async (agent: Asking, payment = {}, act = ACT) => startOf(agent, await approvedOf(agent, payment, act));
/** How many of 20 approved payments start, all at once. */
async function startedOf20(agent: Asking, payment: object): Promise<number> {
  const signOffs = [];
  for (let each = 0; each < 20; each += 1) signOffs.push(await approvedOf(agent, payment));
  const outcomes = await Promise.all(signOffs.map((signOff) => startOf(agent, signOff)));
  expect(new Set(outcomes)).toEqual(new Set(['ok', REACHED]));
  return outcomes.filter((outcome) => outcome === 'ok').length;
}
const newAgent = async () => (await harness.newAsking()).agent;

async function endDay({ clientId }: Asking): Promise<void> {
  await harness.raw`ALTER TABLE signoffs DISABLE TRIGGER signoffs_started`;
  const yesterday = `date_trunc('day', clock_timestamp(), 'UTC') - interval '1 millisecond'`;
  const update = `UPDATE signoffs SET started_at = ${yesterday} WHERE client_id = $1 AND started_at IS NOT NULL`;
  await harness.raw(update, [clientId]);
  await harness.raw`ALTER TABLE signoffs ENABLE TRIGGER signoffs_started`;
}

describe('a limit of acts a day', () => {
  test('of 20 starts at once five start at a limit of five, and three of 30 at a limit of 100', async () => {
    const [agent, payer] = [await newAgent(), await newAgent()];
    await limit(agent, { acts_a_day: 5 });
    expect(await startedOf20(agent, {})).toBe(5);
    await limit(payer, { amounts_a_day: { EUR: 100 }, amount_at: '/to/0/sum', currency_at: '/to/0/in' });
    expect(await startedOf20(payer, { to: [{ sum: 30, in: 'EUR' }] })).toBe(3);
  });

  test('refuses until the next day, names it, records the refusal, and leaves the approval', async () => {
    const agent = await newAgent();
    await limit(agent, { acts_a_day: 1 });
    expect(await pay(agent)).toBe('ok');
    const signOff = await approvedOf(agent, { nth: 2 });
    const { signoff_id, act, arguments: given } = signOff;
    const refusal = await startSignOff(harness, { signoff_id, act, arguments: given }, agent).catch((err) => err);
    expect(refusal.options.detail).toBe('The administrator limits payments.send to 1 acts a day.');
    const tomorrow = 86_400 - (Math.floor(Date.now() / 1_000) % 86_400);
    expect(Math.abs(refusal.options.retryAfterSeconds - tomorrow)).toBeLessThan(60);
    expect((await harness.storyOf(signOff)).at(-1)).toBe('signoff.refused refused');
    await endDay(agent);
    expect(await startOf(agent, signOff)).toBe('ok');
  });

  test('counts acts that ended or run, of the agent itself and of its owner through it, and no other client', async () => {
    const { agent, owner } = await harness.newAsking();
    await limit(agent, { acts_a_day: 2 });
    const first = await approvedOf(agent);
    expect(await startOf(agent, first)).toBe('ok');
    await finishSignOff(harness, { signoff_id: first.signoff_id, outcome: 'failed' }, agent);
    const through = { ...owner, clientId: agent.clientId, agentId: agent.clientId } as unknown as Asking;
    const outcomes = [await pay(through), await pay(agent), await pay(through), await pay(await newAgent())];
    expect(outcomes).toEqual(['ok', REACHED, REACHED, 'ok']);
  });

  test.each([
    ['payments.*', 'payments.refund', 'agent_limit_reached'],
    ['*', 'mails.send', 'agent_limit_reached'],
  ])('of %s: an agent that sends a payment then starts %s: %s', async (limited, act, outcome) => {
    const agent = await newAgent();
    await limit(agent, { act: limited, acts_a_day: 1 });
    expect(await pay(agent)).toBe('ok');
    expect(await pay(agent, {}, act)).toBe(outcome);
  });
});

describe('a limit of amounts a day', () => {
  test('adds up each currency by itself, exactly, and starts afresh the next day', async () => {
    const agent = await newAgent();
    await limit(agent, { amounts_a_day: { EUR: 0.3, USD: 10 } });
    const outcomes = [];
    for (const amount of [0.1, '0.2', 0.01]) outcomes.push(await pay(agent, { amount, currency: 'EUR' }));
    for (const amount of [10, 0]) outcomes.push(await pay(agent, { amount, currency: 'USD' }));
    expect(outcomes).toEqual(['ok', 'ok', REACHED, 'ok', 'ok']);
    const { limits } = await readAgentLimits(harness, { agent_id: agent.clientId });
    expect(limits).toMatchObject([{ acts_today: 4, amounts_today: { EUR: 0.3, USD: 10 } }]);
    await endDay(agent);
    expect(await pay(agent, { amount: 0.01, currency: 'EUR' })).toBe('ok');
  });

  test.each([
    ['a negative one', { amount: -5, currency: 'EUR' }],
    ['one in other digits', { amount: '٥', currency: 'EUR' }],
    ['an object', { amount: { value: 5 }, currency: 'EUR' }],
    ['no currency', { amount: 5 }],
    ['a currency that the limit does not name', { amount: 5, currency: 'USD' }],
    ['a NUL beside it, which the database cannot read', { amount: 5, currency: 'EUR', to: '\0' }],
  ])('starts no act with %s', async (_what, payment) => {
    const agent = await newAgent();
    await limit(agent, { amounts_a_day: { EUR: 100 } });
    expect(await pay(agent, payment)).toBe('agent_amount_unreadable');
  });
});

describe('the owner', () => {
  test('limits an agent further, and cannot raise or remove what the administrator has set', async () => {
    const { agent, owner } = await harness.newAsking();
    const own = (changes: Partial<LimitChange>) =>
      limitOwnAgent(harness, { agent_id: agent.clientId, ...changeOf(changes) }, owner);
    await limit(agent, { acts_a_day: 2 });
    await own({ acts_a_day: 1 });
    expect([await pay(agent), await pay(agent)]).toEqual(['ok', REACHED]);
    await own({ acts_a_day: 9 });
    expect([await pay(agent), await pay(agent)]).toEqual(['ok', REACHED]);
    expect((await own({})).limits).toMatchObject([{ set_by: 'administrator', acts_a_day: 2, acts_today: 2 }]);
    expect(await pay(agent)).toBe(REACHED);
  });

  test('sees the limits that are nearest to be reached, and what was started', async () => {
    const { agent, owner } = await harness.newAsking();
    await limit(agent, { acts_a_day: 1, amounts_a_day: { EUR: 9 } });
    await limit(agent, { act: '*', acts_a_day: 100 });
    await pay(agent, { amount: 3, currency: 'EUR' });
    const [owned] = await readOwnedClients(harness, owner);
    expect(owned?.limits).toEqual([
      { act: ACT, currency: null, most: 1, used: 1 },
      { act: ACT, currency: 'EUR', most: 9, used: 3 },
      { act: '*', currency: null, most: 100, used: 1 },
    ]);
  });
});

test('a change is an event, and a setter limits at most 20 acts, each in at most 20 currencies', async () => {
  const agent = await newAgent();
  for (let nth = 0; nth < 20; nth += 1) await limit(agent, { act: `payments.a${nth}`, acts_a_day: 1 });
  const invalid = { code: 'request_invalid' };
  await expect(limit(agent, { act: 'payments.b', acts_a_day: 1 })).rejects.toMatchObject(invalid);
  await limit(agent, { act: 'payments.a1', acts_a_day: 3 });
  const many = Object.fromEntries([...'ABCDEFGHIJKLMNOPQRSTU'].map((letter) => [`${letter}XX`, 1]));
  await expect(limit(agent, { amounts_a_day: many })).rejects.toMatchObject(invalid);
  const newest = `SELECT detail FROM audit_outbox WHERE type = 'agent.limits_changed' AND target_id = $1 ORDER BY id DESC`;
  const [event] = await harness.raw<{ detail: object }>(newest, [agent.clientId]);
  const detail = { act: 'payments.a1', set_by: 'administrator', acts_a_day: 3, has_amounts: false, reason: 'test' };
  expect(event?.detail).toEqual(detail);
});

test('whatever writes the row: no act starts over a limit, and the time of a start does not change', async () => {
  const agent = await newAgent();
  await limit(agent, { acts_a_day: 1 });
  const first = await approvedOf(agent);
  expect(await startOf(agent, first)).toBe('ok');
  const { signoff_id: id } = await approvedOf(agent, { nth: 2 });
  const start = `UPDATE signoffs SET state = 'running', started_at = now() - interval '2 days' WHERE id = $1`;
  await expect(harness.raw(start, [id])).rejects.toThrow('limit of the day');
  const back = `UPDATE signoffs SET started_at = now() - interval '2 days' WHERE id = $1`;
  await expect(harness.raw(back, [first.signoff_id])).rejects.toThrow('does not change');
  await limit(agent, { acts_a_day: 2 });
  await harness.raw(start, [id]);
  const fresh = `SELECT id FROM signoffs WHERE id = $1 AND started_at > now() - interval '1 hour'`;
  expect(await harness.raw(fresh, [id])).toHaveLength(1);
});
