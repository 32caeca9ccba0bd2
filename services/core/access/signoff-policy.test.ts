import { expect, test } from 'vitest';
import { coversAct, loweredActs, policyFlaw, policyRules, policyView } from './signoff-policy.ts';
import type { SignOffPolicyView } from './signoff-policy-shapes.ts';

const policy = {
  act: 'release.deploy',
  roles: ['qa'],
  quorum: 1,
  lifetime_minutes: 60,
  min_security_score: null,
  no_open_incident: false,
  arguments: [{ path: '/version', label: { en: 'Version' }, format: 'text' }],
  version: 1,
} as unknown as SignOffPolicyView;

test('a change of a policy shows its conditions and labels only where it has them', () => {
  expect(policyRules(policy)).toEqual([
    'roles qa',
    'quorum 1',
    'lifetime_minutes 60',
    'argument /version text ["Version"]',
  ]);
  const labels = [{ path: '/version', label: { en: 'Version', de: 'Fassung' }, format: 'text' }];
  const more = { ...policy, min_security_score: 90, no_open_incident: true, arguments: labels } as SignOffPolicyView;
  expect(policyRules(more).slice(3)).toEqual([
    'min_security_score 90',
    'no_open_incident',
    'argument /version text ["Version","Fassung"]',
  ]);
});

test('a policy for acts that begin so is also about the act itself', () =>
  expect(
    ['release.deploy', 'release.*', 'rel*', 'release.deploy.*', 'other.*'].map((p) => coversAct(p, 'release.deploy')),
  ).toEqual([true, true, true, false, false]));

test.each([
  [{}, undefined],
  [{ quorum: undefined }, undefined],
  [{ act: '*' }, 'act'],
  [{ roles: ['qa', 'qa'] }, 'roles'],
  [{ quorum: 2 }, 'quorum'],
  [{ arguments: [{ path: 'version', label: { en: 'Version' } }] }, 'arguments/0/path'],
  [{ arguments: [policy.arguments[0], policy.arguments[0]] }, 'arguments/1/path'],
  [{ arguments: [{ path: '/version', label: { en: 'Ver\u202esion' } }] }, 'arguments/0/label'],
])('the flaw of a policy with %j is at %s', (change, at) => {
  expect(policyFlaw({ ...policy, ...change } as SignOffPolicyView)?.at).toBe(at);
});

test('a policy that names no quorum needs all its roles, and lists them in order', () => {
  const { quorum: _, ...unset } = policy;
  const stored = { ...unset, roles: ['qa', 'architect'] };
  expect(policyView(stored as unknown as SignOffPolicyView, 3)).toMatchObject({
    roles: ['architect', 'qa'],
    quorum: 2,
    version: 3,
  });
  expect(policyView({ ...stored, quorum: 1 } as unknown as SignOffPolicyView, null)).toMatchObject({
    quorum: 1,
    version: null,
  });
});

test.each<[string, Partial<SignOffPolicyView>, readonly string[]]>([
  ['is the same', {}, []],
  ['asks more', { quorum: 2, lifetime_minutes: 30, min_security_score: 90, no_open_incident: true }, []],
  ['needs fewer people', { quorum: 1 }, ['release.deploy']],
  ['lets another role approve', { roles: ['qa', 'tech_lead', 'developer'] }, ['release.deploy']],
  ['lets it live longer', { lifetime_minutes: 61 }, ['release.deploy']],
  ['needs a lower score', { min_security_score: 79 }, ['release.deploy']],
  ['needs no score', { min_security_score: null }, ['release.deploy']],
  ['lets it run in an incident', { no_open_incident: false }, ['release.deploy']],
])('a policy that %s is lowered: %j', (_what, change, lowered) => {
  const roles = ['qa', 'tech_lead'];
  const before = { ...policy, roles, quorum: 2, min_security_score: 80, no_open_incident: true } as SignOffPolicyView;
  expect(loweredActs([before], [{ ...before, ...change }])).toEqual(lowered);
});

test('an act is lowered too by the removal of its policy, and by one of its own beside a stricter beginning', () => {
  const strict = { ...policy, act: 'release.*', roles: ['qa', 'tech_lead'], quorum: 2 } as SignOffPolicyView;
  const wide = { ...strict, act: 'rel*', quorum: 1 } as SignOffPolicyView;
  expect(loweredActs([strict], [])).toEqual(['release.*']);
  expect(loweredActs([], [strict])).toEqual([]);
  expect(loweredActs([strict], [strict, policy])).toEqual(['release.deploy']);
  expect(loweredActs([policy, strict], [strict])).toEqual([]);
  // Of two beginnings the longer one decides.
  expect(loweredActs([wide, strict, policy], [wide, strict])).toEqual([]);
  expect(loweredActs([wide, policy], [wide])).toEqual(['release.deploy']);
  expect(loweredActs([strict, wide], [wide])).toEqual(['release.*']);
});
