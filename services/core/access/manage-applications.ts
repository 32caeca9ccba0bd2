import { recordEvent, setAuditContext } from '../audit/record-event.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import type { HasAccessChanged } from './access-changed.ts';
import { applicationRole } from './application-rights.ts';
import type { ApplicationChanges, ApplicationView } from './application-shapes.ts';
import {
  addApplicationPermissions,
  addApplicationRoles,
  insertApplication,
  lockApplication,
  putDetailTypes,
  putScopeWords,
  readApplication,
  readApplicationsPage,
  readHeldRoles,
  removeApplication,
  removeApplicationPermissions,
  removeApplicationRoles,
  type StoredDeclaration,
} from './applications.store.ts';
import { applicationDeclared, applicationDeleted } from './audit-events.ts';
import type { Declaration } from './declaration.ts';
import { applicationRoleHeld, applicationUnknown } from './errors.ts';
import { type HasOwnAudiences, hasChanges, planOf, storedView } from './plan-application.ts';
import { addPermissions, removePermissions } from './roles.store.ts';
import { putPolicy, removePolicies } from './signoff-policies.store.ts';
import { loweredActs } from './signoff-policy.ts';

/** Lists applications by name, one page at a time. Throws `cursor_invalid` (400). */
export async function listApplications(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly applications: ApplicationView[]; readonly next: string | null }> {
  const [after = ''] = placeOfCursor(input.cursor, [PLACE.id]) ?? [];
  const rows = await readApplicationsPage(sql, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, ({ application }) => [application]);
  return { applications: items.map(storedView), next };
}

/** Removals first: the trigger of a removed permission must see who has it. */
async function write(
  tx: Tx,
  after: ApplicationView,
  { permissions, roles, scopes, signoff_policies: policies, authorization_details: details }: ApplicationChanges,
): Promise<void> {
  const { application } = after;
  const whole = (role: string): string => applicationRole(application, role);
  await insertApplication(tx, after);
  for (const { role, removed } of roles.changed) await removePermissions(tx, whole(role), removed);
  await removeApplicationRoles(tx, application, roles.removed.map(whole));
  await removeApplicationPermissions(tx, application, permissions.removed);
  await addApplicationPermissions(tx, application, permissions.added);
  if (scopes.added.length + scopes.removed.length > 0) await putScopeWords(tx, application, after.scopes);
  if (details.added.length + details.removed.length > 0)
    await putDetailTypes(tx, application, after.authorization_details);
  await addApplicationRoles(tx, application, roles.added.map(whole));
  for (const { role, added } of roles.changed) await addPermissions(tx, whole(role), added);
  await removePolicies(tx, application, policies.removed);
  const changed = new Set(policies.changed.map(({ act }) => act));
  for (const policy of after.signoff_policies) if (changed.has(policy.act)) await putPolicy(tx, application, policy);
}

/**
 * Creates an application as declared, or changes it to what is declared: its permissions and roles, for tokens of its
 * audience, and its policies of sign-off. Removing a permission ends the tokens and token families of users and clients
 * who have it. Throws `declaration_invalid` (400), `application_role_held` (409).
 * @param input `dry_run`: returns what would change, and changes nothing
 */
export async function declareApplication(
  ports: Pick<Ports, 'transact'> & HasAccessChanged & HasOwnAudiences,
  input: Declaration & { readonly reason: string; readonly dry_run?: boolean | undefined },
  caller: Caller,
): Promise<{ readonly application: ApplicationView; readonly changes: ApplicationChanges; readonly dry_run: boolean }> {
  const { dry_run: isDryRun = false } = input;
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason, 'rights_removed');
    if (!isDryRun) await lockApplication(tx, input.application);
    const { before, after, changes } = await planOf(tx, ports, input);
    if (!isDryRun && hasChanges(changes)) {
      await write(tx, after, changes);
      await recordEvent(tx, caller, applicationDeclared, {
        target: { kind: 'application', id: after.application },
        detail: {
          ...changes.permissions,
          ...policyDetail(changes),
          ...loweredDetail(before, after),
          reason: input.reason,
        },
      });
      tx.afterCommit(ports.accessChanged);
      const stored = (await readApplication(tx, after.application)) as StoredDeclaration;
      return { application: storedView(stored), changes, dry_run: isDryRun };
    }
    return { application: after, changes, dry_run: isDryRun };
  });
}

const policyDetail = ({
  scopes,
  authorization_details: details,
  signoff_policies: { changed, removed },
}: ApplicationChanges) => ({
  ...(changed.length + removed.length === 0 ? {} : { policies: [...changed.map(({ act }) => act), ...removed] }),
  ...(scopes.added.length + scopes.removed.length === 0 ? {} : { scopes: 'changed' as const }),
  ...(details.added.length + details.removed.length === 0 ? {} : { authorization_details: 'changed' as const }),
});

/** Alert targets are told of it. */
function loweredDetail(
  before: Pick<ApplicationView, 'signoff_policies' | 'authorization_details'> | undefined,
  after: Pick<ApplicationView, 'signoff_policies' | 'authorization_details'>,
): { readonly lowered?: readonly string[] } {
  const freed = Object.entries(before?.authorization_details ?? {}).flatMap(([type, { signoff }]) =>
    signoff && after.authorization_details[type]?.signoff !== true ? [type] : [],
  );
  const lowered = [...new Set([...loweredActs(before?.signoff_policies ?? [], after.signoff_policies), ...freed])];
  return lowered.length === 0 ? {} : { lowered };
}

/**
 * Deletes an application with its permissions, roles and policies of sign-off. Throws `application_unknown` (404), and
 * `application_role_held` (409) while a user has one of its roles.
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
      target: { kind: 'application', id: application },
      detail: { ...loweredDetail(storedView(stored), { signoff_policies: [], authorization_details: {} }), reason },
    });
    tx.afterCommit(ports.accessChanged);
  });
}
