import { expect, test } from 'vitest';
import type { Migration } from '#services/platform/postgres/migration-files.ts';
import { upgradesPage } from './upgrades-page.ts';

const migration = (name: string, changes: Partial<Migration> = {}): Migration => ({
  ...{ name, sql: '', checksum: '', phase: 'expand', down: { sql: '' }, holds: [], isTransactional: true },
  ...changes,
});
const CHANGELOG = `# Changelog
## [0.5.0] - 2027-01-02
### Added
- More.
### Changed
- It is louder ([how](docs/a.md), [why](SECURITY.md), [where](https://a.example)).
## [0.4.0] - 2026-12-01
### Removed
- Silence.
`;

test('each version has its own migrations and changes, the newest first', () => {
  const releases = [
    { version: '0.4.0', migration: '1_a', commit: undefined },
    { version: '0.5.0', migration: '3_c', commit: undefined },
  ];
  const lost = [{ rows: 'SELECT 1', because: 'rows would be lost' }];
  const own = [
    migration('1_a'),
    migration('2_b', { holds: lost }),
    migration('3_c', { down: { because: 'it is old' } }),
  ];
  const [, newest = '', first = ''] = upgradesPage(releases, own, CHANGELOG).split(/^## /m);
  expect(newest).toContain('`npx sallyport upgrade check 0.5.0`');
  expect(newest.match(/\d_\w/g)).toEqual(['2_b', '3_c']);
  expect(newest).toContain('taken back; not if rows would be lost');
  expect(newest).toContain('stays: it is old');
  expect(newest).toContain('louder ([how](../a.md), [why](../../SECURITY.md), [where](https://a.example))');
  expect(newest).not.toMatch(/More|Silence/);
  expect(first.match(/\d_\w/g)).toEqual(['1_a']);
  expect(first).toContain('### 0.4.0: removed\n\n- Silence.');
});
