import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { CommandError } from './exit-codes.ts';
import { readPermissionFile } from './permission-file.ts';

const folder = testFolder();
const file = join(folder, 'permissions.yaml');

function read(text: string) {
  writeFileSync(file, text);
  return readPermissionFile(file);
}
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (err) {
    if (err instanceof CommandError) return err.message.replaceAll(`${folder}/`, '');
  }
  throw new Error('not refused');
}
const NOTES = `application: notes
audience: https://notes.example
permissions: [notes:read, notes:write]
roles:
  editor: [notes:read, notes:write]
`;

test('a file is read as YAML or JSON; roles may be left out', () => {
  const { declaration } = read(NOTES);
  expect(declaration).toEqual({
    application: 'notes',
    audience: 'https://notes.example',
    authorization_details: {},
    permissions: ['notes:read', 'notes:write'],
    roles: { editor: ['notes:read', 'notes:write'] },
    scopes: {},
    signoff_policies: [],
  });
  expect(read(JSON.stringify(declaration)).declaration).toEqual(declaration);
  expect(read('application: notes\naudience: x\npermissions: []\n').declaration.roles).toEqual({});
});

test('problems of the rules get the line of their entry, or of what is around it', () => {
  const { refused } = read(NOTES);
  const problems = [
    { at: 'body/roles/editor/1', why: 'is wrong' },
    { at: 'body/roles/none', why: 'is missing' },
    { at: 'body/nothing', why: 'is missing' },
    { at: 'body', why: '5 more problems' },
  ];
  expect(refused(problems).message.replaceAll(`${folder}/`, '').split('\n')).toEqual([
    'permissions.yaml:5: roles/editor/1 is wrong',
    'permissions.yaml:5: roles/none is missing',
    'permissions.yaml:1: nothing is missing',
    'permissions.yaml:1: 5 more problems',
  ]);
});

const entries = Array.from({ length: 10_001 }, () => '  - notes:read').join('\n');

test.each<[string, string, string]>([
  ['of another shape', 'application: notes\npermission: []\n', 'permissions.yaml:1: audience is missing'],
  ['with an unknown member', `${NOTES}tenants: []\n`, 'permissions.yaml:1: has no member tenants'],
  ['that is no mapping', '- notes', 'permissions.yaml:1: must be a map of names to values'],
  ['that is empty', '', 'permissions.yaml:1: must be a map of names to values'],
  [
    'with more than ten thousand entries',
    `application: notes\naudience: x\npermissions:\n${entries}\n`,
    'permissions.yaml:4: permissions may have at most 10000 entries',
  ],
  ['with a role listed twice', `${NOTES}  editor: []\n`, 'permissions.yaml:6: Map keys must be unique'],
  ['with an alias', 'application: &a notes\naudience: *a\npermissions: []\n', 'permissions.yaml has an alias'],
  ['with a role that objects reserve', `${NOTES}  __proto__: []\n`, 'permissions.yaml:6: roles/__proto__ is no name'],
  ['with lists in lists', `permissions: ${'['.repeat(20_000)}`, 'permissions.yaml nests lists too deeply'],
  ['with lists in lists, line by line', '- '.repeat(20_000), 'permissions.yaml nests lists too deeply'],
  ['with mappings in mappings', '{a: '.repeat(20_000), 'permissions.yaml nests lists too deeply'],
  ['that is indented far', `roles:\n${' '.repeat(5_000)}- x`, 'permissions.yaml nests lists too deeply'],
  ['that is too large', `# ${'x'.repeat(1_048_576)}`, 'permissions.yaml is larger than 1 MB'],
])('a file %s is refused with its line', (_what, text, expected) => {
  expect(refusal(() => read(text))).toContain(expected);
});

test('a refusal does not repeat characters that a terminal obeys', () =>
  expect(refusal(() => read('roles:\n  "\\e]0;x\\a": 1\n'))).toContain('roles/\ufffd]0;x\ufffd'));

test('a file that cannot be read is named', () =>
  expect(refusal(() => readPermissionFile(join(folder, 'none.yaml')))).toBe('none.yaml cannot be read'));
