import { z } from 'zod';

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const counts = z.record(z.string().max(64), count);

const statement = z.strictObject({
  v: z.literal(1),
  import_id: z.uuid(),
  kind: z.string().max(32),
  state: z.enum(['done', 'failed']),
  source: z.strictObject({ sha256, bytes: count }),
  map_sha256: sha256,
  users_sha256: sha256.nullable(),
  records: count,
  counts: z.strictObject({
    new: count,
    changed: count,
    same: count,
    linked: count,
    rejected: count,
    factors_lost: count.optional(),
  }),
  notices: counts.optional(),
  reject_reasons: counts,
  hash_formats: counts,
  requested_by: z.string().max(300),
  reason: z.string().max(500),
  started_at: z.string().max(40),
});

/** A statement, its event in the sealed log with the inclusion proof, and a note of the log’s key over both. */
export const importCertificate = z.strictObject({
  certificate: z.strictObject({
    statement,
    event_id: z.uuid(),
    seq: count,
    /** The sealed bytes, base64. */
    leaf: z.string().max(131_072),
    /** A `.tlog-proof`. */
    proof: z.string().max(65_536),
    origin: z.string().max(512),
    vkeys: z.array(z.string().max(512)).max(16),
  }),
  note: z.string().max(8_192),
});
export type ImportCertificate = z.output<typeof importCertificate>;
