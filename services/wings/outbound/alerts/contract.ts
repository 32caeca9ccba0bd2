import { z } from 'zod';
import { bodyReason, manages, pageQuery, reads, reason, text } from '#services/core/access/admin-shapes.ts';
import { SEVERITIES } from '#services/core/security/incident-shapes.ts';
import { withOption } from '#services/platform/define/command-option.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { ALERT_SOURCES, ALERT_STATES, DELIVERY_STATES, TARGET_KINDS, TARGET_SOURCES } from './alert-shapes.ts';
import {
  alertResolved,
  alertTargetExists,
  alertTargetInvalid,
  alertTargetUnknown,
  alertUnknown,
  silenceInvalid,
  silenceUnknown,
} from './errors.ts';
import { alertsManage, alertsRead, alertsReceive } from './permissions.ts';

const defineEndpoint = endpointsOf('Alerts');
const instant = z.iso.datetime();

export const alertTargetView = component('AlertTarget', {
  target_id: z.uuid(),
  name: z.string(),
  kind: z.enum(TARGET_KINDS),
  /** What may be shown of the address: never the URL of a Slack webhook, which is a secret. */
  destination: z.string(),
  sources: z.array(z.enum(TARGET_SOURCES)),
  min_severity: z.enum(SEVERITIES),
  /** Whether it failed repeatedly, so that it gets one message a minute until it accepts one. */
  is_down: z.boolean(),
  /** Notices that are not in a message yet, and messages that are not accepted. */
  waiting: z.int(),
  created_at: instant,
});
export type AlertTargetView = z.output<typeof alertTargetView>;

/** What a request may set, with the options of commands. */
const settings = z.strictObject({
  name: withOption(text(64), { flags: '--name <name>', help: 'what you call it' }),
  /** Of a webhook, or the incoming webhook of Slack or of a system that takes its messages. */
  url: withOption(z.string().max(2_048), {
    flags: '--url-file <file>',
    help: 'file with the URL of the webhook; a URL of Slack is a secret, so it is no argument',
    reads: 'text-file',
  }),
  /** Address of a person or list, for mail. */
  to: withOption(z.string().max(254), { flags: '--to <address>', help: 'mail address' }),
  sources: withOption(z.array(z.enum(TARGET_SOURCES)).min(1).max(TARGET_SOURCES.length), {
    flags: '--sources <source...>',
    help: `only alerts from there: ${TARGET_SOURCES.join(', ')}`,
  }),
  min_severity: withOption(z.enum(SEVERITIES), {
    flags: '--min-severity <severity>',
    help: 'only alerts of this severity and above',
  }),
});

const newTarget = z.strictObject({
  kind: z.enum(TARGET_KINDS),
  ...settings.partial().shape,
  sources: settings.shape.sources.default([...TARGET_SOURCES]),
  min_severity: settings.shape.min_severity.default('medium'),
  reason,
});
export type NewAlertTarget = z.output<typeof newTarget>;

/** A new address replaces the old one, which is not shown. */
const targetChanges = settings.partial().extend({ reason });
export type AlertTargetChanges = Omit<z.output<typeof targetChanges>, 'reason'>;
const ofTarget = z.strictObject({ target_id: z.uuid() });

export const createAlertTargetEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/alert-targets',
  operation: 'createAlertTarget',
  summary: 'Create a target of alerts: a signed webhook, a mail address or a Slack channel',
  auth: manages(alertsManage),
  body: newTarget,
  idempotency: 'answer',
  responses: { 201: alertTargetView },
  errors: [alertTargetInvalid, alertTargetExists],
});

export const listAlertTargetsEndpoint = defineEndpoint({
  path: '/v1/admin/alert-targets',
  operation: 'listAlertTargets',
  summary: 'List the targets of alerts',
  auth: reads(alertsRead),
  responses: { 200: z.object({ targets: z.array(alertTargetView) }) },
});

export const updateAlertTargetEndpoint = defineEndpoint({
  method: 'PATCH',
  path: '/v1/admin/alert-targets/{target_id}',
  operation: 'updateAlertTarget',
  summary: 'Change a target of alerts; what waits is sent to its new address',
  auth: manages(alertsManage),
  params: ofTarget,
  body: targetChanges,
  responses: { 200: alertTargetView },
  errors: [alertTargetInvalid, alertTargetUnknown, alertTargetExists],
});

export const removeAlertTargetEndpoint = defineEndpoint({
  ...updateAlertTargetEndpoint,
  method: 'POST',
  path: '/v1/admin/alert-targets/{target_id}/remove',
  operation: 'removeAlertTarget',
  summary: 'Remove a target of alerts, with what waits for it',
  body: bodyReason,
  errors: [alertTargetUnknown],
});

const alertDeliveryView = component('AlertDelivery', {
  /** Also the idempotency key of every attempt. */
  delivery_id: z.uuid(),
  kind: z.enum(['alerts', 'test']),
  /** Source and name of the alerts that it groups; `*` for those of several groups. */
  group: z.string(),
  firing: z.int(),
  resolved: z.int(),
  status: z.enum(DELIVERY_STATES),
  attempts: z.int(),
  /** Code of the last failure. */
  failure: z.string().nullable(),
  /** The same in words. */
  explanation: z.string().nullable(),
  created_at: instant,
  sent_at: instant.nullable(),
});
export type AlertDeliveryView = z.output<typeof alertDeliveryView>;

