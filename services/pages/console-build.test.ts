import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { actionNames, effectTexts, seenTexts, undoTexts } from '#console/src/texts/detections.ts';
import { actions, detections } from '#services/core/security/detections.ts';

const CONSOLE = resolve(import.meta.dirname, '../../console');
const FIRST_VIEW_BYTES = 120 * 1_024;

type Chunk = { readonly file: string; readonly css?: readonly string[]; readonly imports?: readonly string[] };
const manifest: Readonly<Record<string, Chunk>> = JSON.parse(
  readFileSync(join(CONSOLE, 'dist/.vite/manifest.json'), 'utf8'),
);

/** The files that opening one chunk loads: itself and what it imports, not what it loads later. */
function filesOf(name: string, seen = new Set<string>()): Set<string> {
  const chunk = manifest[name];
  if (chunk === undefined) throw new Error(`no chunk ${name}`);
  for (const file of [chunk.file, ...(chunk.css ?? [])]) seen.add(file);
  for (const imported of chunk.imports ?? []) if (!seen.has(manifest[imported]?.file ?? '')) filesOf(imported, seen);
  return seen;
}

const compressed = (file: string): number => gzipSync(readFileSync(join(CONSOLE, 'dist', file)), { level: 9 }).length;

describe('the built console', () => {
  test('its first view is at most 120 KB compressed, whichever page is first', () => {
    const pages = Object.keys(manifest).filter((name) => name.startsWith('src/pages/'));
    expect(pages.length).toBeGreaterThan(2);
    for (const page of pages) {
      const files = new Set(['index.html', ...filesOf('index.html'), ...filesOf(page)]);
      const bytes = [...files].reduce((sum, file) => sum + compressed(file), 0);
      expect(bytes, page).toBeGreaterThan(10_000);
      expect(bytes, page).toBeLessThanOrEqual(FIRST_VIEW_BYTES);
    }
  });

  test('nothing in it runs text as code, makes markup from text or names another origin', () => {
    for (const file of globSync('dist/assets/*.js', { cwd: CONSOLE })) {
      const text = readFileSync(join(CONSOLE, file), 'utf8');
      expect([file, /\beval\(|new Function\(|document\.write/.exec(text)]).toEqual([file, null]);
    }
    for (const file of globSync('src/**/*.{ts,tsx}', { cwd: CONSOLE })) {
      const text = readFileSync(join(CONSOLE, file), 'utf8');
      expect([file, /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML/.exec(text)]).toEqual([file, null]);
      expect([file, /https?:\/\/(?!www\.w3\.org)/.exec(text)]).toEqual([file, null]);
    }
  });
});

test('the console imports its own files, its libraries and the client package, and nothing of the server', () => {
  const libraries = ['preact', 'preact/hooks', 'preact-iso', '@tanstack/preact-query', 'vite'];
  for (const file of globSync('{src/**/*.{ts,tsx},*.ts}', { cwd: CONSOLE })) {
    const text = readFileSync(join(CONSOLE, file), 'utf8');
    for (const [, from = ''] of text.matchAll(/(?:from |import\()'([^']+)'/g)) {
      const isOwn = from.startsWith('.') && resolve(CONSOLE, file, '..', from).startsWith(`${CONSOLE}/`);
      const isClient = from.endsWith('/sdks/client/src/index.ts');
      expect([file, from, isOwn || isClient || libraries.includes(from)]).toEqual([file, from, true]);
    }
  }
});

const figures = (text: string): readonly string[] => (text.match(/\d+/g) ?? []).sort();
const actionTexts = (of: 'effect' | 'undo') =>
  Object.fromEntries(Object.entries(actions).map(([name, texts]) => [name, texts[of]]));

describe('what the console says of an incident', () => {
  test('in English it is what the detection or action declares', () => {
    expect(seenTexts.en).toEqual(Object.fromEntries(detections.map(({ name, meaning }) => [name, meaning])));
    expect([effectTexts.en, undoTexts.en]).toEqual([actionTexts('effect'), actionTexts('undo')]);
  });

  test.each(Object.entries({ seenTexts, effectTexts, undoTexts, actionNames }))(
    '%s has a German text for each, with the same figures',
    (_, { en, de }) => {
      expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
      for (const [name, text] of Object.entries<string>(de)) {
        const english = (en as Readonly<Record<string, string>>)[name] ?? '';
        expect([name, text.trim() !== '', text !== english]).toEqual([name, true, true]);
        expect([name, figures(text)]).toEqual([name, figures(english)]);
      }
    },
  );

  test('every action has its own undo', () => {
    const texts = Object.values(undoTexts.en);
    expect(new Set(texts).size).toBe(texts.length);
  });
});
