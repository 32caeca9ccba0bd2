import { beforeEach, expect, test } from 'vitest';
import { declareApplication } from '#services/core/access/manage-applications.ts';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { requestSignOff } from './request-signoff.ts';
import { ARGUMENTS, openSignOffHarness } from './signoff-harness.ts';

const harness = opened(openSignOffHarness);
const agent = opened(async () => (await harness.newAsking()).agent);

const LOW = { roles: ['qa' as const, 'architect' as const, 'tech_lead' as const], lifetime_minutes: 60, arguments: [] };
const policy = (act: string, quorum: number) => ({
  ...LOW,
  ...{ act, quorum, min_security_score: null, no_open_incident: false },
});
beforeEach(async () => {
  const input = { application: 'ship', audience: 'https://ship.test', permissions: [], roles: {}, reason: 'test' };
  const signoff_policies = [policy('release.*', 2), policy('release.deploy', 1)];
  await declareApplication({ ...harness, ownAudiences: [] }, { ...input, signoff_policies }, testCaller);
});

const waiting = (count: number) =>
  expect
    .poll(
      () => harness.raw`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      { timeout: 60_000 },
    )
    .toHaveLength(count);

/** Does `first` in a transaction, and commits it once `second` waits for its locks. */
async function overtaken<A, B>(
  first: (tx: Sql) => Promise<A>,
  second: () => Promise<B>,
  beforeCommit: () => Promise<unknown> = async () => {},
): Promise<[A, B]> {
  const [done, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const held = harness.transact(async (tx) => {
    const result = await first(tx);
    done.resolve();
    await commit.promise;
    return result;
  });
  await done.promise;
  const waits = second();
  await waiting(1);
  await beforeCommit();
  commit.resolve();
  return Promise.all([held, waits]);
}

const raise = defineStatement('testPolicyRaise')`UPDATE signoff_policies SET quorum = 3 WHERE act = 'release.deploy'`;
const drop = defineStatement('testPolicyDrop')`DELETE FROM signoff_policies WHERE act = 'release.deploy'`;
const lower = `UPDATE signoff_policies SET quorum = 1`;
const rowHeld = defineStatement('testSignOffHeld')`SELECT 1 FROM signoffs WHERE id = $1 FOR UPDATE`;
const requesterHeld = defineStatement('testRequesterHeld')`
  SELECT pg_advisory_xact_lock(hashtextextended('signoff client ' || $1, 0))`;

const asked = { act: 'release.deploy', title: 'Deploy', arguments: ARGUMENTS };
const request = () => requestSignOff(harness, asked, agent);

test('a request that waits for a stricter policy is under that one', async () => {
  const [, made] = await overtaken((tx) => tx.query(raise), request);
  const [{ version }] = (await harness.raw`SELECT version FROM signoff_policies WHERE act = 'release.deploy'`) as [
    { version: number },
  ];
  expect([made.quorum, made.policy]).toEqual([3, { act: 'release.deploy', version }]);
});

test('a policy that waits for a request changes nothing of it', async () => {
  const within = (tx: Sql) => requestSignOff({ ...harness, transact: (work) => work(tx as never) }, asked, agent);
  const [made] = await overtaken(within, () => harness.raw(raise.text));
  expect(made.quorum).toBe(1);
  const decided = await harness.decide(made, await harness.newPerson('qa'), 'qa');
  expect([decided.state, decided.policy]).toEqual(['approved', made.policy]);
});

test('a request that waits for the end of its policy is under the one that names less of its act', async () => {
  const [, made] = await overtaken((tx) => tx.query(drop), request);
  expect([made.quorum, made.policy?.act]).toEqual([2, 'release.*']);
});

test('a request that waits for another of its requester is under the policy that was declared meanwhile', async () => {
  await harness.raw(drop.text);
  const declare = `INSERT INTO signoff_policies SELECT 'release.deploy', application, roles, 3, lifetime_minutes, min_security_score,
    no_open_incident, arguments, version FROM signoff_policies WHERE act = 'release.*'`;
  const [, made] = await overtaken(
    (tx) => tx.query(requesterHeld, [agent.clientId]),
    request,
    () => harness.raw(declare),
  );
  expect([made.quorum, made.policy?.act]).toEqual([3, 'release.deploy']);
});

test('a decision is by the policy of the request, whether a lower one is declared before it or while it waits', async () => {
  await harness.raw(raise.text);
  const made = await request();
  const [qa, architect, lead] = [
    await harness.newPerson('qa'),
    await harness.newPerson('architect'),
    await harness.newPerson('tech_lead'),
  ];
  const [, first] = await overtaken(
    (tx) => tx.query(rowHeld, [made.signoff_id]),
    () => harness.decide(made, qa, 'qa'),
    () => harness.raw(lower),
  );
  expect(first).toMatchObject({ state: 'pending', quorum: 3, policy: made.policy });
  expect(await harness.decide(made, architect, 'architect')).toMatchObject({ state: 'pending', policy: made.policy });
  expect(await harness.decide(made, lead, 'tech_lead')).toMatchObject({ state: 'approved', policy: made.policy });
});
