import { z } from 'zod';

/** A dotted path into a value, or `*` for all of it. A path names everything below it; lists are looked through. */
export const fieldPath = z
  .string()
  .max(200)
  .regex(/^(?:\*|[A-Za-z_][\w-]{0,62}(?:\.[A-Za-z_][\w-]{0,62}){0,9})$/);
export const fieldPaths = z.array(fieldPath).min(1).max(200);

/** Opaque id of a record in the application; it is in the audit log. */
export const reference = z.string().regex(/^[A-Za-z0-9][\w.:/-]{0,127}$/);

export const PHI_ACTIONS = ['view', 'create', 'change', 'delete', 'print', 'transmit'] as const;
export type PhiAction = (typeof PHI_ACTIONS)[number];

/** Purposes whose disclosures an accounting leaves out (45 CFR 164.528(a)(1)(i)). */
export const ROUTINE_PURPOSES = ['treatment', 'payment', 'operations'] as const;

export const REFUSALS_OF_ACCESS = [
  'purpose_not_permitted',
  'consent_missing',
  'restricted',
  'field_not_permitted',
] as const;
export type RefusalOfAccess = (typeof REFUSALS_OF_ACCESS)[number];
