import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CliHarness, openCliHarness } from './cli-harness.ts';

let harness: CliHarness;
let folder: string;
let file: string;
beforeAll(async () => {
  harness = await openCliHarness();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-apply-'));
  file = join(folder, 'permissions.yaml');
});
afterAll(async () => {
  await harness?.close();
  await rm(folder, { recursive: true, force: true });
});

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
