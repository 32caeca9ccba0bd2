import { sleep } from 'k6';
import encoding from 'k6/encoding';
import http from 'k6/http';

/** The calls of the scenarios, black box: paths, fields and statuses of the HTTP contract. */
export const api = __ENV.TARGET;
const credentials = JSON.parse(open(__ENV.CREDENTIALS_FILE));
const json = { 'content-type': 'application/json' };
export const client = credentials.client;
export const demoUser = credentials.user;
export const basic = {
  authorization: `Basic ${encoding.b64encode(`${encodeURIComponent(client.client_id)}:${encodeURIComponent(client.client_secret)}`)}`,
};

/** This part of the requests carries a sampled trace context, so that traces of a run can be found. */
const TRACED_PART = 0.01;

const hex = (digits) =>
  Array.from({ length: digits / 8 }, () =>
    Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0'),
  ).join('');

export const newTraceId = () => hex(32);
export const traceparentOf = (traceId) => ({ traceparent: `00-${traceId}-${hex(16)}-01` });

const traced = (headers) => (Math.random() < TRACED_PART ? { ...headers, ...traceparentOf(newTraceId()) } : headers);

/** `op` names the operation in thresholds and reports. */
const paramsOf = (op, headers, more = {}) => ({ headers: traced(headers), tags: { name: op, op }, ...more });

const TRIES = 5;
/** Under the profile `ci` other tests keep the machine busy: an answer that asks to come back is tried again. */
function patiently(ask, first = ask()) {
  let response = first;
  for (let tried = 1; tried < TRIES && __ENV.PROFILE === 'ci' && response.status === 503; tried += 1) {
    sleep(Number(response.headers['Retry-After'] ?? 1));
    response = ask();
  }
  return response;
}

/** @param more `at`: another API than TARGET; other members are parameters of k6 */
export const get = (path, op, headers = {}, { at = api, ...more } = {}) =>
  patiently(() => http.get(`${at}${path}`, paramsOf(op, headers, more)));
export const post = (path, op, body, headers = {}, { at = api } = {}) =>
  patiently(() => http.post(`${at}${path}`, JSON.stringify(body), paramsOf(op, { ...json, ...headers })));
export const del = (path, op, headers = {}) => patiently(() => http.del(`${api}${path}`, null, paramsOf(op, headers)));
export const postForm = (path, op, form, headers = {}, more = {}) =>
  patiently(() => http.post(`${api}${path}`, form, paramsOf(op, headers, more)));

export const signIn = (login = demoUser, op = 'sign-in') =>
  post('/api/auth/signin', op, { email: login.email, password: login.password });
export const issue = (userId, op = 'issue', headers = {}, more = {}) =>
  post('/v1/tokens', op, { user_id: userId }, { ...basic, ...headers }, more);
export const validate = (token, op = 'validate', at = api) => post('/v1/tokens/validate', op, { token }, {}, { at });
export const validateBatch = (tokens) => post('/v1/tokens/validate-batch', 'batch', { tokens });
export const refresh = (refreshToken, op = 'refresh') =>
  post('/v1/tokens/refresh', op, { refresh_token: refreshToken });
export const revoke = (token) => post('/v1/tokens/revoke', 'revoke', { token, reason: 'load test' }, basic);
export const clientCredentials = (op = 'client-credentials') =>
  postForm('/oauth2/token', op, { grant_type: 'client_credentials' }, basic);
export const introspect = (token) => postForm('/oauth2/introspect', 'introspect', { token }, basic);

/** Refreshes one token several times at once, on several connections. */
export const refreshAtOnce = (refreshToken, times) =>
  http
    .batch(
      Array.from({ length: times }, () => [
        'POST',
        `${api}/v1/tokens/refresh`,
        JSON.stringify({ refresh_token: refreshToken }),
        paramsOf('refresh', json),
      ]),
    )
    .map((response) => patiently(() => refresh(refreshToken), response));

/** A member of a JSON answer, or undefined where the answer is not what it should be. */
export function member(response, path) {
  try {
    return response.json(path);
  } catch {
    return undefined;
  }
}

/** `200`, or the status with the error's code: what a check's failure should name. */
export const codeOf = (response) => {
  if (response.status === 0) return `no answer (${response.error_code})`;
  if (response.status < 400) return String(response.status);
  const code = member(response, 'code') ?? member(response, 'error');
  return code ? `${response.status} ${code}` : String(response.status);
};
