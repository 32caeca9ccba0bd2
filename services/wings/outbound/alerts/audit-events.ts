import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { code, count, id, instant, listOf, name, oneOf, reason } from '#services/platform/define/audit-member.ts';

export const alertTargetChanged = defineAuditEvent({
  type: 'alert.target_changed',
  outcomes: ['created', 'changed', 'removed'],
  detail: { target_id: id, kind: oneOf('webhook', 'mail', 'slack'), name, changed: listOf(name), reason },
  meaning:
    'A target of alerts was created, changed or removed; `kind` and `name` say which, `changed` which settings, `reason` says why.',
});

export const alertTargetTested = defineAuditEvent({
  type: 'alert.target_tested',
  detail: { target_id: id, name, reason },
  meaning: 'A test message to a target of alerts was requested; `name` says to which, `reason` why.',
});

export const alertReported = defineAuditEvent({
  type: 'alert.reported',
  detail: { raised: count, resolved: count, firing: listOf(name), ended: listOf(name) },
  meaning:
    'A monitoring system reported alerts that began or ended: how many (`raised`, `resolved`), and the first 20 of their names (`firing`, `ended`). A report that only repeats alerts that last has no event.',
});

export const alertChanged = defineAuditEvent({
  type: 'alert.changed',
  outcomes: ['acknowledged', 'resolved'],
  detail: { alert_id: id, source: oneOf('incident', 'control', 'alertmanager', 'oversight'), name, reason },
  meaning: 'A person acknowledged or resolved an alert; `source` and `name` say which, `reason` says why.',
});

export const alertSilenced = defineAuditEvent({
  type: 'alert.silenced',
  outcomes: ['begun', 'ended'],
  detail: { silence_id: id, matchers: listOf(name), until: instant, reason },
  meaning:
    'A person silenced the alerts that have the labels `matchers`, until `until`, or ended that early; `reason` says why.',
});

export const alertGivenUp = defineAuditEvent({
  type: 'alert.given_up',
  outcomes: ['given_up'],
  detail: { name, code, attempts: count, firing: count, resolved: count },
  meaning:
    'A target did not accept a message about alerts, and is not sent it again: `name` of the target, `code` of the last failure, `attempts`, and how many alerts it was about.',
});
