// Authlib (PyPI) as a client: details and an identity assertion, in its own words.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { JWT_BEARER } from '#services/core/access/grant-shapes.ts';
import { environmentOf, findPython, pythonIn } from '#tools/checks/python-environment.ts';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { ALLOW, browserOf, LOOPBACK_REDIRECT } from '#tools/testing/harness/oauth.ts';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { openAdminHarness, reason } from './admin-harness.ts';

const ISSUER = 'https://idp.example';
const NOTES = 'https://notes.example';
const DETAILS = ['1', '2'].map((note) => ({ type: 'note', note }));
const GRANTS = ['authorization_code', 'refresh_token', JWT_BEARER];

const PROGRAM = `
import json, os, sys
os.environ['AUTHLIB_INSECURE_TRANSPORT'] = '1'
from authlib.integrations.requests_client import OAuth2Session
given = json.loads(sys.argv[1])
details, token_url = json.dumps(given['details']), given['url'] + '/oauth2/token'
client = OAuth2Session(given['client_id'], given['client_secret'], scope='tasks:read offline_access',
    redirect_uri=given['redirect_uri'], code_challenge_method='S256')
def say(value): print(json.dumps(value), flush=True)
verifier = 'v' * 43
url, state = client.create_authorization_url(given['url'] + '/oauth2/authorize', code_verifier=verifier,
    authorization_details=details, resource=given['resource'])
say(url)
say(client.fetch_token(token_url, authorization_response=sys.stdin.readline().strip(), state=state, code_verifier=verifier))
say(client.refresh_token(token_url, authorization_details=json.dumps(given['details'][:1]), resource=given['resource']))
plain = OAuth2Session(given['client_id'], given['client_secret'])
say(plain.fetch_token(token_url, grant_type=given['grant'], assertion=given['assertion']))
`;

const idp = newAssertionMaker('ES256');
const keys = opened(() =>
  listening(createServer((_request, answer) => answer.end(JSON.stringify({ keys: [idp.jwk] })))),
);
const harness = opened(openAdminHarness);
const SOCIAL_PROVIDERS = JSON.stringify({ work: { clientId: 'us', issuer: ISSUER } });
const env = { CLIENT_DOCUMENTS_PRIVATE: 'true', SOCIAL_PROVIDERS };
const api = opened(() => harness.startCopy({ hashes: false, env }));

test('Authlib gets tokens of details by code, refresh and an identity assertion', async () => {
  const schema = { type: 'object', properties: { note: { type: 'string' } }, required: ['note'] };
  const types = { note: { schema, words: { en: 'read {note}', de: '{note} lesen' }, bound: ['note'] } };
  const declared = { application: 'notes', audience: NOTES, permissions: [], authorization_details: types, reason };
  expect((await harness.byAdmin('POST', '/v1/admin/applications', declared)).status).toBe(200);
  const {
    status,
    text: why,
    body: client,
  } = await harness.register({
    grant_types: GRANTS,
    scopes: ['tasks:read', 'offline_access'],
    audiences: [NOTES],
    redirect_uris: [LOOPBACK_REDIRECT],
    identity_assertions: { accepts: [{ issuer: ISSUER, jwks_uri: keys.url, provider: 'work' }] },
    authorization_details_types: ['note'],
  });
  expect(status, why).toBe(201);
  await api.ports.access.load();
  const user = await newSignedIn(api);
  const link = `INSERT INTO accounts (id, "userId", "providerId", "accountId") VALUES ($1, $1, 'work', $1)`;
  await harness.rows(link, [user.id]);
  const { client_id, client_secret } = client;
  const claims = {
    iss: ISSUER,
    sub: user.id,
    client_id,
    scope: 'tasks:read',
    resource: NOTES,
    authorization_details: DETAILS,
  };
  const assertion = await idp.assertion('', API_URL, { header: { typ: 'oauth-id-jag+jwt' }, claims });
  const given = { url: api.url, client_id, client_secret, redirect_uri: LOOPBACK_REDIRECT, resource: NOTES };
  const python = pythonIn(environmentOf(findPython(), [resolve('tools/checks/authlib-requirements.txt')]));
  const args = ['-c', PROGRAM, JSON.stringify({ ...given, details: DETAILS, grant: JWT_BEARER, assertion })];
  const program = spawn(python, args);
  const wrong = text(program.stderr);
  const lines = createInterface(program.stdout)[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(await wrong);
    return JSON.parse(value);
  };
  const browser = browserOf(api, user);
  const asked = new URL(await next());
  const shown = await browser.open(asked.pathname + asked.search);
  const { leftFor } = await browser.submit(shown, ALLOW);
  program.stdin.end(`${leftFor}\n`);
  for (const details of [DETAILS, DETAILS.slice(0, 1), DETAILS]) {
    const tokens = await next();
    expect(tokens.authorization_details).toEqual(details);
    expect(decodeJwt(tokens.access_token)).toMatchObject({ aud: NOTES, client_id, authorization_details: details });
  }
  expect(await once(program, 'close')).toEqual([0, null]);
});
