import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { known, listOf, name, reason, release, text } from '#services/platform/define/audit-member.ts';

export const queueChanged = defineAuditEvent({
  type: 'operations.queue_changed',
  outcomes: ['requested'],
  detail: { action: known('retry', 'discard', 'drain', 'clean', 'promote', 'pause', 'resume'), job_id: text, reason },
  meaning:
    'An operator requested a change to the jobs of a queue: `action` is one of retry, discard, drain, clean, promote, pause and resume.',
});

export const releaseDeployed = defineAuditEvent({
  type: 'operations.release_deployed',
  detail: { version: release, build: release, schema_version: release },
  meaning:
    'A deploy brought this `version` of the product, with its `build`, to the database, whose newest migration is `schema_version`.',
});

export const releaseRolledBack = defineAuditEvent({
  type: 'operations.release_rolled_back',
  detail: {
    version: release,
    build: release,
    schema_version: release,
    reverted: listOf(release),
    kept: listOf(release),
  },
  meaning:
    'An operator rolled the database back to this `version`. `reverted` are the migrations that were taken back, `kept` those that the version runs with.',
});

export const installationRecorded = defineAuditEvent({
  type: 'operations.installation_recorded',
  detail: { changed: listOf(name) },
  meaning:
    'An API started with other facts of the installation than the one before, which commands use from then on. `changed` names the settings.',
});
