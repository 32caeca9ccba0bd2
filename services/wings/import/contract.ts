import { z } from 'zod';
import { manages, pageQuery, reads, reason } from '#services/core/access/admin-shapes.ts';
import { rightsExceeded } from '#services/core/authority/errors.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import {
  importFileUnreadable,
  importKindUnknown,
  importOvertaken,
  importRoleUnknown,
  importsBusy,
  importUnknown,
} from './errors.ts';
import { importMap } from './import-shapes.ts';
import { importsRead, importsWrite } from './permissions.ts';

const defineEndpoint = endpointsOf('Users');
/** Longer files are imported by the command line, which reads them as a stream. */
const DATA_CHARACTERS_MAX = 12_000_000;
const BODY_BYTES_MAX = 16_777_216;

const kind = z
  .string()
  .max(32)
  .regex(/^[a-z][a-z0-9-]*$/);
const count = z.int().nonnegative();
const counted = z.record(z.string(), count);

const importView = component('UserImport', {
  import_id: z.string(),
  kind: z.string(),
  status: z.enum(['waiting', 'running', 'done', 'failed']),
  /** Percent of the bytes of the source. */
  progress: z.int().min(0).max(100),
  counts: z.object({
    new: count,
    changed: count,
    same: count,
    linked: count,
    rejected: count,
    /** Users who enrol a second factor before their first session; null in imports of before. */
    factors_lost: count.nullable(),
  }),
  reject_reasons: counted,
  /** Members that were shortened or left out, and lost factors: `left_out.image`, `factor_lost.phone`, … */
  notices: counted,
  /** Users by the format of their password hash. */
  hash_formats: counted,
  /** Why it failed; a code. */
  failure: z.string().nullable(),
  reason: z.string(),
  created_at: z.iso.datetime(),
  finished_at: z.iso.datetime().nullable(),
});

const uploaded = z.strictObject({
  /** The system that wrote the file: `clerk`, `csv`, `ndjson`, … */
  kind,
  /** The file as text. */
  data: z.string().min(1).max(DATA_CHARACTERS_MAX),
  map: importMap,
});
export type UploadedFile = z.output<typeof uploaded>;

/** `record` is its place among all records, from 1. */
const place = { record: count, line: count };
const rejected = z.object({ ...place, reason: z.string(), value: z.string() });
const noticed = z.object({ ...place, notice: z.string(), member: z.string(), value: z.string() });
export type RejectView = z.output<typeof rejected>;
export type NoticeView = z.output<typeof noticed>;
const firstOf = { rejects: z.array(rejected), noticed: z.array(noticed) };

/** A file may name anyone by address: who imports may do what the account with the most rights may. */
const IMPORTING_ROLE = 'admin';

export const requestImportEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/imports',
  operation: 'requestImport',
  summary: 'Import users of another system, which a worker does',
  auth: { ...manages(importsWrite), rightsOf: IMPORTING_ROLE },
  idempotency: 'answer',
  body: uploaded.extend({ reason }),
  bodyLimit: BODY_BYTES_MAX,
  responses: { 202: z.object({ import_id: z.string() }) },
  errors: [importFileUnreadable, importKindUnknown, importRoleUnknown, rightsExceeded, importOvertaken, importsBusy],
});

/** It decides as the import does, about the users who are here now, and writes nothing. */
export const rehearseImportEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/imports/rehearse',
  operation: 'rehearseImport',
  summary: 'Check what an import of this file would do, and do nothing',
  auth: { ...reads(importsWrite), rightsOf: IMPORTING_ROLE },
  limit: 'read',
  body: uploaded,
  bodyLimit: BODY_BYTES_MAX,
  responses: {
    200: z.object({
      counts: importView.shape.counts,
      reject_reasons: counted,
      rejects: firstOf.rejects,
      hash_formats: counted,
      /** New users without a password, which they choose by mail. */
      without_password: count,
      notices: counted,
      noticed: firstOf.noticed,
      differences: z.array(
        z.object({ legacy_id: z.string(), email: z.string(), change: z.enum(['new', 'changed', 'linked']) }),
      ),
    }),
  },
  errors: [rightsExceeded, importFileUnreadable, importKindUnknown, importRoleUnknown, importsBusy],
});

export const listImportsEndpoint = defineEndpoint({
  path: '/v1/admin/imports',
  operation: 'listImports',
  summary: 'List imports of users with their progress and counts, newest first',
  auth: reads(importsRead),
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ imports: z.array(importView), next: z.string().nullable() }) },
});

const ofImport = z.strictObject({ import_id: z.uuid() });

/**
 * The first 10,000, in the order of the file; a line is a JSON object with record (from 1), line, reason and value, which is empty for callers
 * without `users:read`.
 */
export const readImportRejectsEndpoint = defineEndpoint({
  path: '/v1/admin/imports/{import_id}/rejects',
  operation: 'readImportRejects',
  summary: 'Download the records that an import rejected, as a JSON object on each line',
  auth: reads(importsRead),
  params: ofImport,
  responses: { 200: { contentType: 'application/x-ndjson', schema: z.string() } },
  errors: [importUnknown],
});

export const readImportEndpoint = defineEndpoint({
  ...readImportRejectsEndpoint,
  path: '/v1/admin/imports/{import_id}',
  operation: 'readImport',
  summary: 'Get an import with its progress and counts',
  responses: {
    /** `value` is empty for callers without `users:read`. */
    200: importView.extend(firstOf),
  },
});
