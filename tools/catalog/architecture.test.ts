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

const ROOT = resolve(import.meta.dirname, '../..');
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
