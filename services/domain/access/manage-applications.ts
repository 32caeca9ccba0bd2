import { setAuditContext } from '../audit/audit-context.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports, Sql, Tx } from '../ports.ts';
import { type Page, PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import type { HasAccessChanged } from './access-changed.ts';
import { applicationRole } from './application-rights.ts';
import type { ApplicationChanges, ApplicationView } from './application-shapes.ts';
import {
  addApplicationPermissions,
  addApplicationRoles,
  countHolders,
  insertApplication,
  lockApplication,
  readApplication,
  readApplicationsPage,
  readAudiences,
  readHeldRoles,
  readPermissionOwners,
  removeApplication,
  removeApplicationPermissions,
  removeApplicationRoles,
} from './applications.store.ts';
import { applicationDeclared, applicationDeleted } from './audit-events.ts';
import { type Declaration, type DeclarationProblem, declarationProblems, type Surroundings } from './declaration.ts';
import { applicationRoleHeld, applicationUnknown, declarationInvalid } from './errors.ts';
import { addPermissions, removePermissions } from './roles.store.ts';

/** Audiences that no application can take: those of the installation. */
export type HasOwnAudiences = { readonly ownAudiences: readonly string[] };
type ApplicationPorts = Pick<Ports, 'transact'> & HasAccessChanged & HasOwnAudiences;

const APPLICATIONS_MAX = 100;

/** Lists applications by name, one page at a time. Throws `cursor_invalid` (400). */
export async function listApplications(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<ApplicationView>> {
  const [after = ''] = placeOfCursor(input.cursor, [PLACE.id]) ?? [];
  const rows = await readApplicationsPage(sql, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, ({ application }) => [application]);
  return { items: items.map(viewOf), next };
}

const viewOf = ({ application, audience, permissions, roles }: Declaration): ApplicationView => ({
  application,
  audience,
  permissions: [...permissions].sort(),
  roles: Object.fromEntries(
    Object.keys(roles)
      .sort()
      .map((role) => [role, [...(roles[role] as readonly string[])].sort()]),
  ),
});

const difference = (before: readonly string[], after: readonly string[]) => ({
  added: after.filter((each) => !before.includes(each)),
  removed: before.filter((each) => !after.includes(each)),
});

/** What a declaration changes: `undefined` for an application that does not exist yet. */
function changesBetween(
  before: ApplicationView | undefined,
  after: ApplicationView,
): Omit<ApplicationChanges, 'users'> {
  // A map: a role may have the name of a member that every object has.
  const rolesBefore = new Map(Object.entries(before?.roles ?? {}));
  const names = difference([...rolesBefore.keys()], Object.keys(after.roles));
  const changed = Object.entries(after.roles).flatMap(([role, permissions]) => {
    const { added, removed } = difference(rolesBefore.get(role) ?? [], permissions);
    return added.length + removed.length === 0 ? [] : [{ role, added, removed }];
  });
  return {
    created: before === undefined,
    permissions: difference(before?.permissions ?? [], after.permissions),
    roles: { ...names, changed },
  };
}

async function surroundingsOf(
  sql: Sql,
  { ownAudiences }: HasOwnAudiences,
  application: string,
): Promise<Surroundings & { readonly applications: number }> {
  const owners = await readPermissionOwners(sql);
  const audiences = (await readAudiences(sql)).filter(({ name }) => name !== application);
  const others = owners.filter((each) => each.application !== null && each.application !== application);
  return {
    ownPermissions: new Set(owners.filter((each) => each.application === null).map(({ name }) => name)),
    ownAudiences,
    permissionsTaken: new Map(others.map((each) => [each.name, each.application as string])),
    audiencesTaken: new Map(audiences.map(({ name, audience }) => [audience, name])),
    applications: audiences.length,
  };
}

/** Throws `declaration_invalid` (400), `application_role_held` (409). */
async function planOf(
  sql: Sql,
  ports: HasOwnAudiences,
  declaration: Declaration,
): Promise<{ readonly after: ApplicationView; readonly changes: ApplicationChanges }> {
  const { application, audience } = declaration;
  const around = await surroundingsOf(sql, ports, application);
  const stored = await readApplication(sql, application);
  const before = stored && viewOf(stored);
  const problems: DeclarationProblem[] = declarationProblems(declaration, around);
  if (before === undefined && around.applications >= APPLICATIONS_MAX)
    problems.push({ at: 'application', why: `an installation can have ${APPLICATIONS_MAX} applications` });
  // Tokens of the previous audience would keep permissions of the application until they expire.
  if (before !== undefined && before.audience !== audience)
    problems.push({
      at: 'audience',
      why: `stays ${before.audience}; delete the application to declare another audience`,
    });
  if (problems.length > 0)
    throw declarationInvalid({
      problems: problems.map(({ at, why }) => ({ at: at === '' ? 'body' : `body/${at}`, why })),
    });
  const after = viewOf(declaration);
  const changes = changesBetween(before, after);
  const whole = (role: string): string => applicationRole(application, role);
  const held = await readHeldRoles(sql, changes.roles.removed.map(whole));
  if (held.length > 0) throw applicationRoleHeld({ detail: `Users have ${held.join(', ')}.` });
  const losing = changes.roles.changed.filter(({ removed }) => removed.length > 0).map(({ role }) => whole(role));
  return { after, changes: { ...changes, users: await countHolders(sql, losing) } };
}

/** Removals first: the trigger of a removed permission must see who has it. */
async function write(tx: Tx, after: ApplicationView, { permissions, roles }: ApplicationChanges): Promise<void> {
  const { application } = after;
  const whole = (role: string): string => applicationRole(application, role);
  await insertApplication(tx, after);
  for (const { role, removed } of roles.changed) await removePermissions(tx, whole(role), removed);
  await removeApplicationRoles(tx, application, roles.removed.map(whole));
  await removeApplicationPermissions(tx, application, permissions.removed);
  await addApplicationPermissions(tx, application, permissions.added);
  await addApplicationRoles(tx, application, roles.added.map(whole));
  for (const { role, added } of roles.changed) await addPermissions(tx, whole(role), added);
}

/**
 * Creates an application as declared, or changes it to what is declared: its permissions and roles, for tokens of its
 * audience. Removing a permission ends the tokens and token families of users and clients who have it.
 * Throws `declaration_invalid` (400), `application_role_held` (409).
 * @param input `isDryRun`: returns what would change, and changes nothing
 */
export async function declareApplication(
  ports: ApplicationPorts,
  input: Declaration & { readonly reason: string; readonly isDryRun: boolean },
  caller: Caller,
): Promise<{ readonly application: ApplicationView; readonly changes: ApplicationChanges }> {
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason, 'rights_removed');
    if (!input.isDryRun) await lockApplication(tx, input.application);
    const { after, changes } = await planOf(tx, ports, input);
    if (!input.isDryRun && hasChanges(changes)) {
      await write(tx, after, changes);
      await recordEvent(tx, caller, applicationDeclared, {
        outcome: 'ok',
        target: { kind: 'application', id: after.application },
        detail: { ...changes.permissions, reason: input.reason },
      });
      tx.afterCommit(ports.accessChanged);
    }
    return { application: after, changes };
  });
}

