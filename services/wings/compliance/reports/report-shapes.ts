import { z } from 'zod';
import { CONTROL_STATUSES, PROFILES, REQUIREMENTS } from '../control-shapes.ts';

/** Closed lists and shapes of reports that contracts, rules and the offline verifier share. */

export const REPORT_KINDS = ['demand', 'daily', 'monthly'] as const;
export type ReportKind = (typeof REPORT_KINDS)[number];
/** `sealing`: the evidence waits for its place in the audit log. */
export const REPORT_STATUSES = ['queued', 'collecting', 'sealing', 'done', 'failed', 'cancelled'] as const;
export type ReportStatus = (typeof REPORT_STATUSES)[number];

const moment = z.string().max(40);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const reportItem = z.strictObject({
  control_id: z.string().max(64),
  title: z.string().max(500),
  clause: z.string().max(64),
  profile: z.enum(PROFILES),
  requirement: z.enum(REQUIREMENTS),
  kind: z.enum(['machine', 'attestation']),
  status: z.enum(CONTROL_STATUSES),
  reason: z.string().max(1_000).nullable(),
  human_duty: z.string().max(1_000),
  /** Of a machine check; null for an attestation. */
  check: z
    .strictObject({
      probe: z.string().max(1_000),
      probe_version: z.int(),
      evidence: z.string().max(1_000),
      population_of: z.string().max(500),
      population: z.int(),
      sampled: z.int(),
      exceptions: z.array(z.strictObject({ resource: z.string().max(500), why: z.string().max(500) })).max(20),
      exception_count: z.int(),
      observed: z.record(z.string(), z.unknown()),
      observed_sha256: digest,
      release: z.string().max(64),
      collector: z.string().max(64),
      started_at: moment,
      ended_at: moment,
    })
    .nullable(),
  /** The newest attestation; null without one, and for a machine check. */
  attestation: z
    .strictObject({
      attestation_id: z.string().max(64),
      attester: z.string().max(300),
      statement: z.string().max(2_000),
      note: z.string().max(256),
      attested_at: moment,
      expires_at: moment,
    })
    .nullable(),
});
export type ReportItem = z.output<typeof reportItem>;

/** Where the evidence of a control is in the sealed log. */
const reportProof = z.strictObject({
  control_id: z.string().max(64),
  event_id: z.string().max(64),
  seq: z.int(),
  /** Of the canonical JSON of the item. */
  item_sha256: digest,
  /** The sealed bytes, base64. */
  leaf: z.string().max(90_000),
  /** Inclusion proof with the signed checkpoint (c2sp.org/tlog-proof). */
  proof: z.string().max(40_000),
});
export type ReportProof = z.output<typeof reportProof>;

export const reportSummary = z.strictObject({
  pass: z.int(),
  fail: z.int(),
  error: z.int(),
  not_applicable: z.int(),
  unknown: z.int(),
});
export type ReportSummary = z.output<typeof reportSummary>;

const reportDocument = z.strictObject({
  v: z.literal(1),
  report_id: z.string().max(64),
  kind: z.enum(REPORT_KINDS),
  period: z.string().max(10).nullable(),
  requested_by: z.string().max(300),
  requested_at: moment,
  built_at: moment,
  release: z.string().max(64),
  /** The audit log that holds the evidence, and its verifier keys. */
  origin: z.string().max(512),
  vkeys: z.array(z.string().max(1_000)).max(100),
  disclaimer: z.string().max(1_000),
  summary: reportSummary,
  /** The report before, and what changed since; null for the first. */
  previous: z
    .strictObject({
      report_id: z.string().max(64),
      sha256: digest,
      changes: z
        .array(
          z.strictObject({
            control_id: z.string().max(64),
            before: z.enum(CONTROL_STATUSES).nullable(),
            after: z.enum(CONTROL_STATUSES).nullable(),
          }),
        )
        .max(1_000),
    })
    .nullable(),
  controls: z.array(reportItem).max(1_000),
  proofs: z.array(reportProof).max(1_000),
});
export type ReportDocument = z.output<typeof reportDocument>;

/** A report and the note (c2sp.org/signed-note) that signs its digest. */
export const reportBundle = z.strictObject({ note: z.string().max(100_000), report: reportDocument });
export type ReportBundle = z.output<typeof reportBundle>;
