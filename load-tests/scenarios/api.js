import encoding from 'k6/encoding';
import http from 'k6/http';

/** The calls of the scenarios, black box: paths, fields and statuses of the HTTP contract. */
export const api = __ENV.TARGET;
const credentials = JSON.parse(open(__ENV.CREDENTIALS_FILE));
const json = { 'content-type': 'application/json' };
const basic = {
  authorization: `Basic ${encoding.b64encode(`${encodeURIComponent(credentials.client.client_id)}:${encodeURIComponent(credentials.client.client_secret)}`)}`,
};

const post = (path, name, body, headers = {}) =>
  http.post(`${api}${path}`, JSON.stringify(body), { headers: { ...json, ...headers }, tags: { name } });

export const signIn = () => post('/api/auth/signin', 'sign-in', credentials.user);
export const issue = (userId) => post('/v1/tokens', 'issue', { user_id: userId }, basic);
export const validate = (token) => post('/v1/tokens/validate', 'validate', { token });
export const refresh = (refreshToken) => post('/v1/tokens/refresh', 'refresh', { refresh_token: refreshToken });
export const revoke = (token) => post('/v1/tokens/revoke', 'revoke', { token, reason: 'load test' }, basic);
export const clientCredentials = () =>
  http.post(`${api}/oauth2/token`, 'grant_type=client_credentials', {
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic },
    tags: { name: 'client-credentials' },
  });

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
  const code = member(response, 'code') ?? member(response, 'error');
  return code ? `${response.status} ${code}` : String(response.status);
};
