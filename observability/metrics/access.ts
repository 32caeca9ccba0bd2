import { defineGauge } from './instruments.ts';

export const directoryStaleness = defineGauge({
  name: 'sallyport_directory_staleness_seconds',
  help: 'Time since this copy last confirmed with Postgres that it has the newest clients, roles, permissions and applications; past the bound (sallyport_revocation_staleness_max_seconds) it authenticates no client and decides no permission.',
});
