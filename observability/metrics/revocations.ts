import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

export const revocationVisibility = defineHistogram({
  name: 'sallyport_revocation_visibility_seconds',
  help: 'Time from the commit of a revocation until this copy enforces it, by the path it arrived on.',
  unit: 's',
  labels: { source: ['push', 'poll'] },
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2],
});

export const revocationStaleness = defineGauge({
  name: 'sallyport_revocation_staleness_seconds',
  help: 'Age of the revocation state of this copy; past the bound it refuses to validate.',
  unit: 's',
});

export const revocationStalenessMax = defineGauge({
  name: 'sallyport_revocation_staleness_max_seconds',
  help: 'Configured age of the revocation state past which a copy refuses to validate.',
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
  help: 'How often single revocations were collapsed into an epoch to limit memory.',
  labels: { into: ['user', 'client', 'global'] },
});
