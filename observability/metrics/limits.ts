import { defineCounter, defineHistogram } from './instruments.ts';

const levels = ['global', 'address', 'class', 'client', 'user'] as const;
const classes = ['validate', 'token', 'credential', 'log', 'read', 'write', 'admin'] as const;

export const rateLimitRefusals = defineCounter({
  name: 'sallyport_rate_limit_refusals',
  help: 'Requests refused by a rate limit, by level and route class.',
  labels: { level: levels, class: classes },
});

export const rateLimitBypasses = defineCounter({
  name: 'sallyport_rate_limit_bypasses',
  help: 'Requests that bypassed a used-up limit with the permission limits:bypass.',
  labels: { level: levels },
});

export const rateLimitCheckDuration = defineHistogram({
  name: 'sallyport_rate_limit_check_seconds',
  help: 'Time a request waited for its rate limits, by stage: before it is read, and after its caller is known.',
  labels: { stage: ['request', 'caller'] },
  buckets: [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
});

export const rateLimitCountsAlone = defineCounter({
  name: 'sallyport_rate_limit_counts_alone',
  help: 'Requests that a copy counted without the other copies because Redis was unreachable or too slow.',
});
