import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { createAccessDirectory } from './access-directory.ts';
import { applicationPermissionsOf, heldToHandOn, permissionsAt, rightsAt, scopeWordsOf } from './application-rights.ts';
import type { Declaration } from './declaration.ts';
import { detailTypeLine } from './detail-type.ts';
import { declareApplication, deleteApplication, listApplications } from './manage-applications.ts';
import { registerClient } from './manage-clients.ts';
import { openClientHarness } from './manage-clients-harness.ts';
import { deleteRole, setRolePermissions } from './manage-roles.ts';
import { hasChanges } from './plan-application.ts';
import { rightsOf, rightsToGrant } from './role-rights.ts';
import { signOffPolicyShape } from './signoff-policy-shapes.ts';

const ownAudiences = ['https://auth.test'];
const reason = 'test';
const NOTES = 'https://notes.test';

const harness = opened(openClientHarness);
const access = partOf(() => harness.access);

const notes: Declaration = {
  application: 'notes',
  audience: NOTES,
  permissions: ['notes:write', 'notes:read'],
  roles: { editor: ['notes:write', 'notes:read'], reader: ['notes:read'] },
};
const schema = { type: 'object', properties: { to: { type: 'string' } }, required: ['to'] };
const payment = { schema, words: { en: 'pay {to}', de: '{to} zahlen' }, bound: ['to'], signoff: false };
const declare = (changes: Partial<Declaration> = {}, isDryRun?: boolean) =>
  declareApplication({ ...harness, ownAudiences }, { ...notes, ...changes, reason, dry_run: isDryRun }, testCaller);

async function newHolder(role: string): Promise<string> {
  const id = randomUUID();
  await harness.raw`INSERT INTO users (id, email) VALUES (${id}, ${`${id}@example.test`})`;
  await harness.raw`INSERT INTO user_roles (user_id, role) VALUES (${id}, ${role})`;
  return id;
}
const epochOf = async (userId: string) =>
  (await harness.raw<{ epoch: number }>`SELECT "tokenEpoch" AS epoch FROM users WHERE id = ${userId}`)[0]?.epoch;
const clientEpochOf = async (clientId: string) =>
  (
    await harness.raw<{ epoch: number }>`SELECT "tokenEpoch" AS epoch FROM oauth_clients WHERE "clientId" = ${clientId}`
  )[0]?.epoch;

/** Details of the newest events of the application, the last first. */
const logged = async (limit = 1) => {
  const events = await harness.raw<{ detail: object }>`SELECT detail FROM audit_outbox
    WHERE type = 'application.declared' AND target_id = 'notes' ORDER BY id DESC LIMIT ${limit}`;
  return events.map(({ detail }) => detail);
};

const versionNow = async () =>
  (await harness.raw<{ v: number }>`SELECT access_version::int AS v FROM feed_state`)[0]?.v as number;

beforeEach(async () => {
  await harness.raw`DELETE FROM user_roles WHERE role LIKE '%.%'`;
  for (const { application } of (await listApplications(harness, { limit: 100 })).applications)
    await deleteApplication(harness, { application, reason }, testCaller);
});

test('applications are listed by name, one page at a time', async () => {
  await declare();
  const other = { application: 'board', audience: 'https://board.test', permissions: ['board:read'], roles: {} };
  await declare(other);
  const first = await listApplications(harness, { limit: 1 });
  const second = await listApplications(harness, { limit: 1, cursor: first.next ?? undefined });
  const named = [...first.applications, ...second.applications].map(({ application }) => application);
  expect([named, second.next]).toEqual([['board', 'notes'], null]);
});

