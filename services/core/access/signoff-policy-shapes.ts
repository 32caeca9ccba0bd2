import { z } from 'zod';
import { componentNames } from '#services/platform/define/component-names.ts';

/** Roles in which people sign off; each is also a role of the installation. */
export const SIGNOFF_ROLES = [
  'developer',
  'tech_lead',
  'qa',
  'security_reviewer',
  'product_owner',
  'architect',
] as const;
export type SignOffRole = (typeof SIGNOFF_ROLES)[number];

export const LIFE_MINUTES_MAX = 1_440;

/** How one argument is shown to the people who decide; the page shows all arguments exactly as well. */
export const argumentLabel = z.strictObject({
  /** JSON pointer (RFC 6901) into the arguments. */
  path: z.string().max(256),
  /** In the languages of the pages; English where one is missing. */
  label: z.strictObject({ en: z.string().min(1).max(64), de: z.string().min(1).max(64).optional() }),
  format: z.enum(['plain', 'monospace']).default('plain'),
});
export type ArgumentLabel = z.output<typeof argumentLabel>;

/** What every sign-off of an act needs at least. Which acts it may name is in `signoff-policy.ts`. */
export const signOffPolicyShape = z
  .strictObject({
    /** An act such as `release.deploy`, or the beginning of acts: `release.*`. */
    act: z.string().max(128),
    roles: z.array(z.enum(SIGNOFF_ROLES)).min(1).max(6),
    /** How many of the roles approve at least; all by default. */
    quorum: z.int().min(1).max(6).optional(),
    /** How long a sign-off lives at most. */
    lifetime_minutes: z.int().min(1).max(LIFE_MINUTES_MAX).default(LIFE_MINUTES_MAX),
    min_security_score: z.int().min(0).max(100).nullable().default(null),
    no_open_incident: z.boolean().default(false),
    arguments: z.array(argumentLabel).max(50).default([]),
  })
  .register(componentNames, { id: 'SignOffPolicyDeclaration' });
export type SignOffPolicy = z.output<typeof signOffPolicyShape>;

/** A declared policy; the version is null in the plan of a dry run for what would change. */
export const signOffPolicyView = signOffPolicyShape
  .extend({ quorum: z.int(), version: z.int().nullable() })
  .register(componentNames, { id: 'SignOffPolicy' });
export type SignOffPolicyView = z.output<typeof signOffPolicyView>;
