import { z } from 'zod';
import { inactiveReasons } from '#observability/metrics/tokens.ts';
import { componentNames } from '#services/platform/define/component-names.ts';

/** Why a token is not active, from the closed list in the validate response. */
export type InactiveReason = (typeof inactiveReasons)[number];

export const tokenValidation = z
  .union([
    z.object({
      active: z.literal(true),
      claims: z.record(z.string(), z.unknown()),
      /** The token is one of the old provider; absent for tokens of this installation. */
      issuer_kind: z.literal('legacy').optional(),
      /** Id of the user here; only with `issuer_kind`. */
      user_id: z.string().optional(),
    }),
    z.object({ active: z.literal(false), reason: z.enum(inactiveReasons) }),
  ])
  .register(componentNames, { id: 'TokenValidation' });
