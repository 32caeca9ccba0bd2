import { defineGauge } from './instruments.ts';

/** What `/readyz` says, kept by every copy without asking anybody. */
export const componentReady = defineGauge({
  name: 'sallyport_component_ready',
  help: '1 when this copy finds the part in order, else 0: what /readyz says. Redis at 0 is degraded, not down.',
  labels: { component: ['postgres', 'keys', 'revocations', 'redis'] },
});

export const stateRewound = defineGauge({
  name: 'sallyport_state_rewound',
  help: '1 when the database is behind the marks kept outside it: this copy issues and validates nothing.',
});
