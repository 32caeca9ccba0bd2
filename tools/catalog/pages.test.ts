import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { jsonLines } from './json-lines.ts';
import { ACCEPTED_LICENCES, licencesPage, shippedPackages } from './licences-page.ts';
import { configurationPage, envExample, openApiText } from './pages.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('no generated page shows an object instead of a value', () => {
  const files = ['.env.example', ...globSync('docs/reference/*', { cwd: ROOT })];
  expect(files.length).toBeGreaterThan(5);
  const pages = [configurationPage(), envExample(), ...files.map((file) => readFileSync(resolve(ROOT, file), 'utf8'))];
  for (const page of pages) expect(page).not.toContain('[object');
});

test('a reference of openapi.json takes one line, and the text is the document', () => {
  const document = { schema: { $ref: '#/components/schemas/A' }, security: [{ bearer: [] }, {}], object: { a: 'x' } };
  const text = openApiText(document);
  expect(JSON.parse(text)).toEqual(document);
  expect(text).toContain('  "schema": { "$ref": "#/components/schemas/A" },\n');
  expect(text).toContain('    { "bearer": [] },\n');
  expect(text).toContain('{\n    "a": "x"\n  }');
});

const value = { name: 'a', left: undefined, none: [], panels: [{ id: 1, targets: ['x', null] }, 2, 'text'] };

test.each([0, 1, 2, 3, 9])('JSON in lines is the value, whatever the depth (%i)', (depth) => {
  expect(JSON.parse(jsonLines(value, depth))).toEqual(JSON.parse(JSON.stringify(value)));
});

test('JSON in lines puts what is deeper than the depth into one line', () => {
  expect(jsonLines(value, 0)).toBe(JSON.stringify(value));
  expect(jsonLines(value, 2).split('\n')).toEqual([
    '{',
    ' "name": "a",',
    ' "none": [],',
    ' "panels": [',
    '  {"id":1,"targets":["x",null]},',
    '  2,',
    '  "text"',
    ' ]',
    '}',
  ]);
});

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
