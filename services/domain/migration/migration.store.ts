import { definePurge } from '#services/domain/shared/purge.store.ts';

/** Runs, with the records they rejected, are kept for this time after their last batch. Index: imports_touched_at. */
export const importPurge = definePurge({
  kind: 'imports',
  table: 'imports',
  id: 'id',
  ends: 'touched_at',
  stays: `interval '90 days'`,
});

/** For this time a user who was deleted here is not imported again. Index: legacy_users_ended_at. */
export const endedLegacyUserPurge = definePurge({
  kind: 'ended_legacy_users',
  table: 'legacy_users',
  id: 'id',
  ends: 'ended_at',
  stays: `interval '400 days'`,
  where: 'ended_at IS NOT NULL',
});