describe('declaring an application', () => {
  test('creates it with its permissions and roles, and the same declaration again changes nothing', async () => {
    const first = await declare();
    const view = {
      application: 'notes',
      audience: NOTES,
      permissions: ['notes:read', 'notes:write'],
      roles: { editor: ['notes:read', 'notes:write'], reader: ['notes:read'] },
      scopes: {},
      signoff_policies: [],
      authorization_details: {},
    };
    expect(first.application).toEqual(view);
    expect(first.changes).toEqual({
      created: true,
      permissions: { added: ['notes:read', 'notes:write'], removed: [] },
      roles: {
        added: ['editor', 'reader'],
        removed: [],
        changed: [
          { role: 'editor', added: ['notes:read', 'notes:write'], removed: [] },
          { role: 'reader', added: ['notes:read'], removed: [] },
        ],
      },
      scopes: { added: [], removed: [] },
      authorization_details: { added: [], removed: [] },
      signoff_policies: { added: [], removed: [], changed: [] },
      users: 0,
    });
    harness.reloads = 0;
    expect(hasChanges((await declare()).changes)).toBe(false);
    expect(harness.reloads).toBe(0);
    expect(await listApplications(harness, { limit: 10 })).toEqual({ applications: [view], next: null });
    expect(await logged()).toEqual([{ added: ['notes:read', 'notes:write'], removed: [], reason }]);
  });

  test('stores the words of its scopes, which every copy then knows; what is left out is removed', async () => {
    const read = { en: 'read your notes', de: 'Ihre Notizen lesen' };
    const first = await declare({ scopes: { 'notes:read': read } });
    expect(first.application.scopes).toEqual({ 'notes:read': read });
    expect(first.changes.scopes).toEqual({
      added: ['notes:read ["read your notes","Ihre Notizen lesen"]'],
      removed: [],
    });
    await access.load();
    const named = (scopes: readonly string[]) => [...scopeWordsOf({ access }, scopes)];
    expect(named(['openid', 'notes:read', 'notes:write'])).toEqual([['notes:read', read]]);
    expect(named(['notes:write'])).toEqual([]);
    expect(hasChanges((await declare({ scopes: { 'notes:read': read } })).changes)).toBe(false);
    const before = await versionNow();
    const changed = await declare({ scopes: { 'notes:read': { en: 'see notes' } } });
    expect(changed.changes.scopes).toEqual({
      added: ['notes:read ["see notes"]'],
      removed: ['notes:read ["read your notes","Ihre Notizen lesen"]'],
    });
    expect(await versionNow()).toBe(before + 1);
    expect((await declare()).application.scopes).toEqual({});
    expect(await logged()).toEqual([{ added: [], removed: [], scopes: 'changed', reason }]);
  });

  test('stores its types of authorization details; one that changed is removed and added, and is no other application’s', async () => {
    const line = (en: string) => detailTypeLine('payment', { ...payment, words: { ...payment.words, en } });
    const put = (en = 'pay {to}', changes: Partial<Declaration> = {}, isDryRun?: boolean) => {
      const types = { payment: { ...payment, words: { ...payment.words, en } } };
      return declare({ authorization_details: types, ...changes }, isDryRun);
    };
    const first = await put();
    expect(first.application.authorization_details).toEqual({ payment });
    expect(first.changes.authorization_details).toEqual({ added: [line('pay {to}')], removed: [] });
    expect(hasChanges((await put()).changes)).toBe(false);
    await put('send {to}', {}, true);
    expect(access.application(NOTES)?.detailTypes.get('payment')).toEqual(payment);
    const { changes } = await put('send {to}');
    expect(changes.authorization_details).toEqual({ added: [line('send {to}')], removed: [line('pay {to}')] });
    const wiki = { application: 'wiki', audience: 'https://wiki.test', permissions: [], roles: {} };
    await expect(put('pay {to}', wiki)).rejects.toMatchObject({ code: 'declaration_invalid' });
    expect((await declare()).changes.authorization_details).toEqual({ added: [], removed: [line('send {to}')] });
    expect([...access.publishedDetailTypes(), (await put('pay {to}', wiki)).application.application]).toEqual(['wiki']);
  });

  test('names in its event each type that needs no sign-off any more, changed or removed, and none that needed none', async () => {
    const signoff_policies = [signOffPolicyShape.parse({ act: 'pay.*', roles: ['qa'] })];
    const declareTypes = (authorization_details: Declaration['authorization_details']) =>
      declare({ authorization_details, signoff_policies });
    const signed = { ...payment, signoff: true };
    await declareTypes({ 'pay.a': signed, 'pay.b': signed, 'pay.c': signed, 'pay.d': payment });
    await declareTypes({ 'pay.a': payment, 'pay.c': signed });
    const [second, first] = await logged(2);
    expect(second).toMatchObject({ authorization_details: 'changed', lowered: ['pay.a', 'pay.b'] });
    expect(first).not.toHaveProperty('lowered');
  });

  test('as a dry run reports the changes and makes none', async () => {
    expect((await declare({}, true)).changes.created).toBe(true);
    expect((await listApplications(harness, { limit: 10 })).applications).toEqual([]);
  });

  test('a removed permission, or one taken from a role, ends the tokens of its users and clients, and of no others', async () => {
    await declare();
    const [editor, reader] = [await newHolder('notes.editor'), await newHolder('notes.reader')];
    const writing = await harness.newClient({ credential_scopes: ['notes:write'], audiences: [NOTES] });
    const reading = await harness.newClient({ credential_scopes: ['notes:read'], audiences: [NOTES] });
    const roles = { editor: ['notes:read'], reader: ['notes:read'] };
    expect((await declare({ roles }, true)).changes).toMatchObject({
      users: 1,
      roles: { changed: [{ role: 'editor', added: [], removed: ['notes:write'] }] },
    });
    await declare({ roles });
    expect([await epochOf(editor), await epochOf(reader)]).toEqual([1, 0]);
    expect(await clientEpochOf(writing.client_id)).toBe(0);
    await declare({ permissions: ['notes:read'], roles });
    expect([await clientEpochOf(writing.client_id), await clientEpochOf(reading.client_id)]).toEqual([1, 0]);
    expect([await epochOf(editor), await epochOf(reader)]).toEqual([1, 0]);
    expect(permissionsAt(harness, NOTES)).toEqual(new Set(['notes:read']));
  });

  test('drops a role only when no user has it; a role without permissions has none at once', async () => {
    await declare();
    const editor = await newHolder('notes.editor');
    const dropped = declare({ roles: { reader: ['notes:read'] } });
    await expect(dropped).rejects.toMatchObject({
      code: 'application_role_held',
      options: { detail: 'Users have notes.editor.' },
    });
    await expect(deleteApplication(harness, { application: 'notes', reason }, testCaller)).rejects.toMatchObject({
      code: 'application_role_held',
    });
    await declare({ roles: { reader: ['notes:read'], editor: [] } });
    expect(await epochOf(editor)).toBe(1);
    await harness.raw`DELETE FROM user_roles WHERE user_id = ${editor}`;
    expect((await declare({ roles: { reader: ['notes:read'] } })).changes.roles.removed).toEqual(['editor']);
  });

  test('refuses what belongs to the installation or to another application, and another audience later', async () => {
    await declare();
    const refused = async (changes: Partial<Declaration>) => {
      const problems: string[] = [];
      await declare(changes).catch((err) => {
        for (const { at, why } of err.options.problems) problems.push(`${at} ${why}`);
      });
      return problems;
    };
    const wiki = { application: 'wiki', audience: 'https://wiki.test', roles: {} };
    expect(await refused({ ...wiki, permissions: ['notes:read', 'users:manage'], audience: NOTES })).toEqual([
      'body/audience belongs to the application notes',
      'body/permissions/0 notes:read belongs to the application notes',
      'body/permissions/1 permissions that begin with users: belong to the installation',
    ]);
    expect(await refused({ ...wiki, audience: 'https://auth.test' })).toEqual([
      'body/audience is the audience of the installation; an application needs one of its own',
      'body/permissions/0 notes:write belongs to the application notes',
      'body/permissions/1 notes:read belongs to the application notes',
    ]);
    expect(await refused({ audience: 'https://other.test' })).toEqual([
      `body/audience stays ${NOTES}; delete the application to declare another audience`,
    ]);
    const [first, ...others] = await refused({ permissions: Array.from({ length: 25 }, () => 'x'), roles: {} });
    expect(first).toContain('body/permissions/0 "x" is no permission');
    expect(others.at(-1)).toBe('body 29 more problems');
  });

  test('an installation can have a hundred', async () => {
    await harness.raw`INSERT INTO applications (name, audience) SELECT 'app-' || i, 'app-' || i
      FROM generate_series(1, 100) i`;
    await expect(declare()).rejects.toMatchObject({
      code: 'declaration_invalid',
      options: { problems: [{ at: 'body/application', why: 'an installation can have 100 applications' }] },
    });
  });

  test('two at once that claim one permission: one gets it', async () => {
    const wiki = { application: 'wiki', audience: 'https://wiki.test' };
    const ends = await Promise.allSettled([declare(), declare(wiki)]);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const lost = ends.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    expect(lost.reason).toMatchObject({ code: 'declaration_invalid' });
  });
});

