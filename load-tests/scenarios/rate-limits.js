// One address exceeds its limit and is answered 429; requests from other addresses, and of a service at the same address,
// are served. Addresses come from X-Forwarded-For, so the API at SECOND_TARGET must trust this machine as a proxy.
import { check } from 'k6';
import http from 'k6/http';
import * as calls from './lib/api.js';
import { expected, expectedCode, iteration, optionsOf, userId } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  burst: { once: 0 },
  noisy: { rate: 40, limits: ['p(99)<100'] },
  quiet: { rate: 5, limits: ['p(99)<100'] },
  service: { rate: 20, limits: ['p(99)<100'] },
});

const at = __ENV.SECOND_TARGET;
const NOISY = '203.0.113.1';
const QUIET_ADDRESSES = 100;
/** More than the limit of one address: 1,000 ordinary requests in the minute from its first request on. */
const BURST = 1_100;
const AT_ONCE = 50;
const PUBLIC_PATH = '/.well-known/openid-configuration';
const from = (address) => ({ 'x-forwarded-for': address });

/** Exceeds the limit at once, so that it is reached however short the run is. */
export function burst() {
  let refused = 0;
  for (let sent = 0; sent < BURST; sent += AT_ONCE) {
    const request = [
      'GET',
      `${at}${PUBLIC_PATH}`,
      null,
      { headers: from(NOISY), tags: { name: 'burst', op: 'burst' } },
    ];
    for (const response of http.batch(Array.from({ length: AT_ONCE }, () => request))) {
      expectedCode(response, 'burst', '200', '429 rate_limited');
      if (response.status === 429) refused += 1;
    }
  }
  check(refused, { 'an address over its limit is answered 429': (it) => it > 0 });
}

export function noisy() {
  expectedCode(calls.get(PUBLIC_PATH, 'noisy', from(NOISY), { at }), 'noisy', '200', '429 rate_limited');
}

export function quiet() {
  const address = `198.51.100.${iteration() % QUIET_ADDRESSES}`;
  expected(calls.get(PUBLIC_PATH, 'quiet', from(address), { at }), 'quiet', 200);
}

/** An authenticated service has a limit of its own, whatever its address sends. */
export function service() {
  expected(calls.issue(userId, 'service', from(NOISY), { at }), 'service', 201);
}
