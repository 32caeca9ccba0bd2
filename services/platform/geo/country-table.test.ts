import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { noCountry, openCountryTable } from './country-table.ts';

describe('the shipped table of countries', () => {
  const countryOf = openCountryTable(undefined);

  test.each([
    ['194.25.2.129', 'DE'],
    ['::ffff:194.25.2.129', 'DE'],
    ['133.11.0.1', 'JP'],
    ['2001:200::1', 'JP'],
  ])('knows where %s is', (ip, country) => expect(countryOf(ip)).toBe(country));

  test.each([null, '', '10.0.0.1', '192.0.2.1', '127.0.0.1', '::1', 'fe80::1%eth0', 'not an address'])(
    'knows no country of %j',
    (ip) => expect(countryOf(ip)).toBeNull(),
  );
});

test('no table, no country', () => {
  expect(openCountryTable('none')).toBe(noCountry);
  expect(noCountry('194.25.2.129')).toBeNull();
});

test('a file of another format stops the start', () => {
  const file = join(tmpdir(), `${process.pid}.mmdb`);
  writeFileSync(file, 'not a table');
  expect(() => openCountryTable(file)).toThrow();
  rmSync(file);
  expect(() => openCountryTable(file)).toThrow('ENOENT');
});
