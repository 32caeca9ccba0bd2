// Runs the steps of docs/how-to/connect-a-fapi-2-client.md. The page and this file must contain the same lines.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import * as client from 'openid-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { opened } from '#tools/testing/opened.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const ISSUER = 'https://sallyport.example';
const page = readFileSync(
  join(resolve(import.meta.dirname, '../../..'), 'docs/how-to/connect-a-fapi-2-client.md'),
  'utf8',
);
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, code = '']) => code);

const folder = testFolder();
const harness = opened(openApiHarness);
const api = opened(() => harness.startCopy({ hashes: false, publicUrl: ISSUER, env: { JWT_ALGORITHM: 'ES256' } }));
beforeAll(async () => {
  const plainFetch = fetch;
  vi.stubGlobal('fetch', (url: string | URL, init?: RequestInit) =>
    plainFetch(String(url).replace(ISSUER, api.url), init),
  );
});
afterAll(async () => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
});

/** Runs the program of the page that creates a key, and its command that registers the client. */
async function register(): Promise<string> {
  await writeFile(join(folder, 'create-key.mjs'), blocks('js')[0] as string);
  await promisify(execFile)(process.execPath, ['create-key.mjs'], { cwd: folder });
  const command = (blocks('sh')[0] as string).replaceAll('\\\n', '').trim();
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? (bare as string));
  expect(words.slice(0, 2)).toEqual(['npx', 'sallyport']);
  const args = words.slice(2).map((word) => (word === 'jwks.json' ? join(folder, word) : word));
  const { databaseUrl, authSecret } = harness;
  const env = { DATABASE_URL: databaseUrl, BETTER_AUTH_SECRET: authSecret, SALLYPORT_DATA_DIR: folder };
  const { code, out, err } = await runCli([...args, '--yes', '--json'], env);
  expect(code, err).toBe(0);
  await api.ports.access.load();
  return JSON.parse(out).client_id;
}

/** The user is signed in, and allows what the client asks for. */
async function browse(redirectTo: URL): Promise<URL> {
  const browser = openBrowser(api.url, ISSUER);
  for (const pair of (await newSignedIn(api)).cookie.split('; ')) {
    const equals = pair.indexOf('=');
    browser.cookies.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  const consent = await browser.open(`${redirectTo.pathname}${redirectTo.search}`);
  const { leftFor } = await browser.submit(consent, {
    decision: 'allow',
    scope: ['openid', 'email', 'offline_access'],
  });
  return leftFor as URL;
}

test('a client of the profile fapi2 signs a user in with openid-client as the guide shows', async () => {
  vi.stubEnv('CLIENT_ID', await register());
  vi.stubEnv('KEY_FILE', join(folder, 'key.json'));
  // example: client
  const { KEY_FILE = 'key.json', CLIENT_ID = '' } = process.env;
  const { kid, ...jwk } = JSON.parse(readFileSync(KEY_FILE, 'utf8'));
  const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const auth = client.PrivateKeyJwt({ key, kid });
  const config = await client.discovery(new URL('https://sallyport.example'), CLIENT_ID, undefined, auth);
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  // end
  // example: request
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const request = {
    redirect_uri: 'https://bank.example/callback',
    scope: 'openid email offline_access',
    state: expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  };
  const redirectTo = await client.buildAuthorizationUrlWithPAR(config, request, { DPoP });
  // end
  expect([...redirectTo.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
  const callbackUrl = await browse(redirectTo);
  // example: code
  const checks = { pkceCodeVerifier, expectedState };
  const tokens = await client.authorizationCodeGrant(config, callbackUrl, checks, undefined, { DPoP });
  const subject = tokens.claims()?.sub ?? '';
  const user = await client.fetchUserInfo(config, tokens.access_token, subject, { DPoP });
  // end
  expect([tokens.token_type, user.sub, user.email]).toEqual(['dpop', subject, expect.stringContaining('@')]);
  // example: refresh
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, { DPoP });
  // end
  expect(refreshed.refresh_token).toBe(tokens.refresh_token);
  expect(refreshed.access_token).not.toBe(tokens.access_token);
  const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  await expect(client.fetchUserInfo(config, refreshed.access_token, subject, { DPoP: other })).rejects.toMatchObject({
    status: 401,
  });
});

test('the page shows these examples', () => {
  const lines = (text: string): string[] => text.split('\n').map((line) => line.trim());
  const source = readFileSync(import.meta.filename, 'utf8');
  const examples = [...source.matchAll(/ {2}\/\/ example: .+\n([\s\S]*?) {2}\/\/ end\n/g)].map(([, code = '']) => code);
  const shown = blocks('ts').map((code) => lines(code).filter((line) => line !== '' && !line.startsWith('import ')));
  expect(shown).toEqual(examples.map((code) => lines(code).filter((line) => line !== '')));
  for (const line of blocks('ts').flatMap(lines)) if (line.startsWith('import ')) expect(source).toContain(line);
});
