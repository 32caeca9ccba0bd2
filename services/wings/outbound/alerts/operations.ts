import { operation } from '#services/core/shared/operation.ts';
import {
  type AlertDeliveryView,
  type AlertTargetView,
  type AlertView,
  acknowledgeAlertEndpoint,
  createAlertTargetEndpoint,
  createSilenceEndpoint,
  endSilenceEndpoint,
  listAlertDeliveriesEndpoint,
  listAlertsEndpoint,
  listAlertTargetsEndpoint,
  listSilencesEndpoint,
  receiveAlertmanagerEndpoint,
  removeAlertTargetEndpoint,
  resolveAlertEndpoint,
  type SilenceView,
  testAlertTargetEndpoint,
  updateAlertTargetEndpoint,
} from './contract.ts';
import { acknowledgeAlert, listAlerts, resolveAlert } from './manage-alerts.ts';
import { createSilence, endSilence, listSilences } from './manage-silences.ts';
import {
  createAlertTarget,
  listAlertDeliveries,
  listAlertTargets,
  readAlertTarget,
  removeAlertTarget,
  testAlertTarget,
  updateAlertTarget,
} from './manage-targets.ts';
import { receiveAlertmanager } from './receive-alertmanager.ts';

const targetLine = (target: AlertTargetView): string =>
  [
    target.target_id,
    target.kind.padEnd(7),
    `from ${target.min_severity.padEnd(8)}`,
    target.is_down ? 'DOWN' : 'up  ',
    `${target.waiting} waiting`,
    target.name,
    target.destination,
  ].join('  ');
const alertLine = (alert: AlertView): string =>
  [alert.raised_at, alert.state.padEnd(12), alert.severity.padEnd(8), alert.name, alert.summary, alert.alert_id].join(
    '  ',
  );
const deliveryLine = (delivery: AlertDeliveryView): string =>
  [
    delivery.created_at,
    delivery.status.padEnd(8),
    `${delivery.firing} firing, ${delivery.resolved} resolved`,
    `attempts ${delivery.attempts}`,
    delivery.group,
    delivery.delivery_id,
    ...(delivery.explanation === null ? [] : [delivery.explanation]),
  ].join('  ');
const silenceLine = (silence: SilenceView): string =>
  [
    silence.silence_id,
    silence.is_active ? 'active' : 'ended ',
    `until ${silence.until}`,
    silence.matchers.join(' '),
    `by ${silence.created_by}: ${silence.reason}`,
  ].join('  ');

/** Where alerts are sent, and what was sent. */
export const alertTargetOperations = [
  operation(createAlertTargetEndpoint, createAlertTarget, {
    verb: 'alert-targets add <kind>',
    help: 'create a target of alerts: webhook (signed), mail or slack',
    asks: ({ kind, to }) => `send alerts to ${to ?? `a ${kind} URL`}`,
    lines: (target) => [targetLine(target)],
  }),
  operation(listAlertTargetsEndpoint, listAlertTargets, {
    verb: 'alert-targets list',
    help: 'list where alerts are sent',
    line: targetLine,
  }),
  operation(updateAlertTargetEndpoint, updateAlertTarget, {
    verb: 'alert-targets update <target_id>',
    help: 'change a target; what waits is sent to its new address',
    about: readAlertTarget,
    asks: (_input, { name }: AlertTargetView) => `change ${name}`,
    lines: (target) => [targetLine(target)],
  }),
  operation(removeAlertTargetEndpoint, removeAlertTarget, {
    verb: 'alert-targets remove <target_id>',
    help: 'send no more alerts there; what waits is dropped',
    about: readAlertTarget,
    asks: (_input, { name, waiting }: AlertTargetView) => `remove ${name}, for which ${waiting} notices wait`,
    lines: (target) => [targetLine(target)],
  }),
  operation(testAlertTargetEndpoint, testAlertTarget, {
    verb: 'alert-targets test <target_id>',
    help: 'send a test message; deliveries show what became of it',
    about: readAlertTarget,
    asks: (_input, { name }: AlertTargetView) => `send a test message to ${name}`,
    lines: (delivery) => [deliveryLine(delivery)],
  }),
  operation(listAlertDeliveriesEndpoint, listAlertDeliveries, {
    verb: 'alert-targets deliveries <target_id>',
    line: deliveryLine,
  }),
];

/** Alerts, and the receiver for those of Alertmanager. */
export const alertOperations = [
  operation(receiveAlertmanagerEndpoint, receiveAlertmanager),
  operation(listAlertsEndpoint, listAlerts, {
    verb: 'alerts list',
    options: {
      state: { flags: '--state <state>', help: 'only alerts in this state' },
      source: { flags: '--source <source>', help: 'only alerts from there' },
    },
    line: alertLine,
  }),
  operation(acknowledgeAlertEndpoint, acknowledgeAlert, {
    verb: 'alerts acknowledge <alert_id>',
    asks: ({ alert_id: id }) => `acknowledge alert ${id}`,
    lines: (alert) => [alertLine(alert)],
  }),
  operation(resolveAlertEndpoint, resolveAlert, {
    verb: 'alerts resolve <alert_id>',
    help: 'resolve an alert that its source does not resolve',
    asks: ({ alert_id: id }) => `resolve alert ${id}`,
    lines: (alert) => [alertLine(alert)],
  }),
];

export const silenceOperations = [
  operation(createSilenceEndpoint, createSilence, {
    verb: 'silences add',
    options: {
      matchers: {
        flags: '--match <label=value...>',
        help: 'labels, as source=control name=restore-drill',
        keepsCommas: true,
      },
      until: { flags: '--until <time>', help: 'a day or an RFC 3339 time', reads: 'to-day' },
    },
    asks: ({ matchers, until }) => `silence ${matchers.join(' ')} until ${until}`,
    lines: (silence) => [silenceLine(silence)],
  }),
  operation(listSilencesEndpoint, listSilences, { verb: 'silences list', line: silenceLine }),
  operation(endSilenceEndpoint, endSilence, {
    verb: 'silences end <silence_id>',
    asks: ({ silence_id: id }) => `end silence ${id}`,
    lines: (silence) => [silenceLine(silence)],
  }),
];
