import { z } from 'zod';

const name = z.string().min(1).max(128);
const count = z.int().min(0);

const marks = z.strictObject({ incarnation: z.uuid(), revocation_epoch: count, beat: count });
const logHead = z.strictObject({ origin: z.string().max(512), size: count, root: z.base64().max(64) });

/** What a reader decides by, before any row. */
export const head = z.strictObject({
  created_at: z.iso.datetime(),
  product_version: z.string().max(64),
  postgres_version: z.string().max(64),
  /** The database: its incarnation, counters, and the incarnations whose loss was accepted. */
  state: marks.extend({ replaced: z.array(z.uuid()).max(10_000) }),
  /** The open log of the database, if there is one. */
  log: logHead.nullable(),
  /** Applied migrations, in their order. */
  migrations: z.array(z.strictObject({ name, checksum: z.string().max(64) })).max(10_000),
  /** SHA-256 of the list of migrations. */
  schema_digest: z.hex().length(64),
  /** Opens only with the key-encryption key of the installation. */
  key_check: z.string().max(512),
  tables: z.array(name).max(1_000),
  /** Days (`YYYY-MM-DD`) with a partition of the audit outbox. */
  outbox_days: z.array(z.iso.date()).max(10_000),
});

export const tableHead = z.strictObject({ table: name, columns: z.array(name).min(1).max(1_000).readonly() });

const tableSum = z.strictObject({ table: name, rows: count, digest: z.hex().length(64) });
const sequence = z.strictObject({ name, last_value: z.int(), is_called: z.boolean() });

/** What is known after the last row. */
export const foot = z.strictObject({ tables: z.array(tableSum).max(1_000), sequences: z.array(sequence).max(10_000) });

export type BackupHead = z.infer<typeof head>;
export type TableHead = z.infer<typeof tableHead>;
export type BackupFoot = z.infer<typeof foot>;