export const testAlertTargetEndpoint = defineEndpoint({
  ...removeAlertTargetEndpoint,
  path: '/v1/admin/alert-targets/{target_id}/test',
  operation: 'testAlertTarget',
  summary: 'Send a test message to a target; its deliveries show what became of it',
  body: z.strictObject({ reason: reason.optional() }),
  bodyOptional: true,
  responses: { 202: alertDeliveryView },
});

export const listAlertDeliveriesEndpoint = defineEndpoint({
  path: '/v1/admin/alert-targets/{target_id}/deliveries',
  operation: 'listAlertDeliveries',
  summary: 'List the messages to a target, newest first',
  auth: reads(alertsRead),
  params: ofTarget,
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ deliveries: z.array(alertDeliveryView), next: z.string().nullable() }) },
  errors: [alertTargetUnknown],
});

export const alertView = component('Alert', {
  alert_id: z.uuid(),
  source: z.enum(ALERT_SOURCES),
  /** Of a detection, a control, or a rule of the monitoring system. */
  name: z.string(),
  severity: z.enum(SEVERITIES),
  summary: z.string(),
  /** What silences match. */
  labels: z.record(z.string(), z.string()),
  state: z.enum(ALERT_STATES),
  /** Reports of the cause while it lasted. */
  count: z.int(),
  raised_at: instant,
  acknowledged_at: instant.nullable(),
  acknowledged_by: z.string().nullable(),
  resolved_at: instant.nullable(),
});
export type AlertView = z.output<typeof alertView>;

export const listAlertsEndpoint = defineEndpoint({
  path: '/v1/admin/alerts',
  operation: 'listAlerts',
  summary: 'List alerts, newest first',
  auth: reads(alertsRead),
  query: z.strictObject({
    ...pageQuery,
    state: z.enum(ALERT_STATES).optional(),
    source: z.enum(ALERT_SOURCES).optional(),
  }),
  responses: { 200: z.object({ alerts: z.array(alertView), next: z.string().nullable() }) },
});

export const acknowledgeAlertEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/alerts/{alert_id}/acknowledge',
  operation: 'acknowledgeAlert',
  summary: 'Acknowledge an alert: targets that were not told of it yet are not told',
  auth: manages(alertsManage),
  params: z.strictObject({ alert_id: z.uuid() }),
  body: bodyReason,
  responses: { 200: alertView },
  errors: [alertUnknown, alertResolved],
});

export const resolveAlertEndpoint = defineEndpoint({
  ...acknowledgeAlertEndpoint,
  path: '/v1/admin/alerts/{alert_id}/resolve',
  operation: 'resolveAlert',
  summary: 'Resolve an alert that its source does not resolve',
});

/** `label=value`, as `source=incident` or `name=token_replay`. */
const matcher = z.string().regex(/^[A-Za-z_]\w{0,63}=[^\p{Cc}\p{Cs}]{1,256}$/u);

export const silenceView = component('AlertSilence', {
  silence_id: z.uuid(),
  matchers: z.array(z.string()),
  until: instant,
  reason: z.string(),
  created_by: z.string(),
  created_at: instant,
  /** Whether it is in force. */
  is_active: z.boolean(),
});
export type SilenceView = z.output<typeof silenceView>;

export const createSilenceEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/silences',
  operation: 'createSilence',
  summary: 'Create a silence: alerts with all these labels are not sent until a time',
  auth: manages(alertsManage),
  body: z.strictObject({ matchers: z.array(matcher).min(1).max(10), until: instant, reason }),
  idempotency: 'answer',
  responses: { 201: silenceView },
  errors: [silenceInvalid],
});

export const listSilencesEndpoint = defineEndpoint({
  ...listAlertsEndpoint,
  path: '/v1/admin/silences',
  operation: 'listSilences',
  summary: 'List silences, those that end last first',
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ silences: z.array(silenceView), next: z.string().nullable() }) },
});

export const endSilenceEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/silences/{silence_id}/end',
  operation: 'endSilence',
  summary: 'End a silence early',
  auth: manages(alertsManage),
  params: z.strictObject({ silence_id: z.uuid() }),
  body: bodyReason,
  responses: { 200: silenceView },
  errors: [silenceUnknown],
});

const labels = z.record(z.string().max(128), z.string().max(4_096));
/** One alert of Alertmanager's webhook, version 4; members that no rule uses are ignored. */
const reported = z.object({
  status: z.enum(['firing', 'resolved']),
  labels,
  annotations: labels.default({}),
  fingerprint: z.string().regex(/^[\da-f]{1,64}$/),
});
export type ReportedAlert = z.output<typeof reported>;

export const receiveAlertmanagerEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/alerts/alertmanager',
  operation: 'receiveAlertmanager',
  summary: 'Report alerts as the webhook receiver of Alertmanager does',
  auth: reads(alertsReceive),
  bodyLimit: 1_048_576,
  body: z.strictObject({
    version: z.literal('4'),
    alerts: z.array(reported).max(1_000),
    // What no rule uses. Members that a later version adds are refused, as its `version` would be.
    groupKey: z.string().optional(),
    truncatedAlerts: z.int().optional(),
    status: z.string().optional(),
    receiver: z.string().optional(),
    groupLabels: labels.optional(),
    commonLabels: labels.optional(),
    commonAnnotations: labels.optional(),
    externalURL: z.string().optional(),
    notification_reason: z.string().optional(),
  }),
  responses: { 200: z.object({ raised: z.int(), repeated: z.int(), resolved: z.int() }) },
});
