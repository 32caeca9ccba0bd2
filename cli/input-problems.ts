import type { z } from 'zod';
import { valueAt, whyOf } from '../services/platform/define/input-problem.ts';

/** Says in the words of the command line what is wrong with an input. */

type Path = readonly PropertyKey[];

/** Members of request bodies whose option has another name, and members that are arguments. */
const NAMES: Readonly<Record<string, string>> = {
  grant_types: '--grants',
  client_id: '--id',
  dpop_bound_access_tokens: '--dpop-bound',
  tls_client_certificate_bound_access_tokens: '--certificate-bound',
  require_pushed_authorization_requests: '--pushes-requests',
  id_token_signed_response_alg: '--id-token-alg',
  access_token_signed_response_alg: '--access-token-alg',
  name: 'name',
  email: 'e-mail address',
  permissions: 'permission',
  roles: '--role',
  subject_id: 'subject',
};

/** The option or argument of a member of a request body. */
export function optionOf([member]: Path): string {
  if (member === undefined) return 'the input';
  const name = String(member);
  return NAMES[name] ?? `--${name.replaceAll('_', '-')}`;
}

/** Members whose value may be about a person, or a secret: terminals and logs of scripts keep what is printed. */
const UNQUOTED: ReadonlySet<PropertyKey | undefined> = new Set([
  'subject_id',
  'data',
  'encrypted',
  'reason',
  'password',
]);

/** `JSON.stringify` of a short text that may be shown; undefined for anything else. */
function quoted(path: Path, input: unknown): string | undefined {
  const value = valueAt(input, path);
  const isShown = typeof value === 'string' && value !== '' && value.length <= 64 && !UNQUOTED.has(path[0]);
  return isShown ? JSON.stringify(value) : undefined;
}

/** One sentence for each wrong value of an input: a value may break several rules of a schema. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], input: unknown): string[] {
  const first = new Map(issues.toReversed().map((issue) => [issue.path.join('.'), issue]));
  return [...first.values()]
    .toReversed()
    .map((issue) => [optionOf(issue.path), quoted(issue.path, input), whyOf(issue, input)].filter(Boolean).join(' '));
}
