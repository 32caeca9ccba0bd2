import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

export const revocationVisibility = defineHistogram({
  name: 'sallyport_revocation_visibility_seconds',
  help: 'Time from the commit of a revocation until this copy enforces it, by the path it arrived on.',
  labels: { source: ['push', 'poll'] },
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2],
});

export const revocationStaleness = defineGauge({
  name: 'sallyport_revocation_staleness_seconds',
  help: 'Time since this copy last confirmed its revocations with Postgres; past the bound the copy refuses to validate.',
});

export const revocationStalenessMax = defineGauge({
  name: 'sallyport_revocation_staleness_max_seconds',
  help: 'Configured bound (REVOCATION_STALENESS_MS): a copy whose revocations are older refuses to validate.',
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
  help: 'How often single revocations were collapsed into an epoch, which rejects all earlier tokens of a user, a client or the installation.',
  labels: { into: ['user', 'client', 'global'] },
});
