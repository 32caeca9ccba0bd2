import { describe, expect, test } from 'vitest';
import { purgeAtOnce } from '#services/core/shared/purge-harness.ts';
import { clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { listSignOffs, readSignOff } from './read-signoff.ts';
import { ARGUMENTS, openSignOffHarness } from './signoff-harness.ts';
import { signOffPurge } from './signoffs.store.ts';

const harness = opened(openSignOffHarness);

const refusal = (code: string) => ({ code });

describe('a sign-off', () => {
  test('is approved when its quorum of roles has approved, each by another person', async () => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent, { required_roles: ['developer', 'qa', 'architect', 'qa'], quorum: 2 });
    expect(signOff).toMatchObject({
      state: 'pending',
      arguments: ARGUMENTS,
      required_roles: ['developer', 'qa', 'architect'],
      waiting_for: ['developer', 'qa', 'architect'],
      requested_by: { kind: 'client', id: agent.clientId },
    });
    expect(Date.parse(signOff.expires_at) - Date.parse(signOff.requested_at)).toBe(86_400_000);
    const qa = await harness.newPerson('qa');
    const first = await harness.decide(signOff, qa, 'qa', { comment: 'tested' });
    expect(first).toMatchObject({ state: 'pending', waiting_for: ['developer', 'architect'] });
    const second = await harness.decide(signOff, await harness.newPerson('architect'), 'architect');
    expect(second).toMatchObject({
      state: 'approved',
      waiting_for: [],
      decisions: [{ role: 'qa', user_id: qa.userId, comment: 'tested', decision: 'approve' }, { role: 'architect' }],
    });
    expect(await harness.storyOf(signOff)).toEqual([
      'signoff.requested ok',
      'signoff.decided approve',
      'signoff.decided approve',
    ]);
    const late = harness.decide(signOff, await harness.newPerson('developer'), 'developer');
    await expect(late).rejects.toMatchObject(refusal('signoff_closed'));
  });

  test('is denied by one denial', async () => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent);
    const denial = { decision: 'deny', comment: 'not on a Friday' } as const;
    const denied = await harness.decide(signOff, await harness.newPerson('developer'), 'developer', denial);
    expect(denied).toMatchObject({ state: 'denied', decisions: [{ decision: 'deny', comment: 'not on a Friday' }] });
    const late = harness.decide(signOff, await harness.newPerson('tech_lead'), 'tech_lead');
    await expect(late).rejects.toMatchObject(refusal('signoff_closed'));
  });

  test('says by a dry run what a decision would make of it, or why it is refused, and stays as it is', async () => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent, { required_roles: ['qa'], quorum: 1 });
    const qa = await harness.newPerson('qa');
    const dry = { dry_run: true } as const;
    expect(await harness.decide(signOff, qa, 'qa', dry)).toMatchObject({ state: 'approved' });
    expect(await harness.decide(signOff, qa, 'qa', { ...dry, decision: 'deny' })).toMatchObject({ state: 'denied' });
    const developer = await harness.newPerson('developer');
    const refused = harness.decide(signOff, developer, 'developer', dry);
    await expect(refused).rejects.toMatchObject(refusal('signoff_role_not_required'));
    expect(await harness.storyOf(signOff)).toEqual(['signoff.requested ok']);
    expect(await harness.decide(signOff, qa, 'qa')).toMatchObject({ state: 'approved' });
    await expect(harness.decide(signOff, developer, 'developer', dry)).rejects.toMatchObject(refusal('signoff_closed'));
  });

  test('with a quorum above the number of roles is refused', async () => {
    const { agent } = await harness.newAsking();
    const request = harness.request(agent, { required_roles: ['qa', 'qa'], quorum: 2 });
    await expect(request).rejects.toMatchObject(refusal('signoff_quorum_invalid'));
  });

  test('is read by its requester and by callers who may read all, and is unknown to others', async () => {
    const { agent } = await harness.newAsking();
    const { signoff_id: id } = await harness.request(agent);
    expect(await readSignOff(harness, { signoff_id: id }, agent)).toMatchObject({ signoff_id: id });
    const reader = userCaller('reader', { permissions: new Set(['signoffs:read']) });
    expect(await readSignOff(harness, { signoff_id: id }, reader)).toMatchObject({ signoff_id: id });
    for (const stranger of [clientCaller('stranger'), userCaller('stranger')])
      await expect(readSignOff(harness, { signoff_id: id }, stranger)).rejects.toMatchObject(
        refusal('signoff_unknown'),
      );
  });

  test('is listed newest first, by state and role', async () => {
    const { agent } = await harness.newAsking();
    const older = await harness.request(agent, { required_roles: ['product_owner'] });
    const newer = await harness.request(agent, { required_roles: ['product_owner'] });
    const role = 'product_owner';
    const first = await listSignOffs(harness, { role, limit: 1 });
    const second = await listSignOffs(harness, { role, limit: 1, cursor: first.next ?? '' });
    const ids = [...first.signoffs, ...second.signoffs].map(({ signoff_id: id }) => id);
    expect(ids).toEqual([newer.signoff_id, older.signoff_id]);
    await harness.age(older, 25);
    expect((await listSignOffs(harness, { role, state: 'expired', limit: 9 })).signoffs).toMatchObject([
      { signoff_id: older.signoff_id, state: 'expired', waiting_for: [] },
    ]);
  });
});

