import { expect, test } from 'vitest';
import { coversAct, policyFlaw, policyRules, policyView } from './signoff-policy.ts';
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

test('a policy for acts that begin so is also about the act itself', () => {
  expect(
    ['release.deploy', 'release.*', 'rel*', 'release.deploy.*', 'other.*'].map((p) => coversAct(p, 'release.deploy')),
  ).toEqual([true, true, true, false, false]);
});

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
