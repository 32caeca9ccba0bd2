import { defineGauge } from './instruments.ts';

/** The result of `/readyz`, which every copy maintains without further requests. */
export const componentReady = defineGauge({
  name: 'sallyport_component_ready',
  help: '1 when the component is healthy, otherwise 0, as in /readyz. Redis at 0 is degraded, not down.',
  labels: { component: ['postgres', 'keys', 'revocations', 'directory', 'redis'] },
});

export const stateRewoundGauge = defineGauge({
  name: 'sallyport_state_rewound',
  help: '1 when the database is behind the high-water marks kept outside it. This copy then issues and validates no tokens.',
});