test('a role may have the name of a member that every object has', async () => {
  const { changes } = await declare({ roles: { constructor: ['notes:read'] } });
  expect(changes.roles).toEqual({
    added: ['constructor'],
    removed: [],
    changed: [{ role: 'constructor', added: ['notes:read'], removed: [] }],
  });
  expect(hasChanges((await declare({ roles: { constructor: ['notes:read'] } })).changes)).toBe(false);
});

test('a client cannot be given a permission before an application declares it', async () => {
  const manager = clientCaller('c', ['clients:manage']);
  const asked = { name: 'x', grant_types: ['client_credentials'], audiences: [NOTES], redirect_uris: [], reason };
  const early = (credentialScopes: string[]) =>
    registerClient(harness, { ...asked, credential_scopes: credentialScopes }, manager);
  await expect(early(['notes:write'])).rejects.toMatchObject({ code: 'rights_exceeded' });
  // A scope in another form is never a permission.
  expect((await early(['notes.write'])).credential_scopes).toEqual(['notes.write']);
});

test('deleting an application ends its rights; an unknown one is not found', async () => {
  await declare();
  const client = await harness.newClient({ credential_scopes: ['notes:read'], audiences: [NOTES] });
  await deleteApplication(harness, { application: 'notes', reason }, testCaller);
  expect(await clientEpochOf(client.client_id)).toBe(1);
  expect(access.applications()).toEqual([]);
  await expect(deleteApplication(harness, { application: 'notes', reason }, testCaller)).rejects.toMatchObject({
    code: 'application_unknown',
  });
});