describe('a decision is refused', () => {
  test('double role: of a person who decided before, in the same or another role', async () => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent);
    const both = await harness.newPerson('developer', 'tech_lead');
    await harness.decide(signOff, both, 'developer');
    for (const role of ['developer', 'tech_lead'] as const)
      await expect(harness.decide(signOff, both, role)).rejects.toMatchObject(refusal('signoff_already_decided'));
    const another = harness.decide(signOff, await harness.newPerson('developer'), 'developer');
    await expect(another).rejects.toMatchObject(refusal('signoff_already_decided'));
  });

  test('self-approval: of the person who requested it, or whose agent did, also with a delegated token', async () => {
    const { agent, owner } = await harness.newAsking();
    const byAgent = await harness.request(agent);
    await expect(harness.decide(byAgent, owner, 'developer')).rejects.toMatchObject(refusal('signoff_self_approval'));
    const requester = await harness.newPerson('developer');
    const delegated = userCaller(requester.userId, { clientId: agent.clientId });
    const forPerson = await harness.request(delegated);
    for (const barred of [owner, requester])
      await expect(harness.decide(forPerson, barred, 'developer')).rejects.toMatchObject(
        refusal('signoff_self_approval'),
      );
  });

  describe('one person with two accounts, whose mail goes to one mailbox', () => {
    const personAt = async (email: string) => {
      const person = await harness.newPerson('developer', 'tech_lead');
      await harness.raw`UPDATE users SET email = ${email} WHERE id = ${person.userId}`;
      return person;
    };

    test('decides once, whichever account is first; another mailbox is another person', async () => {
      for (const [name, first, second] of [
        ['ada', '', '+work'],
        ['bob', '+a', ''],
        ['eve', '+a', '+b+c'],
      ] as const) {
        const { agent } = await harness.newAsking();
        const signOff = await harness.request(agent);
        await harness.decide(signOff, await personAt(`${name}${first}@mail.test`), 'developer');
        const again = harness.decide(signOff, await personAt(`${name}${second}@mail.test`), 'tech_lead');
        await expect(again).rejects.toMatchObject(refusal('signoff_already_decided'));
        const others = [`${name}2+a@mail.test`, `${name}+a@other.test`, `+${name}@mail.test`, `${name}.a@mail.test`];
        for (const email of others) {
          const decided = await harness.decide(signOff, await personAt(email), 'tech_lead', { dry_run: true });
          expect(decided.state).toBe('approved');
        }
      }
    });

    test('has the later of two approvals void, if the accounts come to have one mailbox', async () => {
      const { agent } = await harness.newAsking();
      const { signoff_id: id } = await harness.approved(agent);
      await harness.raw`UPDATE users SET email = 'pair+' || d.role || '@mail.test' FROM signoff_decisions d
        WHERE d.user_id = id AND signoff_id = ${id}`;
      expect(await harness.raw`SELECT role, why FROM signoffs s, signoff_void_approvals(s) WHERE id = ${id}`).toEqual([
        { role: 'tech_lead', why: 'barred' },
      ]);
    });

    test('decides nothing that the person, or an agent of the person, asked for', async () => {
      const { agent, owner } = await harness.newAsking();
      const second = await personAt('own+second@mail.test');
      const { signoff_id: id } = await harness.approved(agent);
      const pending = await harness.request(agent);
      await harness.raw`UPDATE users SET email = 'own@mail.test' WHERE id = ${owner.userId}`;
      for (const signOff of [pending, await harness.request(userCaller(owner.userId))])
        await expect(harness.decide(signOff, second, 'developer')).rejects.toMatchObject(
          refusal('signoff_self_approval'),
        );
      await harness.raw`UPDATE users SET email = 'own+third@mail.test'
        WHERE id = (SELECT user_id FROM signoff_decisions WHERE signoff_id = ${id} AND role = 'developer')`;
      expect(await harness.raw`SELECT why FROM signoffs s, signoff_void_approvals(s) WHERE id = ${id}`).toEqual([
        { why: 'barred' },
      ]);
    });
  });

  test('of an agent that has a token of the person, of a client and of an API key', async () => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent);
    const person = await harness.newPerson('developer');
    for (const caller of [{ ...person, clientId: agent.clientId }, agent])
      await expect(harness.decide(signOff, caller, 'developer')).rejects.toMatchObject(refusal('permission_missing'));
    const byKey = harness.decide(signOff, { ...person, by: 'api_key' }, 'developer');
    await expect(byKey).rejects.toMatchObject(refusal('api_key_not_accepted'));
  });

  test.each([
    ['an old sign-in', { authTime: Math.floor(Date.now() / 1_000) - 601 }],
    ['one factor', { acr: 'aal1' }],
  ])('of a person with %s', async (_what, changes) => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent);
    const person = { ...(await harness.newPerson('developer')), ...changes };
    await expect(harness.decide(signOff, person, 'developer')).rejects.toMatchObject(refusal('step_up_required'));
  });

  test('in a role that the person does not have now, or that is not asked for', async () => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent);
    const person = await harness.newPerson('developer', 'qa');
    await expect(harness.decide(signOff, person, 'qa')).rejects.toMatchObject(refusal('signoff_role_not_required'));
    await expect(harness.decide(signOff, person, 'tech_lead')).rejects.toMatchObject(refusal('signoff_role_missing'));
    await harness.raw`DELETE FROM user_roles WHERE user_id = ${person.userId}`;
    await expect(harness.decide(signOff, person, 'developer')).rejects.toMatchObject(refusal('signoff_role_missing'));
  });

  test('altered arguments: if the person saw other arguments than those of the sign-off', async () => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent);
    const seen = (await harness.request(agent, { arguments: { alg: 'RS256' } })).arguments_sha256;
    const person = await harness.newPerson('developer');
    const decision = harness.decide(signOff, person, 'developer', { arguments_sha256: seen });
    await expect(decision).rejects.toMatchObject(refusal('signoff_arguments_changed'));
  });

  test('after a day', async () => {
    const { agent } = await harness.newAsking();
    const signOff = await harness.request(agent);
    await harness.age(signOff, 25);
    const decision = harness.decide(signOff, await harness.newPerson('developer'), 'developer');
    await expect(decision).rejects.toMatchObject(refusal('signoff_closed'));
  });

  test('of a sign-off that does not exist', async () => {
    const { agent } = await harness.newAsking();
    const signOff = { ...(await harness.request(agent)), signoff_id: '00000000-0000-7000-8000-000000000000' };
    const decision = harness.decide(signOff, await harness.newPerson('developer'), 'developer');
    await expect(decision).rejects.toMatchObject(refusal('signoff_unknown'));
  });
});