/** Whether the declaration differs from what is stored. */
export const hasChanges = ({ created, permissions, roles }: ApplicationChanges): boolean =>
  created ||
  [permissions.added, permissions.removed, roles.added, roles.removed, roles.changed].some((list) => list.length > 0);

/**
 * Deletes an application with its permissions and roles. Throws `application_unknown` (404), `application_role_held`
 * (409) while a user has one of its roles.
 */
export async function deleteApplication(
  ports: Pick<Ports, 'transact'> & HasAccessChanged,
  input: { readonly application: string; readonly reason: string },
  caller: Caller,
): Promise<void> {
  const { application, reason } = input;
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason, 'rights_removed');
    await lockApplication(tx, application);
    const stored = await readApplication(tx, application);
    if (stored === undefined) throw applicationUnknown();
    const roles = Object.keys(stored.roles).map((role) => applicationRole(application, role));
    const held = await readHeldRoles(tx, roles);
    if (held.length > 0) throw applicationRoleHeld({ detail: `Users have ${held.join(', ')}.` });
    await removeApplicationRoles(tx, application, roles);
    await removeApplicationPermissions(tx, application, stored.permissions);
    await removeApplication(tx, application);
    await recordEvent(tx, caller, applicationDeleted, {
      outcome: 'ok',
      target: { kind: 'application', id: application },
      detail: { reason },
    });
    tx.afterCommit(ports.accessChanged);
  });
}
