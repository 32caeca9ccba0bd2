import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { count, digest, known, reason } from '#services/platform/define/audit-member.ts';

const kind = known(
  'auth0',
  'better-auth',
  'clerk',
  'cognito',
  'csv',
  'firebase',
  'keycloak',
  'mongo',
  'ndjson',
  'supabase',
  'zitadel',
);

export const importStarted = defineAuditEvent({
  type: 'import.started',
  detail: { kind: kind, source_sha256: digest, map_sha256: digest, position: count },
  meaning:
    'An import of users of another system began, or a stopped one went on. `kind` is the system, `source_sha256` and `map_sha256` are the digests of file and mapping, `position` is the record after which it goes on.',
});

export const importBatch = defineAuditEvent({
  type: 'import.batch',
  detail: { position: count, new: count, changed: count, same: count, rejected: count },
  meaning:
    'A batch of records was imported, up to `position`. The counts say how many users were created (`new`), changed, left as they were (`same`), and how many records were rejected. Events `user.*` and `account.*` are about each user.',
});

export const importFinished = defineAuditEvent({
  type: 'import.finished',
  outcomes: ['ok', 'failed'],
  detail: { kind: kind, new: count, changed: count, same: count, rejected: count, statement_sha256: digest },
  meaning:
    'An import ended. `statement_sha256` is the digest of its certificate’s statement: counts, rejected records by reason, hash formats, and digests of file, mapping and users.',
});

export const usersExported = defineAuditEvent({
  type: 'import.users_exported',
  detail: { kind: kind, users: count, reason },
  meaning:
    'An operator wrote all users with their password hashes and factors to a file, with the ids of the system `kind`. `users` is their number.',
});
