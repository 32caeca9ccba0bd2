import { defineCounter, defineGauge } from './instruments.ts';

export const handoffDeliveries = defineCounter({
  name: 'sallyport_handoff_deliveries',
  help: 'Attempts to push a security event to an endpoint, by outcome. given_up: it is not retried until an operator replays it.',
  labels: { outcome: ['sent', 'retried', 'given_up'] },
});

export const handoffCircuits = defineCounter({
  name: 'sallyport_handoff_circuits',
  help: 'Endpoints of hand-offs that were found down (opened: they get one event in a minute) and up again (closed).',
  labels: { event: ['opened', 'closed'] },
});

/** Creates the series that an alert watches at zero, so that the first event given up is a step. */
export const showHandoffsGivenUp = (): undefined => void handoffDeliveries.at({ outcome: 'given_up' });

export const siemEvents = defineCounter({
  name: 'sallyport_siem_events',
  help: 'Sealed events that targets of the SIEM export accepted (sent), or that were left out because a target refused them (skipped).',
  labels: { outcome: ['sent', 'skipped'] },
});

export const siemBatches = defineCounter({
  name: 'sallyport_siem_batches',
  help: 'Requests and connections of the SIEM export, by outcome. rejected: the target refused what was sent; unreachable: it failed.',
  labels: { outcome: ['accepted', 'rejected', 'unreachable'] },
});

export const siemBehind = defineGauge({
  name: 'sallyport_siem_behind_events',
  help: 'Sealed events that the slowest target of the SIEM export does not have yet.',
});

export const siemFailing = defineGauge({
  name: 'sallyport_siem_failing_targets',
  help: 'Targets of the SIEM export that accepted nothing in the last attempts. Their events wait in the log.',
});
