import { cutText } from '#services/platform/define/cut-text.ts';
import { applicationRole, PERMISSION } from './application-rights.ts';
import { DETAIL_TYPE, type DetailType } from './authorization-detail-shapes.ts';
import { detailTypeProblems } from './detail-type.ts';
import type { ScopeWords } from './scope-words.ts';
import { coversAct, isShownText, policyFlaw } from './signoff-policy.ts';
import type { SignOffPolicy } from './signoff-policy-shapes.ts';

/** What an application declares: the members of its permission file. */
export type Declaration = {
  readonly application: string;
  readonly audience: string;
  readonly permissions: readonly string[];
  readonly roles: Readonly<Record<string, readonly string[]>>;
  /** What permissions allow as scopes, in words; a permission without any is shown by its name. */
  readonly scopes?: Readonly<Record<string, ScopeWords>>;
  /** None by default. */
  readonly signoff_policies?: readonly SignOffPolicy[];
  /** Types of authorization details; none by default. */
  readonly authorization_details?: Readonly<Record<string, DetailType>>;
};

/** `at` is the path of the wrong part: `permissions/3`, `roles/editor/0`. */
export type DeclarationProblem = { readonly at: string; readonly why: string };

/** What a declaration must not overlap with. */
export type Surroundings = {
  readonly ownPermissions: ReadonlySet<string>;
  readonly ownAudiences: readonly string[];
  /** The application of each permission and of each audience, other than of the declared application. */
  readonly permissionsTaken: ReadonlyMap<string, string>;
  readonly audiencesTaken: ReadonlyMap<string, string>;
  /** The application of each act or beginning of acts that has a policy. */
  readonly actsTaken: ReadonlyMap<string, string>;
  /** The application of each type of authorization details. */
  readonly detailTypesTaken: ReadonlyMap<string, string>;
};

const PERMISSIONS_MAX = 100;
const ROLES_MAX = 30;
const DETAIL_TYPES_MAX = 20;
/** A user can have every role of an application: the rights in one token, in characters of its JSON. */
const TOKEN_CHARACTERS_MAX = 4_096;
const PERMISSION_CHARACTERS_MAX = 64;
const PROBLEMS_SHOWN = 20;

const APPLICATION = /^[a-z][a-z0-9-]{0,29}$/;
const ROLE = /^[a-z][a-z0-9_-]{0,31}$/;
const AUDIENCE = /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/;

/** In the audiences of a client: any audience. */
const ANY_AUDIENCE = '*';

/** Names that the installation keeps for itself, besides the nouns of its permissions. */
const RESERVED = new Set('admin auth mcp oauth openid platform sallyport scim signoff system'.split(' '));

const nounOf = (permission: string): string => permission.slice(0, permission.indexOf(':'));

/** Entries that occur before, each with the place of the first. */
function* duplicates(at: string, names: readonly string[]): Generator<DeclarationProblem> {
  const first = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, index);
    else yield { at: `${at}/${index}`, why: `${JSON.stringify(name)} is listed before, as ${at}/${earlier}` };
  }
}

const isReserved = (noun: string, { ownPermissions }: Surroundings): boolean =>
  RESERVED.has(noun) || [...ownPermissions].some((own) => nounOf(own) === noun);

function reservedWhy(permission: string, around: Surroundings): string | undefined {
  const noun = nounOf(permission);
  if (isReserved(noun, around)) return `permissions that begin with ${noun}: belong to the installation`;
  const owner = around.permissionsTaken.get(permission);
  return owner === undefined ? undefined : `${permission} belongs to the application ${owner}`;
}

function* permissionProblems({ permissions }: Declaration, around: Surroundings): Generator<DeclarationProblem> {
  for (const [index, permission] of permissions.entries()) {
    const isFormed = permission.length <= PERMISSION_CHARACTERS_MAX && PERMISSION.test(permission);
    const why = isFormed
      ? reservedWhy(permission, around)
      : `${JSON.stringify(cutText(permission, PERMISSION_CHARACTERS_MAX))} is no permission: write notes:read, in lower-case letters and underscores, at most ${PERMISSION_CHARACTERS_MAX} characters`;
    if (why !== undefined) yield { at: `permissions/${index}`, why };
  }
  yield* duplicates('permissions', permissions);
}

function* roleProblems({ permissions, roles }: Declaration): Generator<DeclarationProblem> {
  const declared = new Set(permissions);
  for (const [role, held] of Object.entries(roles)) {
    const at = `roles/${cutText(role, 64)}`;
    if (!ROLE.test(role))
      yield { at, why: 'a role has a name of lower-case letters, digits, _ and -, at most 32 characters' };
    if (held.length > PERMISSIONS_MAX) {
      yield { at, why: `has ${held.length} entries; a role can have ${PERMISSIONS_MAX}` };
      continue;
    }
    for (const [index, permission] of held.entries())
      if (!declared.has(permission))
        yield {
          at: `${at}/${index}`,
          why: `${JSON.stringify(cutText(permission, PERMISSION_CHARACTERS_MAX))} is not among permissions`,
        };
    yield* duplicates(at, held);
  }
}

