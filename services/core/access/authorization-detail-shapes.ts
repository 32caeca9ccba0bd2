import { z } from 'zod';

/** The form of a type of authorization details (RFC 9396 §2): also that of an act which people sign off. */
export const DETAIL_TYPE = /^[a-z][a-z0-9_.:-]{0,63}$/;

/** The members of a type that an application declares. Their rules are in `detail-type.ts`. */
export const detailTypeShape = z.strictObject({
  /** JSON Schema of a detail without its `type`. An object is closed unless it says `additionalProperties: true`. */
  schema: z.record(z.string().max(64), z.unknown()),
  /** What it allows, in words that continue "It wants to:"; `{amount.value}` stands for a member. */
  words: z.strictObject({ en: z.string().min(1).max(200), de: z.string().min(1).max(200) }),
  /** Members that approvals are bound to: each is required and stands in the words. */
  bound: z.array(z.string().min(1).max(64)).min(1).max(20),
  /** People must sign off an act with the name of the type, and all members of the detail as its arguments. */
  signoff: z.boolean().default(false),
});
export type DetailType = z.output<typeof detailTypeShape>;
