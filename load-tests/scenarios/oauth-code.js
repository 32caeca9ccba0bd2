// The authorization code flow with PKCE of a signed-in user who has consented: authorize, then redeem the code.
import { check } from 'k6';
import crypto from 'k6/crypto';
import * as calls from './lib/api.js';
import { active, expected, optionsOf } from './lib/suite.js';

export { summaryOf as handleSummary } from './lib/suite.js';

export const options = optionsOf({
  flow: { rate: 10, op: null, answerSeconds: 1 },
  authorize: { limits: ['p(95)<100'] },
  redeem: { limits: ['p(95)<100'] },
});

const REDIRECT = 'http://127.0.0.1:8765/callback';
const SCOPES = ['openid', 'offline_access'];
const REPLAYED_EVERY = 10;

const queryOf = (members) =>
  Object.entries(members)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');

function newVerifier() {
  return Array.from(new Uint8Array(crypto.randomBytes(32)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const authorize = (cookie, verifier, state) =>
  calls.get(
    `/oauth2/authorize?${queryOf({
      response_type: 'code',
      client_id: calls.client.client_id,
      redirect_uri: REDIRECT,
      scope: SCOPES.join(' '),
      state,
      code_challenge: crypto.sha256(verifier, 'base64rawurl'),
      code_challenge_method: 'S256',
    })}`,
    'authorize',
    { cookie },
    { redirects: 0 },
  );

const redeem = (code, verifier) =>
  calls.postForm(
    '/oauth2/token',
    'redeem',
    { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier },
    calls.basic,
  );

const codeIn = (location) => /[?&]code=([^&]+)/.exec(location ?? '')?.[1];

const cookieOf = (response) =>
  Object.entries(response.cookies)
    .map(([name, [{ value }]]) => `${name}=${value}`)
    .join('; ');

const hidden = (html, name) =>
  new RegExp(`name="${name}" value="([^"]*)"`)
    .exec(html)?.[1]
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

/** Signs in, and consents once. */
export function setup() {
  const signedIn = calls.signIn();
  if (signedIn.status !== 200) throw new Error(`sign in: ${calls.codeOf(signedIn)}`);
  let cookie = cookieOf(signedIn);
  const asked = authorize(cookie, newVerifier(), 'setup');
  if (asked.status === 303) return { cookie };
  cookie = [cookie, cookieOf(asked)].filter((part) => part !== '').join('; ');
  const form = {
    form_token: hidden(asked.body, 'form_token'),
    request: hidden(asked.body, 'request'),
    decision: 'allow',
  };
  const body = [queryOf(form), ...SCOPES.map((scope) => `scope=${encodeURIComponent(scope)}`)].join('&');
  const decided = calls.postForm(
    '/oauth2/consent',
    'consent',
    body,
    { cookie, origin: calls.api, 'content-type': 'application/x-www-form-urlencoded' },
    { redirects: 0 },
  );
  if (codeIn(decided.headers.Location) === undefined) throw new Error(`consent: ${decided.status} ${asked.status}`);
  return { cookie };
}

export function flow({ cookie }) {
  const verifier = newVerifier();
  const state = verifier.slice(0, 16);
  const left = authorize(cookie, verifier, state);
  if (!expected(left, 'authorize', 303)) return;
  const code = codeIn(left.headers.Location);
  check(left.headers.Location, {
    'the redirect carries the code and the state of the client': (it) =>
      code !== undefined && it.includes(`state=${state}`),
  });
  const tokens = redeem(code, verifier);
  if (!expected(tokens, 'redeem', 200)) return;
  const accessToken = tokens.json('access_token');
  active(calls.validate(accessToken), 'a token of the code flow is active');
  if (__ITER % REPLAYED_EVERY !== 0) return;
  check(redeem(code, verifier), {
    'a code redeemed twice is refused': (it) => it.status === 400 && calls.member(it, 'error') === 'invalid_grant',
  });
  check(calls.validate(accessToken), {
    'the second use of a code ends the tokens of the first': (it) => calls.member(it, 'active') === false,
  });
}