function* scopeProblems({ permissions, scopes = {} }: Declaration): Generator<DeclarationProblem> {
  for (const [scope, words] of Object.entries(scopes)) {
    const at = `scopes/${cutText(scope, PERMISSION_CHARACTERS_MAX)}`;
    const texts = Object.values(words).filter((text) => text !== undefined);
    if (!permissions.includes(scope)) yield { at, why: 'is not among permissions' };
    else if (!texts.every(isShownText)) yield { at, why: 'has characters that are not shown' };
    // Users would allow a box without a name.
    else if (!texts.every((text) => /\p{L}/u.test(text))) yield { at, why: 'has no letter' };
  }
}

function actWhy(act: string, around: Surroundings): string | undefined {
  const noun = act.split(/[.:*]/, 1)[0] as string;
  if (isReserved(noun, around)) return `acts that begin with ${noun} belong to the installation`;
  for (const [taken, application] of around.actsTaken)
    if (coversAct(taken, act) || coversAct(act, taken)) return `${taken} belongs to the application ${application}`;
  return undefined;
}

function* policyProblems(
  { signoff_policies: policies = [] }: Declaration,
  around: Surroundings,
): Generator<DeclarationProblem> {
  for (const [index, policy] of policies.entries()) {
    const at = `signoff_policies/${index}`;
    const flaw = policyFlaw(policy);
    if (flaw !== undefined) yield { at: `${at}/${flaw.at}`, why: flaw.why };
    const why = actWhy(policy.act, around);
    if (why !== undefined) yield { at: `${at}/act`, why };
  }
  yield* duplicates(
    'signoff_policies',
    policies.map(({ act }) => act),
  );
}

function* detailProblems(
  { authorization_details: types = {}, signoff_policies: policies = [] }: Declaration,
  around: Surroundings,
): Generator<DeclarationProblem> {
  for (const [type, declared] of Object.entries(types)) {
    const at = `authorization_details/${cutText(type, 64)}`;
    const owner = around.detailTypesTaken.get(type);
    if (!DETAIL_TYPE.test(type))
      yield { at, why: 'is no type: write payment, in lower-case letters, digits, _ . : and -' };
    else if (isReserved(type.split(/[.:_-]/, 1)[0] as string, around))
      yield { at, why: 'begins with a name that belongs to the installation' };
    else if (owner !== undefined) yield { at, why: `belongs to the application ${owner}` };
    else if (declared.signoff && !policies.some(({ act }) => coversAct(act, type)))
      yield { at: `${at}/signoff`, why: 'needs a policy in signoff_policies that says who approves the act' };
    else for (const problem of detailTypeProblems(declared)) yield { at: `${at}/${problem.at}`, why: problem.why };
  }
}

function* headProblems({ application, audience }: Declaration, around: Surroundings): Generator<DeclarationProblem> {
  if (!APPLICATION.test(application))
    yield { at: 'application', why: 'must be lower-case letters, digits and -, at most 30 characters' };
  else if (RESERVED.has(application)) yield { at: 'application', why: `${application} is a reserved name` };
  const owner = around.audiencesTaken.get(audience);
  if (!AUDIENCE.test(audience))
    yield { at: 'audience', why: 'must be an address or a name of 1 to 512 printable characters without spaces' };
  else if (audience === ANY_AUDIENCE)
    yield { at: 'audience', why: `${ANY_AUDIENCE} stands for any audience; an application needs one of its own` };
  else if (around.ownAudiences.includes(audience))
    yield { at: 'audience', why: 'is the audience of the installation; an application needs one of its own' };
  else if (owner !== undefined) yield { at: 'audience', why: `belongs to the application ${owner}` };
}

function* countProblems({
  permissions,
  roles,
  scopes = {},
  authorization_details: types = {},
}: Declaration): Generator<DeclarationProblem> {
  const counts = {
    permissions: permissions.length,
    roles: Object.keys(roles).length,
    scopes: Object.keys(scopes).length,
    authorization_details: Object.keys(types).length,
  };
  for (const [at, max] of [
    ['permissions', PERMISSIONS_MAX],
    ['scopes', PERMISSIONS_MAX],
    ['roles', ROLES_MAX],
    ['authorization_details', DETAIL_TYPES_MAX],
  ] as const)
    if (counts[at] > max) yield { at, why: `has ${counts[at]} entries; an application can have ${max}` };
}

function* sizeProblems({ application, permissions, roles }: Declaration): Generator<DeclarationProblem> {
  const names = Object.keys(roles).map((role) => applicationRole(application, role));
  const carried = JSON.stringify([permissions, names]).length;
  if (carried > TOKEN_CHARACTERS_MAX)
    yield {
      at: 'permissions',
      why: `permissions and roles take ${carried} characters of a token; they can take ${TOKEN_CHARACTERS_MAX}`,
    };
}

/** What is wrong with a declaration; of more than twenty problems the last entry says how many there are. */
export function declarationProblems(declaration: Declaration, around: Surroundings): DeclarationProblem[] {
  const head = [...headProblems(declaration, around)];
  // A list beyond its limit is not read: ten thousand entries get one answer.
  const counts = [...countProblems(declaration)];
  if (counts.length > 0) return [...head, ...counts];
  const found = [
    ...head,
    ...sizeProblems(declaration),
    ...permissionProblems(declaration, around),
    ...roleProblems(declaration),
    ...scopeProblems(declaration),
    ...policyProblems(declaration, around),
    ...detailProblems(declaration, around),
  ];
  if (found.length <= PROBLEMS_SHOWN) return found;
  return [...found.slice(0, PROBLEMS_SHOWN), { at: '', why: `${found.length - PROBLEMS_SHOWN} more problems` }];
}
