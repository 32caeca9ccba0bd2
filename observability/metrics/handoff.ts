import { defineCounter } from './instruments.ts';

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
export const showHandoffsGivenUp = (): void => void handoffDeliveries.at({ outcome: 'given_up' });
