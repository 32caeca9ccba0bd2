import { z } from 'zod';
import { inactiveReasons } from '#observability/metrics/tokens.ts';

/** Why a token is not active: the closed list of the validate answer. */
export type InactiveReason = (typeof inactiveReasons)[number];

export const verdict = z.union([
  z.object({ active: z.literal(true), claims: z.record(z.string(), z.unknown()) }),
  z.object({ active: z.literal(false), reason: z.enum(inactiveReasons) }),
]);
