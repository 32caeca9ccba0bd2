import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const readme = readFileSync(resolve(import.meta.dirname, '../../README.md'), 'utf8');

test('a stranger reads at most five points before the first command', () => {
  const [before = ''] = readme.split('```');
  expect(before.match(/^\s*[-*] /gm)?.length).toBeLessThanOrEqual(5);
  expect(before.length).toBeLessThan(2_000);
});

test('the map of the README has every folder of services', () => {
  const [map = ''] = readme.split('## Map')[1]?.split('\n## ') ?? [];
  for (const each of ['api', 'worker', 'mcp', 'migrate', 'embedding', 'domain', 'platform', 'supervisor'])
    expect(map).toContain(`services/${each} `);
});
