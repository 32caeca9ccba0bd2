import { describe, expect, test } from 'vitest';
import {
  ADVISORIES,
  type Advisory,
  advisoriesMet,
  compareVersions,
  describeMet,
  fixedVersionOf,
  isOpen,
  listDays,
} from './advisories.ts';

const advisory: Advisory = {
  id: 'CVE-2026-1',
  product: 'node',
  affected: [
    { from: '22.0.0', before: '22.23.4' },
    { from: '24.0.0', before: '24.22.1' },
  ],
  severity: 'high',
  title: 'reads too far',
  exposure: 'exposed',
  why: 'requests reach it',
};
const list = { asOf: '2026-11-01', advisories: [advisory] };
const metBy = (version: string) => advisoriesMet(list, { node: version }).length;

describe('the list of advisories', () => {
  test('compares versions by their numbers', () => {
    expect(compareVersions('1.7.9', '1.7.25')).toBeLessThan(0);
    expect(compareVersions('18.4', '18.4.0')).toBe(0);
    expect(compareVersions('v24.22.1', '24.21.0')).toBeGreaterThan(0);
    expect(compareVersions('18.4.0-beta.17', '18.7')).toBeLessThan(0);
  });

  test('an advisory is about the versions of its ranges and no others', () => {
    expect(['21.9.9', '22.0.0', '22.23.3', '22.23.4', '24.21.0', '24.22.1', '25.1.0'].map(metBy)).toEqual([
      0, 1, 1, 0, 1, 0, 0,
    ]);
    expect(advisoriesMet(list, { redis: '24.0.0' })).toEqual([]);
  });

  test('a version that cannot be read is taken for an affected one', () => expect(metBy('built here')).toBe(1));

  test('an exposure is open until it is accepted, and again after the last day', () => {
    const accepted = { ...advisory, accepted: { until: '2026-12-31', reason: 'no release has the fix' } };
    expect(isOpen(advisory, new Date('2026-11-26'))).toBe(true);
    expect(isOpen(accepted, new Date('2026-12-31T23:59:59Z'))).toBe(false);
    expect(isOpen(accepted, new Date('2027-01-01T00:00:00Z'))).toBe(true);
    expect(isOpen({ ...advisory, exposure: 'none' }, new Date('2026-11-26'))).toBe(false);
  });

  test('a line says what is installed and why it matters or not, and the fix is of its release line', () => {
    const [met] = advisoriesMet(list, { node: '24.21.0' });
    if (met === undefined) throw new Error('not met');
    expect(describeMet(met, new Date('2026-11-26'))).toBe(
      'node 24.21.0: CVE-2026-1 (high), reads too far; requests reach it',
    );
    expect(describeMet({ ...met, exposure: 'none' }, new Date())).toContain('not exposed: requests reach it');
    expect(fixedVersionOf(met)).toBe('24.22.1');
  });

  test('its age is in whole days', () => expect(listDays(list, new Date('2026-11-30T12:00:00Z'))).toBe(29));

  test('each entry has a range, a reason, and an acceptance that ends', () => {
    for (const { id, affected, why, exposure, accepted } of ADVISORIES.advisories) {
      expect(affected.length, id).toBeGreaterThan(0);
      expect(why.length, id).toBeGreaterThan(10);
      if (accepted) {
        expect(exposure, id).toBe('exposed');
        expect(accepted.until, id).toMatch(/^\d{4}-\d{2}-\d{2}$/);
        expect(accepted.reason.length, id).toBeGreaterThan(20);
      }
    }
  });
});
