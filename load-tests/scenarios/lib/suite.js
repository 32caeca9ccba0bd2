// What every scenario shares: its options by profile, the count of answers by code, and its pool of tokens.
// The runner gives TARGET, CREDENTIALS_FILE, POOL_FILE, PROFILE, SECONDS and SUMMARY_FILE.
import { check } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import * as calls from './api.js';
import { profiles } from './profiles.js';

const profile = profiles[__ENV.PROFILE];
if (!profile) throw new Error(`no such profile: ${__ENV.PROFILE}`);
const { endsAtThreshold: abortOnFail = false, isTimeHeld = true } = profile;
/** A rule that always passes: it keeps the metric in the summary, where the report expects requests. */
const UNHELD = 'max>=0';

/** Rates are given for this time, so that less than one request a second is possible. */
const TIME_UNIT_SECONDS = 10;
/** Virtual users, of which each sends one request at a time and takes about 2 MB of the generator. */
const VUS_MIN = 4;
const VUS_PREPARED_MAX = 400;
const VUS_MAX = 2_000;

/** @param seconds of the scenario under the profile `load`, where it differs from the profile's own */
const secondsOf = (loadSeconds) => {
  if (__ENV.SECONDS) return Number(__ENV.SECONDS);
  return __ENV.PROFILE === 'load' && loadSeconds !== undefined ? loadSeconds : profile.seconds;
};

/** An iteration that is cut short measures nothing: audit-backlog waits up to 30 seconds. */
const LONGEST_ITERATION = '40s';

function arrivalOf(name, { rate, answerSeconds = 0.2 }, seconds) {
  const at = (factor) => Math.max(1, Math.round(rate * factor * TIME_UNIT_SECONDS));
  const peakPerSecond = rate * Math.max(...profile.shape.map(([, factor]) => factor));
  const vus = Math.min(VUS_PREPARED_MAX, Math.max(VUS_MIN, Math.ceil(peakPerSecond * answerSeconds)));
  const common = {
    exec: name,
    timeUnit: `${TIME_UNIT_SECONDS}s`,
    preAllocatedVUs: vus,
    maxVUs: Math.min(VUS_MAX, vus * 5),
    gracefulStop: LONGEST_ITERATION,
  };
  if (profile.shape.length === 1 && profile.shape[0][1] === profile.start)
    return { executor: 'constant-arrival-rate', rate: at(profile.start), duration: `${seconds}s`, ...common };
  return {
    executor: 'ramping-arrival-rate',
    startRate: at(profile.start),
    stages: profile.shape.map(([part, factor]) => ({
      duration: `${Math.max(1, Math.round(part * seconds))}s`,
      target: at(factor),
    })),
    ...common,
  };
}

/** Runs once, at a part of the time. */
const onceOf = (name, { once }, seconds) => ({
  executor: 'shared-iterations',
  exec: name,
  vus: 1,
  iterations: 1,
  startTime: `${Math.round(once * seconds)}s`,
  maxDuration: `${seconds + 60}s`,
});

/**
 * k6 options of a scenario.
 * @param operations by name: `rate` (iterations a second under `load`) or `once` (part of the time, for one iteration);
 *   `op` (the operation of its requests; its name unless given, null if its requests have several), `limits` (of their
 *   latency), `answerSeconds` (how long an iteration takes at most before more virtual users are needed)
 * @param latencies thresholds of other metrics of time
 */
export function optionsOf(operations, { latencies = {}, loadSeconds } = {}) {
  const seconds = secondsOf(loadSeconds);
  const held = (rules) => rules.map((threshold) => ({ threshold, abortOnFail }));
  const timely = (rules) => held(isTimeHeld ? rules : [UNHELD]);
  const scenarios = {};
  const thresholds = { checks: held(['rate==1']) };
  if (isTimeHeld) thresholds.dropped_iterations = held(['count==0']);
  for (const [name, operation] of Object.entries(operations)) {
    if (operation.once === undefined && operation.rate === undefined) continue;
    scenarios[name] =
      operation.once === undefined ? arrivalOf(name, operation, seconds) : onceOf(name, operation, seconds);
  }
  for (const [name, { limits: rules = [UNHELD], op = name }] of Object.entries(operations))
    if (op !== null) thresholds[`http_req_duration{op:${op}}`] = timely(rules);
  for (const [metric, rules] of Object.entries(latencies)) thresholds[metric] = timely(rules);
  return {
    scenarios,
    thresholds,
    summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max', 'count'],
    systemTags: ['name', 'status', 'scenario', 'check', 'group'],
    setupTimeout: '120s',
    teardownTimeout: '120s',
  };
}

