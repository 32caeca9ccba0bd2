import { defineCounter } from './instruments.ts';

export const alertDeliveries = defineCounter({
  name: 'sallyport_alert_deliveries',
  help: 'Attempts to send a message about alerts, by kind of target and outcome. given_up: it is not retried any more.',
  labels: { kind: ['webhook', 'mail', 'slack'], outcome: ['sent', 'retried', 'given_up'] },
});

export const alertNotices = defineCounter({
  name: 'sallyport_alert_notices',
  help: 'Alerts that targets are told of, before they are grouped into messages.',
});

export const alertCircuits = defineCounter({
  name: 'sallyport_alert_circuits',
  help: 'Targets of alerts that were found down (opened: they get one message in a minute) and up again (closed).',
  labels: { event: ['opened', 'closed'] },
});

/** Shows the series at zero, so that the first message given up is a step. */
export function showAlertsGivenUp(): undefined {
  for (const kind of ['webhook', 'mail', 'slack'] as const) alertDeliveries.at({ kind, outcome: 'given_up' });
}
