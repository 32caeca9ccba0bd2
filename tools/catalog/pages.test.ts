import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  ARROWS,
  moduleLine,
  modulesPicture,
  PROCESSES,
  processesPicture,
  WALKS,
  walksPicture,
} from './architecture.ts';
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

const names = PROCESSES.flat().map(({ name }) => name);

describe('the pictures of the architecture', () => {
  test('show every process that has a program, and only processes that exist', () => {
    const programs = globSync('services/*/main.ts', { cwd: ROOT }).map((path) => path.split('/')[1] as string);
    expect(programs.length).toBeGreaterThan(3);
    expect(names).toEqual(expect.arrayContaining(programs));
    expect(names).toContain('supervisor');
  });

  test('draw each arrow between two boxes', () => {
    for (const [from, to] of ARROWS) expect(names, `${from} → ${to}`).toEqual(expect.arrayContaining([from, to]));
    expect(processesPicture().match(/marker-end/g)).toHaveLength(ARROWS.length);
  });

  test('have every module in the order of the boundary rules', () => {
    const line = moduleLine();
    const folders = globSync('services/core/*/README.md', { cwd: ROOT }).map((path) => path.split('/')[2] as string);
    expect(line).toEqual(expect.arrayContaining(folders));
    expect([...modulesPicture().matchAll(/middle">([\w-]+)</g)].map(([, name]) => name)).toEqual(line);
  });

  test.each(Object.entries(WALKS))('the walk %s has eight steps, each in a file that exists', (_name, rooms) => {
    expect(rooms).toHaveLength(8);
    for (const [, file] of rooms)
      expect(globSync(`services/${file.replace('*', '**')}`, { cwd: ROOT }), file).toHaveLength(1);
  });

  test('the walks that are traced pass through files of the trace', () => {
    const traced = readFileSync(resolve(ROOT, 'docs/reference/walks.md'), 'utf8');
    const sections = new Map(
      [...traced.matchAll(/^\d\. \*\*([^*]+)\*\*(.*)$/gm)].map(([, name, text]) => [name as string, text as string]),
    );
    const missing = Object.entries(WALKS).flatMap(([walk, rooms]) => {
      const text = sections.get(walk);
      const nameOf = (file: string) => file.slice(file.lastIndexOf('/') + 1, -'.ts'.length);
      return text === undefined ? [] : rooms.map(([, file]) => nameOf(file)).filter((name) => !text.includes(name));
    });
    expect([...sections.keys()]).toEqual(expect.arrayContaining(['Validate', 'Refresh', 'Sign in', 'Audit event']));
    expect(missing.filter((name) => name !== 'producer')).toEqual([]);
  });

  test('are well-formed, and readable in light and dark', () => {
    for (const svg of [processesPicture(), modulesPicture(), walksPicture()]) {
      const open = svg.match(/<(svg|g|defs|marker|style|title|text)\b/g)?.length;
      expect(svg.match(/<\/(svg|g|defs|marker|style|title|text)>/g)?.length).toBe(open);
      expect(svg).toContain('prefers-color-scheme: dark');
      expect(svg).toMatch(/^<svg [^>]*role="img" aria-label="[^"]+">/);
    }
  });
});
