// Reads with an API key, and revokes keys and times until they are refused.
import { check, sleep } from 'k6';
import { Trend } from 'k6/metrics';
import * as calls from './lib/api.js';
import { expected, iteration, optionsOf } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

/** From sending the revocation of a key to the first answer that refuses it. */
const revokedWithin = new Trend('key_revoke_to_refusal', true);
const LONGEST_MS = 10_000;

export const options = optionsOf(
  {
    read: { rate: 100, limits: ['p(99)<100'] },
    end: { rate: 0.2, answerSeconds: 10 },
  },
  { latencies: { key_revoke_to_refusal: ['max<1000'] } },
);

const create = (name) =>
  calls.post(
    '/v1/api-keys',
    'create',
    { name, permissions: ['tokens:read'], expires_in_seconds: 86_400, requests_per_minute: 60_000 },
    calls.basic,
  );
const remove = (id) => calls.del(`/v1/api-keys/${id}`, 'remove', calls.basic);
const readStats = (secret, op) => calls.get('/v1/tokens/stats', op, { 'x-api-key': secret });

export function setup() {
  const created = create('load test');
  if (created.status !== 201) throw new Error(`create an API key: ${calls.codeOf(created)}`);
  return { id: created.json('api_key.api_key_id'), secret: created.json('secret') };
}

export function read({ secret }) {
  expected(readStats(secret, 'read'), 'read', 200);
}

export function end() {
  const created = create(`load test ${iteration()}`);
  if (!expected(created, 'create', 201)) return;
  const secret = created.json('secret');
  expected(readStats(secret, 'end'), 'end', 200);
  const startedMs = Date.now();
  if (!expected(remove(created.json('api_key.api_key_id')), 'remove', 204)) return;
  let { status } = readStats(secret, 'end');
  while (status === 200 && Date.now() - startedMs < LONGEST_MS) {
    sleep(0.02);
    ({ status } = readStats(secret, 'end'));
  }
  revokedWithin.add(Date.now() - startedMs);
  check(status, { 'a revoked API key is refused': (it) => it === 401 });
}

export const teardown = ({ id }) => void remove(id);
