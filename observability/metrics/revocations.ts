import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

export const revocationVisibility = defineHistogram({
  name: 'sallyport_revocation_visibility_seconds',
  help: 'Time from the commit of a revocation to its refusal on this copy, by the way it arrived.',
  unit: 's',
  labels: { source: ['push', 'poll'] },
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2],
});

export const revocationStaleness = defineGauge({
  name: 'sallyport_revocation_staleness_seconds',
  help: 'Age of what this copy knows about revocations; past the bound it refuses to validate.',
  unit: 's',
});

export const revocationStalenessMax = defineGauge({
  name: 'sallyport_revocation_staleness_max_seconds',
  help: 'Age of the revocation state past which a copy refuses to validate, as configured.',
  unit: 's',
});

export const revocationEntries = defineGauge({
  name: 'sallyport_revocation_entries',
  help: 'Revocations held in memory by this copy.',
});

export const revocationEntriesMax = defineGauge({
  name: 'sallyport_revocation_entries_max',
  help: 'Revocations this copy may hold before they are collapsed into epochs.',
});

export const revocationCollapses = defineCounter({
  name: 'sallyport_revocation_collapses',
  help: 'Times that single revocations were collapsed into an epoch to stay within memory.',
  labels: { into: ['user', 'client', 'global'] },
});
