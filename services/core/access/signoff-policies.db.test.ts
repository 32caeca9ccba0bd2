import { describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { declareApplication, deleteApplication, listApplications } from './manage-applications.ts';
import { openClientHarness } from './manage-clients-harness.ts';
import { hasChanges } from './plan-application.ts';
import type { SignOffPolicy } from './signoff-policy-shapes.ts';

const harness = opened(openClientHarness);

const reason = 'test';
const DEPLOY: SignOffPolicy = {
  act: 'release.deploy',
  roles: ['qa', 'architect'],
  lifetime_minutes: 60,
  min_security_score: 80,
  no_open_incident: true,
  arguments: [{ path: '/version', label: { en: 'Version' }, format: 'monospace' }],
};
const declare = (policies: SignOffPolicy[], { application = 'notes', isDryRun = false } = {}) =>
  declareApplication(
    { ...harness, ownAudiences: [] },
    {
      application,
      audience: `https://${application}.test`,
      permissions: [],
      roles: {},
      signoff_policies: policies,
      reason,
      dry_run: isDryRun,
    },
    testCaller,
  );
const problemsOf = (policies: object[], application?: string): Promise<string[]> =>
  declare(
    policies.map((policy) => ({ ...DEPLOY, ...policy })),
    application === undefined ? {} : { application },
  ).then(
    () => [],
    (err) => err.options.problems.map(({ at, why }: { at: string; why: string }) => `${at} ${why}`),
  );

test('a policy gets a higher version with each change, also if it was removed in between, and none without a change', async () => {
  const first = await declare([DEPLOY]);
  expect(first.changes.signoff_policies).toEqual({
    added: ['release.deploy'],
    removed: [],
    changed: [
      {
        act: 'release.deploy',
        added: [
          'roles architect, qa',
          'quorum 2',
          'lifetime_minutes 60',
          'min_security_score 80',
          'no_open_incident',
          'argument /version monospace ["Version"]',
        ],
        removed: [],
      },
    ],
  });
  const versionIn = ({ application }: Awaited<ReturnType<typeof declare>>) =>
    application.signoff_policies[0]?.version as number;
  const again = await declare([DEPLOY]);
  expect([hasChanges(again.changes), versionIn(again)]).toEqual([false, versionIn(first)]);
  const planned = await declare([{ ...DEPLOY, quorum: 1 }], { isDryRun: true });
  expect(planned.changes.signoff_policies.changed).toEqual([
    { act: 'release.deploy', added: ['quorum 1'], removed: ['quorum 2'] },
  ]);
  expect(versionIn(planned)).toBeNull();
  expect((await listApplications(harness, { limit: 1 })).applications[0]?.signoff_policies[0]).toMatchObject({
    quorum: 2,
  });
  const changed = await declare([{ ...DEPLOY, quorum: 1 }]);
  expect(versionIn(changed)).toBeGreaterThan(versionIn(first));
  expect((await declare([])).changes.signoff_policies).toMatchObject({ added: [], removed: ['release.deploy'] });
  expect(versionIn(await declare([DEPLOY]))).toBeGreaterThan(versionIn(changed));
  await deleteApplication(harness, { application: 'notes', reason }, testCaller);
  expect(await harness.raw`SELECT act FROM signoff_policies`).toEqual([]);
});

describe('a declaration is refused, with the place, for a policy', () => {
  test.each<[string, object, string]>([
    [
      'of an act of the installation',
      { act: 'keys.rotate' },
      'act acts that begin with keys belong to the installation',
    ],
    ['of tracked sign-offs', { act: 'signoff.tracked' }, 'act acts that begin with signoff belong to the installation'],
    ['of all acts', { act: '*' }, 'act is no act: write release.deploy, or release.* for all acts that begin so'],
    ['of half a noun', { act: 'key*' }, 'act is no act: write release.deploy, or release.* for all acts that begin so'],
    ['with a role twice', { roles: ['qa', 'qa'] }, 'roles lists a role twice'],
    ['with more approvals than roles', { quorum: 3 }, 'quorum is 3, of 2 roles'],
    [
      'with a path that is no pointer',
      { arguments: [{ path: 'version', label: { en: 'x' }, format: 'plain' }] },
      'arguments/0/path is no JSON pointer: write /version or /to/0',
    ],
    [
      'with a label that reorders text',
      { arguments: [{ path: '/v', label: { en: 'x\u202e' }, format: 'plain' }] },
      'arguments/0/label has characters that are not shown',
    ],
  ])('%s', async (_what, changes, problem) => {
    expect(await problemsOf([changes])).toContain(`body/signoff_policies/0/${problem}`);
  });

  test('of acts that another application has a policy for, or twice', async () => {
    await declare([{ ...DEPLOY, act: 'billing.refund.*' }], { application: 'billing' });
    for (const act of ['billing.refund.all', 'billing.*', 'billing.refund.*'])
      expect(await problemsOf([{ act }], 'shop')).toEqual([
        'body/signoff_policies/0/act billing.refund.* belongs to the application billing',
      ]);
    expect(await problemsOf([{}, {}])).toEqual([
      'body/signoff_policies/1 "release.deploy" is listed before, as signoff_policies/0',
    ]);
  });
});
