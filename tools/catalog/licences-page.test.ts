import { expect, test } from 'vitest';
import { ACCEPTED_LICENCES, licencesPage, shippedPackages } from './licences-page.ts';

const packages = shippedPackages();

test('every package that ships has a licence that lets it ship', () => {
  expect(packages.length).toBeGreaterThan(180);
  const others = packages.filter(({ license }) => !ACCEPTED_LICENCES.has(license));
  expect(others.map(({ name, license }) => `${name}: ${license}`)).toEqual([]);
  expect([...ACCEPTED_LICENCES].filter((licence) => /GPL|SSPL|BUSL|Commons/.test(licence))).toEqual([]);
});

test('the page has a row for each package, and counts licences', () => {
  const text = licencesPage(packages);
  for (const { name, version, license } of packages)
    expect(text).toContain(`| \`${name}\` | ${version} | ${license} |`);
  const counted = [...text.matchAll(/^\| [^`|]+ \| (\d+) \|$/gm)].map(([, count]) => Number(count));
  expect(counted.reduce((sum, each) => sum + each, 0)).toBe(packages.length);
});
