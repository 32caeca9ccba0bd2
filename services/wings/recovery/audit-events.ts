import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import {
  code,
  count,
  flag,
  id,
  instant,
  known,
  logName,
  objectOf,
  oneOf,
} from '#services/platform/define/audit-member.ts';

export const restoreAccepted = defineAuditEvent({
  type: 'operations.restore_accepted',
  detail: {
    replaced: id,
    marks: objectOf({ incarnation: id, revocationEpoch: count, beat: count }),
    ended: objectOf({ sessions: count, families: count, users: count, clients: count }),
    keys: count,
  },
  meaning:
    'An operator accepted the data loss of a restored database. The database got a new id (its incarnation), and every earlier session, token family and token ended.',
});

export const backupRestored = defineAuditEvent({
  type: 'operations.backup_restored',
  detail: {
    backup_of: instant,
    incarnation: id,
    revocation_epoch: count,
    standing: known('new', 'current', 'replaced', 'rewound'),
    missing: objectOf({
      revocations: objectOf({ count, from: count, to: count }),
      beats: count,
      events: objectOf({ origin: logName, count, from: count, to: count }),
      isReplaced: flag,
    }),
  },
  meaning:
    'An operator restored a backup into this database. `backup_of` is when the backup was made, `missing` what the high-water marks know that it does not have.',
});

export const restoreRehearsed = defineAuditEvent({
  type: 'operations.restore_rehearsed',
  outcomes: ['ok', 'failed'],
  detail: {
    backup: oneOf('kept', 'fresh'),
    backup_of: instant,
    seconds: count,
    rows: count,
    tables: count,
    orphans: count,
    events: count,
    code,
  },
  meaning:
    'A `backup`, `kept` or `fresh`, that was made at `backup_of` was restored into a database beside the installation, which was checked and dropped: `seconds` it took, `rows` and `tables` restored, `orphans` found, sealed `events` verified; the error `code` of a rehearsal that failed.',
});

export const feedRestored = defineAuditEvent({
  type: 'operations.feed_restored',
  detail: {
    from: count,
    to: count,
    segments: count,
    entries: count,
    revocations: count,
    users: count,
    clients: count,
    sessions: count,
    families: count,
    keys: count,
  },
  meaning:
    'An operator restored revocations that the database had lost, from signed segments of its feed: those above epoch `from`, up to `to`.',
});
