import { describe, expect, test } from 'vitest';
import { leastDistanceKm } from './countries.ts';
import { travelledFrom } from './impossible-travel.ts';

const HOUR = 3_600_000;
const at = (hours: number, country: string | null, agent = 'Firefox') => ({ at: hours * HOUR, country, agent });
const away = (hours: number, country: string | null, agent = 'curl') => at(hours, country, agent);

describe('the least distance between two countries', () => {
  test('is less than that of any two of their cities, in km', () => {
    const frankfurtToNarita = 9_300;
    const distance = leastDistanceKm('DE', 'JP') ?? 0;
    expect(distance).toBeGreaterThan(5_000);
    expect(distance).toBeLessThan(frankfurtToNarita);
    expect(leastDistanceKm('JP', 'DE')).toBe(distance);
  });

  test.each(['DE FR', 'US CA', 'US MX', 'GB FR', 'RU CN', 'ES MA', 'IN IN'])('is zero for neighbours: %s', (pair) => {
    expect(leastDistanceKm(pair.slice(0, 2), pair.slice(3))).toBe(0);
  });

  test('is unknown for a code that is no country', () => expect(leastDistanceKm('DE', 'ZZ')).toBeUndefined());
});

describe('a sign-in is impossible travel', () => {
  test('if no aeroplane is fast enough', () =>
    expect(travelledFrom(away(2, 'JP'), [at(0, 'DE')])).toEqual(at(0, 'DE')));

  test('even if the user signed in from an unknown country in between', () =>
    expect(travelledFrom(away(2, 'JP'), [at(1, null), at(0, 'DE')])).toEqual(at(0, 'DE')));

  test('if it is across a border within ten minutes', () =>
    expect(travelledFrom(away(0.1, 'FR'), [at(0, 'DE')])).toEqual(at(0, 'DE')));

  test.each([
    ['after a flight', away(14, 'JP'), [at(0, 'DE')]],
    ['in the next country', away(0.2, 'FR'), [at(0, 'DE')]],
    ['from an unknown country', away(1, null), [at(0, 'DE')]],
    ['after a sign-in from an unknown country', away(1, 'JP'), [at(0, null)]],
    ['from a country where the user was before', away(50, 'JP'), [at(49, 'DE'), at(0, 'JP')]],
    ['with a browser that the user had before', at(2, 'JP'), [at(0, 'DE')]],
    ['that is the first of its user', away(2, 'JP'), []],
  ])('but not one %s', (_which, signIn, earlier) => expect(travelledFrom(signIn, earlier)).toBeUndefined());
});
