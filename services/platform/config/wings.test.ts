import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './load.ts';
import { WINGS } from './wings.ts';

function problemsOf(env: Record<string, string>): readonly { env: string; problem: string; fix: string }[] {
  try {
    loadConfig(env);
    return [];
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    return err.problems;
  }
}

test('an installation has every wing unless it leaves some out', () => {
  const all = loadConfig({});
  expect([all.wings.leftOut, all.faces]).toEqual([[], { mcp: true, console: true }]);
  const some = loadConfig({ SALLYPORT_LEAVE_OUT: 'mcp, handoff mcp' });
  expect([some.wings.leftOut, some.faces]).toEqual([['mcp', 'handoff'], { mcp: false, console: true }]);
});

test('handoff is a part of outbound: it leaves with it, and leaves alone', () => {
  expect(loadConfig({ SALLYPORT_LEAVE_OUT: 'outbound' }).wings.leftOut).toEqual(['outbound', 'handoff']);
  expect(loadConfig({ SALLYPORT_LEAVE_OUT: 'handoff outbound' }).wings.leftOut).toEqual(['handoff', 'outbound']);
  expect(loadConfig({ SALLYPORT_LEAVE_OUT: 'handoff' }).wings.leftOut).toEqual(['handoff']);
});

test('what cannot be left out is refused, with what can', () =>
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: 'mcp,tokens' })).toMatchObject([
    {
      env: 'SALLYPORT_LEAVE_OUT',
      problem:
        '"tokens" cannot be left out; these can: privacy, compliance, agents, signoff, import, outbound, handoff, monitoring, recovery, mcp, console',
    },
  ]));

test('compliance needs privacy: leaving out privacy alone is refused with the fix', () => {
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: 'privacy' })).toMatchObject([
    { env: 'SALLYPORT_LEAVE_OUT', fix: 'leave out compliance too, or do not leave out privacy' },
  ]);
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: 'privacy,compliance' })).toEqual([]);
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: 'compliance' })).toEqual([]);
});

test.each([
  ['handoff', 'handoff', { HANDOFF_ENDPOINTS: 'siem=https://siem.example/in' }, 'HANDOFF_ENDPOINTS'],
  ['outbound', 'handoff', { SIEM_TARGETS: 'a=ocsf+https://a.example' }, 'SIEM_TARGETS'],
  ['recovery', 'recovery', { RESTORE_DRILL_URL: 'postgres://drill@db.example/postgres' }, 'RESTORE_DRILL_URL'],
  ['import', 'import', { LEGACY_PASSWORD_URL: 'https://old.example/check' }, 'LEGACY_PASSWORD_URL'],
] as const)('without %s, settings that would do nothing are refused', (named, wing, env, name) => {
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: named, ...env })).toContainEqual({
    env: 'SALLYPORT_LEAVE_OUT',
    problem: `leaves out ${wing}, and ${name} would do nothing`,
    fix: `unset ${name}, or do not leave out ${wing}`,
  });
});

test.each(WINGS.filter((wing) => wing !== 'privacy'))('%s can be left out alone', (wing) => {
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: wing })).toEqual([]);
});
