import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { callerDecisions } from './caller-kinds.ts';

const at = (path: string, text: string) => callerDecisions([{ path, text }], []);

test('only the authority module decides by the kind of a caller', () => {
  const { status, stderr } = spawnSync(process.execPath, [resolve(import.meta.dirname, 'callers.ts')], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test.each([
  [`if (caller.kind === 'user') return;`, 'caller.kind'],
  [`if (person?.kind !== 'agent') throw no();`, 'person?.kind'],
  [`const isClient = 'client' === asking.kind;`, 'asking.kind'],
  [`const { kind } = caller;\nif (kind !== 'system') throw no();`, 'kind'],
  ['const limit = LIMITS[caller.kind];', 'caller.kind'],
  [`switch (who.kind) { case 'anonymous': return 1; }`, `case 'anonymous'`],
  [`if ('permissions' in who) allow();`, `'permissions' in who`],
  [`if (who.by === 'api_key') throw no();`, 'who.by'],
])('a planted decision outside it is found: %s', (text, expression) => {
  expect(at('services/core/x/y.ts', text)).toContain(`services/core/x/y.ts: ${expression}`);
  expect(at('services/core/authority/y.ts', text)).toEqual([]);
  expect(at('services/core/x/y.test.ts', text)).toEqual([]);
});

test('types and new callers are no decisions', () => {
  expect(at('services/core/x/y.ts', `type User = Caller & { readonly kind: 'user' };`)).toEqual([]);
  expect(at('services/core/x/y.ts', `const caller = { kind: 'system', name: 'job', request };`)).toEqual([]);
});

test('an exception is for one expression of one file, and is reported when nothing needs it', () => {
  const allowed = [{ path: 'a.ts', expression: 'owner.kind', reason: 'a row' }];
  const row = { path: 'a.ts', text: `owner.kind === 'user'` };
  expect(callerDecisions([row], allowed)).toEqual([]);
  expect(callerDecisions([{ ...row, text: `${row.text}; caller.kind === 'user'` }], allowed)).toEqual([
    'a.ts: caller.kind',
  ]);
  expect(callerDecisions([], allowed)).toEqual(['unused: a.ts: owner.kind']);
});