describe('rights of an application', () => {
  beforeEach(() => declare());

  test('are at its audience only, where those of the installation are not', () => {
    const roles = ['admin', 'notes.editor', 'user'];
    expect(rightsAt(harness, NOTES, roles)).toEqual({
      roles: ['notes.editor'],
      permissions: new Set(['notes:read', 'notes:write']),
    });
    const elsewhere = rightsAt(harness, 'https://auth.test', roles);
    expect(elsewhere.roles).toEqual(['admin', 'user']);
    expect(elsewhere.permissions).toEqual(access.permissions());
    expect(access.permissions().has('notes:read')).toBe(false);
    expect(permissionsAt(harness, 'https://auth.test')).toBe(access.permissions());
    expect(rightsAt(harness, NOTES, ['notes.gone', 'notes'])).toEqual({
      roles: ['notes.gone'],
      permissions: new Set(),
    });
    expect(applicationPermissionsOf(harness, roles)).toEqual(new Set(['notes:read', 'notes:write']));
  });

  test('go into no token if the installation has the audience of the application', async () => {
    const own = createAccessDirectory(harness, { ownAudiences: [NOTES] });
    await own.load();
    expect([own.application(NOTES), own.applications()]).toEqual([undefined, []]);
  });

  test('are handed on only by who manages applications', async () => {
    expect(heldToHandOn(harness, ['openid', 'notes:read', 'keys:read', 'notes:write'])).toEqual([
      'applications:manage',
      'keys:read',
    ]);
    expect(await rightsToGrant(harness.sql, ['notes.editor', 'auditor'])).toContain('applications:manage');
    expect(await rightsToGrant(harness.sql, ['auditor'])).toEqual(await rightsOf(harness.sql, ['auditor']));
    expect(await rightsOf(harness.sql, ['notes.editor'])).toEqual([]);
    const create = { name: 'x', grant_types: ['client_credentials'], credential_scopes: ['notes:read'], reason };
    await expect(
      registerClient(harness, { ...create, redirect_uris: [] }, clientCaller('c', ['clients:manage'])),
    ).rejects.toMatchObject({ code: 'rights_exceeded' });
  });

  test('do not mix with roles of the installation, in the product or in the database', async () => {
    const name = 'notes.editor';
    const declared = { code: 'role_declared' };
    await expect(
      setRolePermissions(harness, { role: name, permissions: [], reason }, testCaller),
    ).rejects.toMatchObject(declared);
    await expect(deleteRole(harness, { role: name, reason }, testCaller)).rejects.toMatchObject(declared);
    const toOperator = { role: 'operator', permissions: ['notes:read'], reason };
    await expect(setRolePermissions(harness, toOperator, testCaller)).rejects.toMatchObject({
      code: 'permission_unknown',
    });
    const insert = 'INSERT INTO role_permissions (role, permission) VALUES ($1, $2)';
    await expect(harness.raw(insert, [name, 'keys:read'])).rejects.toThrow('different applications');
    await expect(harness.raw(insert, ['operator', 'notes:read'])).rejects.toThrow('different applications');
    await expect(harness.raw`INSERT INTO roles (name, description) VALUES ('wiki.editor', 'x')`).rejects.toThrow(
      'roles_name_form',
    );
    await expect(
      harness.raw`INSERT INTO roles (name, description, application) VALUES ('wiki.editor', 'x', 'notes')`,
    ).rejects.toThrow('roles_name_form');
  });
});
