// For tests only: facts of a run in which all went well.
import type { Period } from './gates-service.ts';
import type { Act, Exchange } from './ledger.ts';

export const exampleAct = (over: Partial<Act> = {}): Act => ({
  kind: 'issue',
  events: ['token.family_created'],
  isRepeatable: false,
  attempts: [],
  subject: null,
  sentAtMs: 2_000,
  ackedAtMs: 2_100,
  ...over,
});

export const exampleExchange = (over: Partial<Exchange> = {}): Exchange => ({
  surface: 'agents',
  copy: 'A',
  path: '/oauth2/token',
  isLimited: true,
  sentAtMs: 22_000,
  endedAtMs: 22_010,
  status: 200,
  ...over,
});

export const examplePeriod = (over: Partial<Period> = {}): Period => ({
  name: 'kill-api',
  startedAtMs: 20_000,
  endedAtMs: 21_000,
  servedAtMs: 25_000,
  stretch: 1,
  frozen: [],
  hangs: 1,
  isOfStores: false,
  ...over,
});