test('concurrent last approvals: each counts once, and the quorum completes once', async () => {
  const { agent } = await harness.newAsking();
  const requiredRoles = ['developer', 'tech_lead', 'qa', 'security_reviewer', 'product_owner', 'architect'] as const;
  const signOff = await harness.request(agent, { required_roles: requiredRoles, quorum: 3 });
  const people = await Promise.all(requiredRoles.map((role) => harness.newPerson(role)));
  const decisions = await Promise.allSettled(
    requiredRoles.map((role, at) => harness.decide(signOff, people[at] as (typeof people)[number], role)),
  );
  const states = decisions.map((each) => (each.status === 'fulfilled' ? each.value.state : each.reason.code));
  expect(states.sort()).toEqual('approved pending pending signoff_closed signoff_closed signoff_closed'.split(' '));
});

describe('whatever writes the rows', () => {
  test.each([
    ['the arguments', `arguments = '{}', arguments_sha256 = encode(sha256('{}'), 'hex')`],
    ['the quorum', 'quorum = 1'],
    ['the people who may not decide', `barred_users = '{}'`],
    ['the expiry', `expires_at = expires_at + interval '1 minute'`],
  ])('%s of a sign-off cannot change', async (_what, change) => {
    const { agent } = await harness.newAsking();
    const { signoff_id: id } = await harness.request(agent);
    await expect(harness.raw(`UPDATE signoffs SET ${change} WHERE id = $1`, [id])).rejects.toThrow();
  });

  test('a sign-off is not approved without its quorum, and no state comes back', async () => {
    const { agent } = await harness.newAsking();
    const pending = await harness.request(agent);
    const set = (id: string, state: string) =>
      harness.raw`UPDATE signoffs SET state = ${state}, started_at = now() WHERE id = ${id}`;
    await expect(set(pending.signoff_id, 'approved')).rejects.toThrow();
    await expect(set(pending.signoff_id, 'running')).rejects.toThrow();
    const approved = await harness.approved(agent);
    await set(approved.signoff_id, 'running');
    await expect(set(approved.signoff_id, 'approved')).rejects.toThrow();
  });

  test('a decision cannot change, nor be that of the requester', async () => {
    const { agent, owner } = await harness.newAsking();
    const { signoff_id: id } = await harness.approved(agent);
    await expect(harness.raw`UPDATE signoff_decisions SET comment = 'x' WHERE signoff_id = ${id}`).rejects.toThrow();
    const { signoff_id: other } = await harness.request(agent);
    const insert = `INSERT INTO signoff_decisions (signoff_id, role, user_id, decision) VALUES ($1, 'developer', $2, 'approve')`;
    await expect(harness.raw(insert, [other, owner.userId])).rejects.toThrow();
  });
});

test('a sign-off and its decisions are deleted after six years', async () => {
  const { agent } = await harness.newAsking();
  const [old, recent] = [await harness.approved(agent), await harness.approved(agent)];
  await harness.age(old, 6 * 366 * 24);
  expect(await purgeAtOnce(harness, [signOffPurge])).toMatchObject({ removed: 1, failures: [] });
  const left = await harness.raw`SELECT DISTINCT signoff_id FROM signoff_decisions
    WHERE signoff_id = ANY (${[old.signoff_id, recent.signoff_id]})`;
  expect(left).toEqual([{ signoff_id: recent.signoff_id }]);
});
