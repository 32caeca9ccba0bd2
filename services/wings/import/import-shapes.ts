import { z } from 'zod';

const name = z.string().min(1).max(128);

/** How users of a source become ours. */
export const importMap = z
  .strictObject({
    /** Which column or member holds what; for the kinds `csv` and `ndjson`. Paths are dotted. */
    columns: z.record(name, name).default({}),
    /** Roles there to roles here; null leaves a role out. A role that is not named rejects its record. */
    roles: z.record(name, name.nullable()).default({}),
    /** What an adapter needs beside the file. */
    parameters: z.record(name, z.string().max(1_048_576)).default({}),
    /** Weak formats of hashes that are allowed by name. */
    allow_hashes: z.array(name).max(16).default([]),
    /** `keep`: the user id is the id there where it can be one here, so that the `sub` of tokens stays. */
    ids: z.enum(['keep', 'new']).default('keep'),
    /** Ids there whose record changed its address and its hash at once, and is the same person still. */
    same_person: z.array(z.string().min(1).max(255)).max(1_000).optional(),
    /** Users without a hash are asked for their password at the other system at their first sign-in. */
    lazy: z.boolean().default(false),
    /** Users whose second factor cannot be imported enrol one before their first session, or are rejected. */
    factors_lost: z.enum(['enrol', 'reject']).default('enrol'),
  })
  .prefault({});
export type ImportMap = z.output<typeof importMap>;

export type SourceDigest = {
  /** SHA-256, hex. */
  readonly sha256: string;
  readonly bytes: number;
};
