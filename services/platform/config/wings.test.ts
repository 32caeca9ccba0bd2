import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './load.ts';
import { hasWing, WINGS } from './wings.ts';

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
  const all = loadConfig({}).wings;
  expect(WINGS.filter((wing) => !hasWing(all, wing))).toEqual([]);
  const some = loadConfig({ SALLYPORT_LEAVE_OUT: 'mcp, handoff mcp' }).wings;
  expect(some.leftOut).toEqual(['mcp', 'handoff']);
  expect(WINGS.filter((wing) => !hasWing(some, wing))).toEqual(['handoff', 'mcp']);
});

test('what cannot be left out is refused, with what can', () => {
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: 'mcp,tokens' })).toMatchObject([
    {
      env: 'SALLYPORT_LEAVE_OUT',
      problem: '"tokens" cannot be left out; these can: privacy, compliance, agents, signoff, handoff, mcp, console',
    },
  ]);
});

test('compliance needs privacy: leaving out privacy alone is refused with the fix', () => {
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: 'privacy' })).toMatchObject([
    { env: 'SALLYPORT_LEAVE_OUT', fix: 'leave out compliance too, or do not leave out privacy' },
  ]);
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: 'privacy,compliance' })).toEqual([]);
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: 'compliance' })).toEqual([]);
});

test('endpoints of hand-offs that would get nothing are refused', () => {
  const env = { SALLYPORT_LEAVE_OUT: 'handoff', HANDOFF_ENDPOINTS: 'siem=https://siem.example/in' };
  expect(problemsOf(env)).toMatchObject([
    { env: 'SALLYPORT_LEAVE_OUT', fix: expect.stringContaining('HANDOFF_ENDPOINTS') },
  ]);
});

test.each(WINGS.filter((wing) => wing !== 'privacy'))('%s can be left out alone', (wing) => {
  expect(problemsOf({ SALLYPORT_LEAVE_OUT: wing })).toEqual([]);
});
