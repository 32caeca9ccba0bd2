import type { SignOffPolicy, SignOffPolicyView } from './signoff-policy-shapes.ts';

/** A noun, and after it a dot or colon; a beginning of acts has its whole noun. */
const ACT = /^[a-z][a-z0-9_-]*([.:][a-z0-9_.:-]*\*?)?$/;
const POINTER = /^(\/([^~/\p{Cc}]|~[01])*)+$/u;
/** Whether people see every character of a text, on one line. */
export const isShownText = (text: string): boolean => /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]*$/u.test(text);

/** Whether a policy for `pattern` is also about this act, or about all acts that begin so. */
export const coversAct = (pattern: string, act: string): boolean =>
  pattern === act || (pattern.endsWith('*') && act.startsWith(pattern.slice(0, -1)));

/** What is wrong with a policy by itself, and where. */
export function policyFlaw({
  act,
  roles,
  quorum = 1,
  arguments: labels,
}: SignOffPolicy): { readonly at: string; readonly why: string } | undefined {
  if (!ACT.test(act))
    return { at: 'act', why: 'is no act: write release.deploy, or release.* for all acts that begin so' };
  if (new Set(roles).size < roles.length) return { at: 'roles', why: 'lists a role twice' };
  if (quorum > roles.length) return { at: 'quorum', why: `is ${quorum}, of ${roles.length} roles` };
  const paths = labels.map(({ path }) => path);
  for (const [index, { path, label }] of labels.entries()) {
    const at = `arguments/${index}`;
    if (!POINTER.test(path)) return { at: `${at}/path`, why: 'is no JSON pointer: write /version or /to/0' };
    if (paths.indexOf(path) < index) return { at: `${at}/path`, why: `${path} is listed before` };
    if (!Object.values(label).every(isShownText))
      return { at: `${at}/label`, why: 'has characters that are not shown' };
  }
  return undefined;
}

/** A policy with its defaults, in the order in which it is compared and shown. */
export const policyView = (policy: SignOffPolicy, version: number | null): SignOffPolicyView => ({
  ...policy,
  roles: [...policy.roles].sort(),
  quorum: policy.quorum ?? policy.roles.length,
  version,
});

/** The policy that decides about an act: its own, else the longest beginning. */
const policyFor = (policies: readonly SignOffPolicyView[], act: string): SignOffPolicyView | undefined =>
  policies.find((policy) => policy.act === act) ??
  policies.filter((policy) => coversAct(policy.act, act)).sort((one, other) => other.act.length - one.act.length)[0];

/** Whether a sign-off that `after` allows could be one that `before` refused. */
const asksLess = (before: SignOffPolicyView, after: SignOffPolicyView): boolean =>
  // As the trigger of signoffs counts: other roles may approve first.
  after.quorum - after.roles.filter((role) => !before.roles.includes(role)).length < before.quorum ||
  after.lifetime_minutes > before.lifetime_minutes ||
  Number(after.min_security_score) < Number(before.min_security_score) ||
  (before.no_open_incident && !after.no_open_incident);

/** Acts that need less than before, or no sign-off any more. */
export const loweredActs = (before: readonly SignOffPolicyView[], after: readonly SignOffPolicyView[]): string[] =>
  [...new Set([...before, ...after].map(({ act }) => act))].sort().filter((act) => {
    const [was, is] = [policyFor(before, act), policyFor(after, act)];
    return was !== undefined && (is === undefined || asksLess(was, is));
  });

/** The rules of a policy, one a line, as changes of it are shown. */
export const policyRules = (policy: SignOffPolicyView): string[] => [
  `roles ${policy.roles.join(', ')}`,
  `quorum ${policy.quorum}`,
  `lifetime_minutes ${policy.lifetime_minutes}`,
  ...(policy.min_security_score === null ? [] : [`min_security_score ${policy.min_security_score}`]),
  ...(policy.no_open_incident ? ['no_open_incident'] : []),
  ...policy.arguments.map(
    ({ path, label: { en, de }, format }) =>
      `argument ${path} ${format} ${JSON.stringify(de === undefined ? [en] : [en, de])}`,
  ),
];
