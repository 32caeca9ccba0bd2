// Writes audit events at a high rate and times until an event can be read from the sealed log.
import { check, sleep } from 'k6';
import { Trend } from 'k6/metrics';
import * as calls from './lib/api.js';
import { expected, optionsOf, userId } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

/** From the answer to a request until its event is in the sealed log. */
const auditLag = new Trend('audit_lag', true);
const LONGEST_MS = 30_000;

export const options = optionsOf(
  {
    write: { rate: 500, limits: ['p(99)<250'] },
    lag: { rate: 1, answerSeconds: 10 },
  },
  { latencies: { audit_lag: ['p(99)<5000'] } },
);

export function write() {
  expected(calls.clientCredentials('write'), 'write', 200);
}

export function lag() {
  const traceId = calls.newTraceId();
  const issued = calls.issue(userId, 'lag', calls.traceparentOf(traceId));
  if (!expected(issued, 'lag', 201)) return;
  const startedMs = Date.now();
  let isSealed = false;
  while (!isSealed && Date.now() - startedMs < LONGEST_MS) {
    sleep(0.1);
    const page = calls.get('/v1/audit/events?limit=100&type=token.family_created', 'read-log', calls.basic);
    isSealed = page.status === 200 && page.body.includes(traceId);
  }
  auditLag.add(Date.now() - startedMs);
  check(isSealed, { 'an event reaches the sealed log': (it) => it });
}
