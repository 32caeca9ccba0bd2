import type { Sql } from '../ports.ts';
import { applicationRole } from './application-rights.ts';
import type { ApplicationChanges, ApplicationView } from './application-shapes.ts';
import {
  countHolders,
  readApplication,
  readAudiences,
  readDetailTypeOwners,
  readHeldRoles,
  readPermissionOwners,
  type StoredDeclaration,
} from './applications.store.ts';
import { type Declaration, type DeclarationProblem, declarationProblems, type Surroundings } from './declaration.ts';
import { detailTypeLine } from './detail-type.ts';
import { applicationRoleHeld, declarationInvalid } from './errors.ts';
import { wordsLine } from './scope-words.ts';
import { readPolicyActs } from './signoff-policies.store.ts';
import { policyRules, policyView } from './signoff-policy.ts';
import type { SignOffPolicyView } from './signoff-policy-shapes.ts';

/** Audiences that no application can take: those of the installation. */
export type HasOwnAudiences = { readonly ownAudiences: readonly string[] };

const APPLICATIONS_MAX = 100;

const sameRules = (one: SignOffPolicyView, other: SignOffPolicyView | undefined): boolean =>
  other !== undefined && policyRules(one).join('\n') === policyRules(other).join('\n');

export const storedView = (stored: StoredDeclaration): ApplicationView =>
  viewOf(
    stored,
    stored.signoff_policies.map((policy) => policyView(policy, policy.version)),
  );

/** As declared: a policy that stays as it is keeps its version. */
const declaredView = (declaration: Declaration, before: ApplicationView | undefined): ApplicationView => {
  const policies = (declaration.signoff_policies ?? []).map((policy) => {
    const view = policyView(policy, null);
    const stored = before?.signoff_policies.find(({ act }) => act === policy.act);
    return sameRules(view, stored) ? (stored as SignOffPolicyView) : view;
  });
  return viewOf(
    declaration,
    policies.sort((one, other) => (one.act < other.act ? -1 : 1)),
  );
};

const byName = <T, View>(record: Readonly<Record<string, T>>, view: (value: T) => View): Record<string, View> =>
  Object.fromEntries(
    Object.keys(record)
      .sort()
      .map((name) => [name, view(record[name] as T)]),
  );

const viewOf = (
  {
    application,
    audience,
    permissions,
    roles,
    scopes = {},
    authorization_details: types = {},
  }: Omit<Declaration, 'signoff_policies'>,
  policies: SignOffPolicyView[],
): ApplicationView => ({
  application,
  audience,
  permissions: [...permissions].sort(),
  roles: byName(roles, (permissions) => [...permissions].sort()),
  scopes: byName(scopes, (words) => words),
  signoff_policies: policies,
  authorization_details: byName(types, (type) => type),
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
    scopes: difference(scopeLines(before), scopeLines(after)),
    authorization_details: difference(detailLines(before), detailLines(after)),
    signoff_policies: policyChanges(before?.signoff_policies ?? [], after.signoff_policies),
  };
}

const scopeLines = (view: ApplicationView | undefined): string[] =>
  Object.entries(view?.scopes ?? {}).map(([scope, words]) => wordsLine(scope, words));

const detailLines = (view: ApplicationView | undefined): string[] =>
  Object.entries(view?.authorization_details ?? {}).map(([type, declared]) => detailTypeLine(type, declared));

function policyChanges(
  before: readonly SignOffPolicyView[],
  after: readonly SignOffPolicyView[],
): ApplicationChanges['signoff_policies'] {
  const acts = difference(
    before.map(({ act }) => act),
    after.map(({ act }) => act),
  );
  const changed = after.flatMap((policy) => {
    const stored = before.find(({ act }) => act === policy.act);
    const { added, removed } = difference(stored === undefined ? [] : policyRules(stored), policyRules(policy));
    return added.length + removed.length === 0 ? [] : [{ act: policy.act, added, removed }];
  });
  return { ...acts, changed };
}

async function surroundingsOf(
  sql: Sql,
  { ownAudiences }: HasOwnAudiences,
  application: string,
): Promise<Surroundings & { readonly applications: number }> {
  const owners = await readPermissionOwners(sql);
  const audiences = (await readAudiences(sql)).filter(({ name }) => name !== application);
  const acts = (await readPolicyActs(sql)).filter((each) => each.application !== application);
  const types = (await readDetailTypeOwners(sql)).filter((each) => each.application !== application);
  const others = owners.filter((each) => each.application !== null && each.application !== application);
  return {
    ownPermissions: new Set(owners.filter((each) => each.application === null).map(({ name }) => name)),
    ownAudiences,
    permissionsTaken: new Map(others.map((each) => [each.name, each.application as string])),
    audiencesTaken: new Map(audiences.map(({ name, audience }) => [audience, name])),
    detailTypesTaken: new Map(types.map((each) => [each.type, each.application])),
    actsTaken: new Map(acts.map((each) => [each.act, each.application])),
    applications: audiences.length,
  };
}

/** Throws `declaration_invalid` (400), `application_role_held` (409). */
export async function planOf(
  sql: Sql,
  ports: HasOwnAudiences,
  declaration: Declaration,
): Promise<{
  readonly before: ApplicationView | undefined;
  readonly after: ApplicationView;
  readonly changes: ApplicationChanges;
}> {
  const { application, audience } = declaration;
  const around = await surroundingsOf(sql, ports, application);
  const stored = await readApplication(sql, application);
  const before = stored && storedView(stored);
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
  const after = declaredView(declaration, before);
  const changes = changesBetween(before, after);
  const whole = (role: string): string => applicationRole(application, role);
  const held = await readHeldRoles(sql, changes.roles.removed.map(whole));
  if (held.length > 0) throw applicationRoleHeld({ detail: `Users have ${held.join(', ')}.` });
  const losing = changes.roles.changed.filter(({ removed }) => removed.length > 0).map(({ role }) => whole(role));
  return { before, after, changes: { ...changes, users: await countHolders(sql, losing) } };
}

/** Whether the declaration differs from what is stored. */
export const hasChanges = ({
  created,
  permissions,
  roles,
  scopes,
  signoff_policies: policies,
  authorization_details: details,
}: ApplicationChanges): boolean =>
  created ||
  [permissions, roles, scopes, policies, details].some(({ added, removed }) => added.length + removed.length > 0) ||
  [roles.changed, policies.changed].some((list) => list.length > 0);
