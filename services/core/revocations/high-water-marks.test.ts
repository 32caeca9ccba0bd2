import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Marks } from '#services/core/ports.ts';
import { databaseStatus, higherMarks } from './high-water-marks.ts';

const marks = { incarnation: 'i1', revocationEpoch: 5, beat: 10 };
const shown = { ...marks, replaced: [] as string[] };

test('a database without marks is trusted in its current state', () => expect(databaseStatus(shown, null)).toBe('new'));

test('a database at its marks or ahead of them is current', () => {
  expect(databaseStatus(shown, marks)).toBe('current');
  expect(databaseStatus({ ...shown, revocationEpoch: 6, beat: 11 }, marks)).toBe('current');
});

test('a database one step behind in either counter is rewound, however far ahead the other is', () => {
  expect(databaseStatus({ ...shown, revocationEpoch: 4, beat: 999 }, marks)).toBe('rewound');
  expect(databaseStatus({ ...shown, revocationEpoch: 999, beat: 9 }, marks)).toBe('rewound');
});

test('another incarnation is rewound unless its database names the marked one as replaced', () => {
  expect(databaseStatus({ ...shown, incarnation: 'i2', revocationEpoch: 999, beat: 999 }, marks)).toBe('rewound');
  expect(databaseStatus({ ...shown, incarnation: 'i2', replaced: ['i0'] }, marks)).toBe('rewound');
  expect(databaseStatus({ incarnation: 'i2', revocationEpoch: 0, beat: 0, replaced: ['i0', 'i1'] }, marks)).toBe(
    'replaced',
  );
});

test('marks only rise within an incarnation, whatever the order of the answers', () => {
  const at = fc.record({ revocationEpoch: fc.nat(50), beat: fc.nat(50) });
  fc.assert(
    fc.property(fc.array(at, { minLength: 1, maxLength: 20 }), (seen) => {
      let high: Marks | null = null;
      for (const next of seen) high = higherMarks(high, { incarnation: 'i1', ...next });
      expect(high!.revocationEpoch).toBe(Math.max(...seen.map((one) => one.revocationEpoch)));
      expect(high!.beat).toBe(Math.max(...seen.map((one) => one.beat)));
    }),
  );
  expect(higherMarks(marks, { incarnation: 'i2', revocationEpoch: 1, beat: 1 })).toEqual({
    incarnation: 'i2',
    revocationEpoch: 1,
    beat: 1,
  });
});
