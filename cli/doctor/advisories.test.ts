import { describe, expect, test } from 'vitest';
import type { Advisory } from '#services/platform/advisories/advisories.ts';
import { advisoriesResult } from './advisories.ts';

const NOW = new Date('2026-11-26');
const known: Advisory = {
  id: 'CVE-2026-1',
  product: 'redis',
  affected: [{ from: '7.0.0', before: '7.2.11' }],
  severity: 'high',
  title: 'reads too far',
  exposure: 'exposed',
  why: 'every process asks it',
};
const resultOf = (change: Partial<Advisory>, asOf = '2026-11-20', version = '7.0.15') =>
  advisoriesResult({ asOf, advisories: [{ ...known, ...change }] }, { redis: version }, NOW);
const accepted = { until: '2026-12-31', reason: 'it listens on loopback alone' };

describe('the advisories of what is installed', () => {
  test('an advisory to which this installation is exposed fails, with the version that has the fix', () =>
    expect(resultOf({})).toMatchObject({
      result: 'fail',
      fix: 'install redis 7.2.11 or newer',
      items: ['redis 7.0.15: CVE-2026-1 (high), reads too far; every process asks it'],
    }));

  test('one that is accepted warns until its last day, and one without effect is counted only', () => {
    expect(resultOf({ accepted }).result).toBe('warn');
    expect(resultOf({ accepted: { ...accepted, until: '2026-11-25' } }).result).toBe('fail');
    expect(resultOf({ exposure: 'none' })).toEqual({
      result: 'pass',
      evidence: '0 open, 0 accepted for a time, 1 without effect here; list of 2026-11-20',
    });
  });

  test('a list that is three months old only warns, with its age', () => {
    expect(resultOf({}, '2026-08-26', '7.2.11')).toMatchObject({
      result: 'warn',
      evidence: expect.stringContaining('92 days old'),
    });
    expect(resultOf({}, '2026-08-26').result).toBe('fail');
  });
});
