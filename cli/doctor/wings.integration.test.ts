import { expect, test } from 'vitest';
import { wingsResult } from './wings.ts';

test('without the setting every wing is named', () => {
  expect(wingsResult([], {})).toEqual({
    result: 'pass',
    evidence:
      'all: privacy, compliance, agents, signoff, import, outbound, handoff, monitoring, recovery, mcp, console',
  });
});

test('what is left out is named, whatever other wings have', () => {
  expect(wingsResult(['mcp', 'handoff'], { agents: true, privacy: true })).toEqual({
    result: 'pass',
    evidence: 'left out: mcp, handoff',
  });
  expect(wingsResult(['agents'], { agents: false })).toEqual({ result: 'pass', evidence: 'left out: agents' });
});

test('a wing that is left out with work to do is a warning', () => {
  const { result, evidence } = wingsResult(['agents', 'signoff'], { agents: true, privacy: true, signoff: true });
  expect([result, evidence]).toEqual([
    'warn',
    'left out: agents, signoff; agents live, and the API cannot kill them; sign-offs are open, and no person can decide them',
  ]);
});
