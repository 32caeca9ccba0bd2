import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { detailTypeShape } from './authorization-detail-shapes.ts';
import { scopeWords } from './scope-words.ts';
import { signOffPolicyShape, signOffPolicyView } from './signoff-policy-shapes.ts';

const names = z.array(z.string());
const difference = z.object({ added: names, removed: names });

export const applicationShape = component('Application', {
  application: z.string(),
  audience: z.string(),
  permissions: names,
  /** The permissions of each role; users are granted `<application>.<role>`. */
  roles: z.record(z.string(), names),
  /** What permissions allow as scopes, in words for the users who are asked. */
  scopes: z.record(z.string(), scopeWords),
  signoff_policies: z.array(signOffPolicyView),
  /** Types of authorization details (RFC 9396). */
  authorization_details: z.record(z.string(), detailTypeShape),
});
export type ApplicationView = z.output<typeof applicationShape>;

export const applicationChanges = component('ApplicationChanges', {
  created: z.boolean(),
  permissions: difference,
  roles: difference.extend({ changed: z.array(difference.extend({ role: z.string() })) }),
  scopes: difference,
  /** By type; a type that changes is removed and added. */
  authorization_details: difference,
  /** By act; of a changed policy the rules that were added and removed. */
  signoff_policies: difference.extend({ changed: z.array(difference.extend({ act: z.string() })) }),
  /** Users who lose a permission: their tokens are revoked. */
  users: z.int(),
});
export type ApplicationChanges = z.output<typeof applicationChanges>;

/** More entries than this are refused unread; the limits of a declaration are lower. */
const ENTRIES_MAX = 10_000;
const entries = z.array(z.string().max(512)).max(ENTRIES_MAX);

/** The members of a permission file. Their rules are in `declaration.ts`, which names every wrong entry. */
export const declarationShape = z.strictObject({
  application: z.string().max(512),
  audience: z.string().max(2_048),
  permissions: entries,
  roles: z.record(z.string().max(512), entries).default({}),
  scopes: z.record(z.string().max(512), scopeWords).default({}),
  signoff_policies: z.array(signOffPolicyShape).max(50).default([]),
  authorization_details: z.record(z.string().max(64), detailTypeShape).default({}),
});