const asksToWait = ({ status }) => status === 429 || status === 503;

/** The code of an answer, which says so where a refusal for now does not tell when to come back. */
const completeCodeOf = (response) =>
  asksToWait(response) && response.headers['Retry-After'] === undefined
    ? `${calls.codeOf(response)} without Retry-After`
    : calls.codeOf(response);

/** Counts an answer by operation and code in a check of that name, which the report reads: `issue: 503 overloaded`. */
const counted = (response, op, isExpected) =>
  check(response, { [`${op}: ${completeCodeOf(response)}`]: () => isExpected });

/** Whether the answer has this status; counts it by code. */
export const expected = (response, op, status) => counted(response, op, response.status === status);

/** Whether the answer has one of these codes, such as `503 hashing_busy`, with Retry-After where due; counts it. */
export const expectedCode = (response, op, ...codes) => counted(response, op, codes.includes(completeCodeOf(response)));

export const active = (response, what) =>
  response.status === 503
    ? expected(response, 'validate', 200)
    : check(response, { [what]: (it) => it.status === 200 && calls.member(it, 'active') === true });

const readPool = () => JSON.parse(open(__ENV.POOL_FILE));
// Shared arrays are read once, and not by each virtual user: the pool of 10,000 users has 20 MB.
const [pool] = new SharedArray('pool', () => {
  const { user_id, password: ofUsers, made_at_ms } = readPool();
  return [{ user_id, password: ofUsers, made_at_ms }];
});
/** The user of tokens that the client issues. */
export const userId = pool.user_id;
/** Password of the pool's users. */
export const password = pool.password;
export const users = new SharedArray('users', () => readPool().users);
const tokens = new SharedArray('tokens', () => readPool().tokens);

/** Access tokens live 15 minutes; from here on each virtual user issues its own. */
const POOL_MS = 600_000;
let own;
let ownSinceMs = 0;

/** A live access token that was validated before, most of the time. */
export function liveToken() {
  const ageMs = Date.now() - pool.made_at_ms;
  if (ageMs < POOL_MS) return tokens[Math.floor(Math.random() * tokens.length)];
  if (own === undefined || Date.now() - ownSinceMs > POOL_MS) {
    const issued = calls.issue(userId);
    if (!expected(issued, 'issue', 201)) return own ?? tokens[0];
    own = issued.json('access_token');
    ownSinceMs = Date.now();
  }
  return own;
}

/** The same, several at once. */
export const liveTokens = (count) => Array.from({ length: count }, liveToken);

/** A number of this iteration that no other iteration of its operation has, from 0. */
export const iteration = () => exec.scenario.iterationInTest;

/** A token family that only this virtual user refreshes. */
let family;

/** Refreshes the virtual user's own family; with `isRepeated`, repeats it as after a lost answer. */
export function refreshOwn({ isRepeated = false } = {}) {
  if (family === undefined) {
    const issued = calls.issue(userId);
    if (!expected(issued, 'issue', 201)) return;
    family = issued.json('refresh_token');
  }
  const first = calls.refresh(family);
  if (!expected(first, 'refresh', 200)) {
    family = undefined;
    return;
  }
  const successor = first.json('refresh_token');
  if (isRepeated)
    check(calls.refresh(family), {
      'the same refresh token sent twice gets the same successor': (it) =>
        it.status === 200 && calls.member(it, 'refresh_token') === successor,
    });
  check(successor, { 'a refresh gives another refresh token': (it) => it !== family });
  active(calls.validate(first.json('access_token')), 'a refreshed token is active');
  family = successor;
}

/** Issues a pair, and validates it. */
export function issueAndValidate() {
  const issued = calls.issue(userId);
  if (!expected(issued, 'issue', 201)) return;
  check(calls.validate(issued.json('access_token')), {
    'a token just issued is active, for its user': (it) =>
      calls.member(it, 'active') === true && calls.member(it, 'claims.sub') === userId,
  });
}

export const validateLive = () => {
  const response = calls.validate(liveToken());
  if (expected(response, 'validate', 200)) active(response, 'a live token is active');
};

export function summaryOf(data) {
  return { [__ENV.SUMMARY_FILE]: JSON.stringify(data, null, 2) };
}
