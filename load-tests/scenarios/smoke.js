// Sign in, issue, validate, refresh and revoke side by side, each at a constant arrival rate, right and fast enough.
// Run by `npm run load -- smoke`, which gives TARGET, CREDENTIALS_FILE, PROFILE and SUMMARY_FILE.
import { check, fail } from 'k6';
import { Counter, Trend } from 'k6/metrics';
import * as calls from './api.js';
import { profiles, scenarioOf } from './profiles.js';

const profile = profiles[__ENV.PROFILE ?? 'smoke'];
if (!profile) throw new Error(`no such profile: ${__ENV.PROFILE}`);
const { endsAtThreshold: abortOnFail = false } = profile;

/** Answers by path and code: `200`, `503 overloaded`, … */
const answers = new Counter('answers');
/** From sending a revocation to the first answer that refuses the token. */
const revokedWithin = new Trend('revoke_to_refusal', true);

export const options = {
  scenarios: Object.fromEntries(
    ['validate', 'issue', 'refresh', 'revoke', 'signIn'].map((path) => [path, scenarioOf(path, profile)]),
  ),
  thresholds: {
    checks: [{ threshold: 'rate==1', abortOnFail }],
    dropped_iterations: [{ threshold: 'count==0', abortOnFail }],
    'http_req_duration{name:validate}': [{ threshold: 'p(99)<50', abortOnFail }],
    'http_req_duration{name:issue}': [{ threshold: 'avg<100', abortOnFail }],
    'http_req_duration{name:refresh}': [{ threshold: 'p(95)<100', abortOnFail }],
    'http_req_duration{name:revoke}': [{ threshold: 'p(95)<100', abortOnFail }],
    'http_req_duration{name:sign-in}': [{ threshold: 'p(95)<5000', abortOnFail }],
    revoke_to_refusal: [{ threshold: 'p(99)<250', abortOnFail }],
  },
  summaryTrendStats: ['avg', 'med', 'p(90)', 'p(95)', 'p(99)', 'max', 'count'],
  setupTimeout: '60s',
};

/** The answer's body when its status is the expected one; counts it by code either way. */
function expected(response, path, status) {
  answers.add(1, { path, code: calls.codeOf(response) });
  return check(response, { [`${path}: ${status}`]: (it) => it.status === status });
}

export function setup() {
  const login = calls.signIn();
  if (login.status !== 200) fail(`sign-in: ${calls.codeOf(login)}`);
  const userId = login.json('user.id');
  const tokens = Array.from({ length: 200 }, () => {
    const issued = calls.issue(userId);
    if (issued.status !== 201) fail(`issue: ${calls.codeOf(issued)}`);
    return issued.json('access_token');
  });
  return { userId, tokens };
}

export function validate({ tokens }) {
  const response = calls.validate(tokens[Math.floor(Math.random() * tokens.length)]);
  if (expected(response, 'validate', 200))
    check(response, { 'a live token is active': (it) => calls.member(it, 'active') === true });
}

export function issue({ userId }) {
  const issued = calls.issue(userId);
  if (!expected(issued, 'issue', 201)) return;
  const verdict = calls.validate(issued.json('access_token'));
  check(verdict, {
    'a token just issued is active, for its user': (it) =>
      calls.member(it, 'active') === true && calls.member(it, 'claims.sub') === userId,
  });
  if (__ITER % 5 === 0) expected(calls.clientCredentials(), 'client-credentials', 200);
}

/** Every virtual user keeps a login of its own and moves it on. */
let login;

export function refresh({ userId }) {
  if (login === undefined) {
    const issued = calls.issue(userId);
    if (!expected(issued, 'issue', 201)) return;
    login = issued.json('refresh_token');
  }
  const first = calls.refresh(login);
  if (!expected(first, 'refresh', 200)) {
    login = undefined;
    return;
  }
  // A lost answer, asked again within the grace time.
  const again = calls.refresh(login);
  const successor = first.json('refresh_token');
  check(again, {
    'the same refresh token asked twice gets the same successor': (it) =>
      it.status === 200 && calls.member(it, 'refresh_token') === successor,
  });
  check(successor, { 'a refresh moves the login on': (it) => it !== login });
  const verdict = calls.validate(first.json('access_token'));
  check(verdict, { 'a refreshed token is active': (it) => calls.member(it, 'active') === true });
  login = successor;
}

export function revoke({ userId }) {
  const issued = calls.issue(userId);
  if (!expected(issued, 'issue', 201)) return;
  const token = issued.json('access_token');
  const startedMs = Date.now();
  if (!expected(calls.revoke(token), 'revoke', 200)) return;
  const verdict = calls.validate(token);
  const isRefused = check(verdict, {
    'a revoked token is refused, and why is said': (it) =>
      it.status === 200 && calls.member(it, 'active') === false && calls.member(it, 'reason') === 'revoked',
  });
  if (isRefused) revokedWithin.add(Date.now() - startedMs);
}

export function signIn() {
  const response = calls.signIn();
  // More logins than can be hashed are told to come back; nothing else is right.
  const busy = response.status === 503 && response.headers['Retry-After'] !== undefined;
  answers.add(1, { path: 'sign-in', code: calls.codeOf(response) });
  check(response, { 'sign-in: 200, or 503 with Retry-After': (it) => it.status === 200 || busy });
  if (response.status !== 200) return;
  const verdict = calls.validate(response.json('tokens.access_token'));
  check(verdict, { 'a token of a login is active': (it) => calls.member(it, 'active') === true });
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY_FILE]: JSON.stringify(data, null, 2) };
}
