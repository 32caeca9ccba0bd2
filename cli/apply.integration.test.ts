import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { openCliHarness } from './cli-harness.ts';

const harness = opened(() => openCliHarness());
const folder = testFolder();
const file = join(folder, 'permissions.yaml');

const because = ['--reason', 'test'];
async function apply(text: string, ...args: string[]) {
  await writeFile(file, text);
  return harness.sallyport(['apply', file, ...because, ...args]);
}
const NOTES = `application: notes
audience: https://notes.example
permissions: [notes:read, notes:write]
roles:
  editor: [notes:read, notes:write]
`;

test('sallyport apply shows what it would change, changes it, and then finds it as declared', async () => {
  const dry = await apply(NOTES, '--dry-run');
  expect([dry.code, dry.err]).toEqual([0, expect.stringContaining('would change application notes; nothing was done')]);
  expect(dry.out.trim().split('\n')).toEqual([
    '+ application notes',
    '  + notes:read',
    '  + notes:write',
    '  role + editor',
    '  role editor: + notes:read',
    '  role editor: + notes:write',
  ]);
  expect((await harness.json(['applications', 'list'])).applications).toEqual([]);
  expect((await apply(NOTES)).code).toBe(4);
  expect((await apply(NOTES, '--yes')).out).toBe(dry.out);
  expect((await harness.json(['applications', 'list'])).applications).toMatchObject([{ application: 'notes' }]);
  const again = await apply(NOTES, '--yes');
  expect([again.code, again.out, again.err]).toEqual([0, '', expect.stringContaining('notes is as declared')]);
  const dryAgain = await apply(NOTES, '--dry-run');
  expect([dryAgain.code, dryAgain.out, dryAgain.err]).toEqual([0, '', again.err]);
  const less = NOTES.replaceAll(', notes:write', '');
  expect((await apply(less, '--yes')).out.trim().split('\n')).toEqual([
    'application notes',
    '  - notes:write',
    '  role editor: - notes:write',
  ]);
  expect((await harness.sallyport(['applications', 'list'])).out).toContain('permissions notes:read  roles editor');
  expect((await harness.sallyport(['applications', 'delete', 'notes', ...because, '--yes'])).out).toContain('deleted');
  expect((await harness.sallyport(['applications', 'delete', 'notes', ...because, '--yes'])).code).toBe(2);
});

test('sallyport apply shows policies of sign-off as it shows roles', async () => {
  const policy = (quorum: number) => `application: ship
audience: https://ship.example
permissions: []
signoff_policies:
  - act: release.deploy
    roles: [qa, architect]
    quorum: ${quorum}
`;
  const created = await apply(policy(2), '--yes');
  expect(created.out.trim().split('\n')).toEqual([
    '+ application ship',
    '  sign-off + release.deploy',
    '  sign-off release.deploy: + roles architect, qa',
    '  sign-off release.deploy: + quorum 2',
    '  sign-off release.deploy: + lifetime_minutes 1440',
  ]);
  const dry = await apply(policy(1), '--dry-run');
  expect(dry.out.trim().split('\n')).toEqual([
    'application ship',
    '  sign-off release.deploy: + quorum 1',
    '  sign-off release.deploy: - quorum 2',
  ]);
  const wrong = await apply(policy(3), '--yes');
  expect([wrong.code, wrong.err]).toEqual([
    2,
    expect.stringContaining('permissions.yaml:7: signoff_policies/0/quorum is 3'),
  ]);
  await harness.sallyport(['applications', 'delete', 'ship', ...because, '--yes']);
});

test('sallyport apply shows the words of scopes that change, and names the line of wrong ones', async () => {
  const words = (scope: string, text: string) => `application: memo
audience: https://memo.example
permissions: [memo:read]
scopes:
  ${scope}: { en: ${text}, de: Ihre Notizen lesen }
`;
  const created = await apply(words('memo:read', 'read your memos'), '--yes');
  expect(created.out).toContain('  scope + memo:read ["read your memos","Ihre Notizen lesen"]');
  const wrong = await apply(words('memo:write', 'write'), '--yes');
  expect([wrong.code, wrong.err]).toEqual([
    2,
    expect.stringContaining(':5: scopes/memo:write is not among permissions'),
  ]);
  const long = await apply(words('memo:read', 'x'.repeat(81)), '--yes');
  expect([long.code, long.err]).toEqual([2, expect.stringContaining(':5: scopes/memo:read/en')]);
  await harness.sallyport(['applications', 'delete', 'memo', ...because, '--yes']);
});

test('sallyport apply names the line of what the rules refuse, and changes nothing', async () => {
  const wrong = 'application: notes\naudience: own\npermissions:\n  - notes:read\n  - users:read\n  - notes:read\n';
  await writeFile(file, wrong);
  const { code, err } = await harness.sallyport(['apply', file, ...because, '--yes'], { JWT_AUDIENCE: 'own' });
  expect(code).toBe(2);
  for (const line of [
    ':2: audience is the audience of the installation; an application needs one of its own',
    ':5: permissions/1 permissions that begin with users: belong to the installation',
    ':6: permissions/2 "notes:read" is listed before, as permissions/0',
  ])
    expect(err).toContain(`permissions.yaml${line}`);
  expect((await harness.json(['applications', 'list'])).applications).toEqual([]);
});
