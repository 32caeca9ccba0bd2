import { expect, test } from 'vitest';
import { type RoleFacts, rolesResult } from './roles.ts';

const all = ['sallyport_api', 'sallyport_mcp', 'sallyport_worker', 'sallyport_log_sealer'];
const owner: RoleFacts = { login: 'sally"port', roles: all, assumes: all, is_owner: true };
const worker: RoleFacts = { ...owner, assumes: ['sallyport_worker', 'sallyport_log_sealer'], is_owner: false };

test('a database user in the role of its process passes; one that owns the tables passes in development and is a warning in production', () => {
  expect(rolesResult(worker, true)).toMatchObject({
    result: 'pass',
    evidence: expect.stringContaining('sallyport_worker, sallyport_log_sealer'),
  });
  expect(rolesResult(owner, false)).toMatchObject({ result: 'pass' });
  expect(rolesResult(owner, true)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('owns the tables'),
    fix: expect.stringContaining('run-in-production'),
  });
});

test.each([
  ['sallyport_app', ['sallyport_api', 'sallyport_app'], 'which may write tables'],
  ['sallyport_app, sallyport_sealer', ['sallyport_app', 'sallyport_sealer'], 'an application that embeds'],
])('a database user with the rights of %s is a warning: its process needs fewer', (named, assumes, words) => {
  const result = rolesResult({ ...worker, assumes }, true);
  expect(result).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining(`the rights of ${named}`),
    fix: expect.stringContaining('the role of its process'),
  });
  expect(result.evidence).toContain(words);
});

test.each([[[]], [['sallyport_sealer']]])('no process starts with a database user in no role but %j', (assumes) => {
  expect(rolesResult({ ...worker, assumes }, false)).toMatchObject({
    result: 'fail',
    evidence: expect.stringContaining('in no role'),
  });
});

test('shows the statements that create the roles that are missing, or have no rights in this database', () => {
  const fix = (roles: readonly string[]): string => {
    const result = rolesResult({ ...owner, roles }, false);
    expect(result.result).toBe('fail');
    return 'fix' in result ? String(result.fix) : '';
  };
  expect(fix([])).toMatch(
    /unless another database .* has them: CREATE ROLE sallyport_api; .*CREATE ROLE sallyport_log_sealer; .*GRANT sallyport_api, .* TO "sally""port"; .*SELECT grant_roles\(\);/,
  );
  expect(fix(['sallyport_api', 'sallyport_mcp', 'sallyport_worker'])).not.toContain('CREATE ROLE sallyport_api');
});

test('shows no statement that creates the roles if another database of the cluster has them', () =>
  expect(rolesResult({ ...owner, assumes: ['sallyport_api'] }, false)).toMatchObject({
    result: 'fail',
    evidence: expect.stringContaining('is not a member of sallyport_mcp, sallyport_worker, sallyport_log_sealer'),
    fix: 'as a superuser: GRANT sallyport_mcp, sallyport_worker, sallyport_log_sealer TO "sally""port";',
  }));
