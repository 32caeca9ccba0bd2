import { expect, test } from 'vitest';
import { type RoleFacts, rolesResult } from './roles.ts';

const owner: RoleFacts = { login: 'sally"port', roles: 2, isMember: true, isOwner: true };

test('a separate database user passes; one that owns the tables passes in development and is a warning in production', () => {
  expect(rolesResult({ ...owner, isOwner: false }, true)).toMatchObject({ result: 'pass' });
  expect(rolesResult(owner, false)).toMatchObject({ result: 'pass' });
  expect(rolesResult(owner, true)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('owns the tables'),
    fix: expect.stringContaining('run-in-production'),
  });
});

test.each([
  ['are missing', { roles: 0, isMember: false }],
  ['have no rights in this database', { roles: 1 }],
])('shows the statements that fix it if the roles %s', (_, facts) => {
  expect(rolesResult({ ...owner, ...facts }, false)).toMatchObject({
    result: 'warn',
    fix: expect.stringMatching(
      /unless another database .* has them: CREATE ROLE sallyport_app; .*GRANT sallyport_sealer TO "sally""port"; .*SELECT grant_roles\(\);/,
    ),
  });
});

test('shows no statement that creates the roles if another database of the cluster has them', () => {
  expect(rolesResult({ ...owner, isMember: false }, false)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('is not a member of sallyport_sealer'),
    fix: 'as a superuser: GRANT sallyport_sealer TO "sally""port";',
  });
});
