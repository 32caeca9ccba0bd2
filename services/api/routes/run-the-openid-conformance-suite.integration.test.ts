// Runs every command and program of docs/how-to/run-the-openid-conformance-suite.md.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const SUITE = 'https://suite.example/test/a/sallyport';
const OP = 'https://op.example:8443';
const page = readFileSync(
  resolve(import.meta.dirname, '../../../docs/how-to/run-the-openid-conformance-suite.md'),
  'utf8',
);
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, code = '']) => code);

const harness = opened(() => openApiHarness());
const folder = testFolder();
beforeAll(async () => {
  // FAPI 2.0 clients need a key that signs with ES256, as the settings of the page make one.
  await harness.startCopy({ hashes: false, env: { JWT_ADDITIONAL_ALGORITHMS: 'ES256' } });
});

const read = async (name: string): Promise<Json> => JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'));

/** Runs one command of the page; what it prints goes to the file that it names. */
async function register(command: string): Promise<void> {
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? (bare as string));
  expect(words.slice(0, 2)).toEqual(['npx', 'sallyport']);
  const [file, arrow] = [words.at(-1) as string, words.at(-2)];
  expect(arrow).toBe('>');
  const args = words
    .slice(2, -2)
    .map((word) => (/^jwks-\d\.json$/.test(word) ? join(folder, word) : word.replaceAll('$SUITE', SUITE)));
  const { databaseUrl, authSecret } = harness;
  const env = { DATABASE_URL: databaseUrl, BETTER_AUTH_SECRET: authSecret, SALLYPORT_DATA_DIR: folder };
  const { code, out, err } = await runCli(args, { ...env, BETTER_AUTH_URL: OP, JWT_ADDITIONAL_ALGORITHMS: 'ES256' });
  expect(code, err).toBe(0);
  await writeFile(join(folder, file), out);
}

async function run(name: string, program: string): Promise<void> {
  await writeFile(join(folder, name), program);
  await promisify(execFile)(process.execPath, [name], { cwd: folder, env: { OP, SUITE } });
}

test('the page registers the clients that each plan of the suite needs, and writes its configurations', async () => {
  const [createKeys, writeConfigurations] = blocks('js') as [string, string];
  await run('create-suite-keys.mjs', createKeys);
  const commands = blocks('sh')
    .flatMap((block) => block.replaceAll('\\\n', '').trim().split('\n'))
    .filter((line) => line.startsWith('npx'));
  expect(commands).toHaveLength(13);
  for (const command of commands) await register(command);

  // A logout token that reaches the suite ends the modules of RP-Initiated Logout.
  for (const which of [1, 2]) {
    expect(await read(`logout-${which}`)).toMatchObject({ backchannel_logout_uri: null });
    expect(await read(`back-channel-${which}`)).toMatchObject({
      backchannel_logout_uri: `${SUITE}/backchannel_logout`,
    });
  }
  expect(await read('basic-post')).toMatchObject({ auth_method: 'client_secret_post', pkce: 'optional' });
  expect(await read('fapi-2')).toMatchObject({
    profile: 'fapi2',
    redirect_uris: [`${SUITE}/callback?dummy1=lorem&dummy2=ipsum`],
    id_token_signed_response_alg: 'ES256',
  });

  expect(await read('transmitter')).toMatchObject({
    issuer: SUITE,
    jwks_uri: `${SUITE}/jwks`,
    audience: OP,
    own_ids: true,
  });

  await run('write-configurations.mjs', writeConfigurations);
  const basic = await read('plan-basic');
  expect(basic.alias).toBe('sallyport');
  expect(basic.server.discoveryUrl).toBe(`${OP}/.well-known/openid-configuration`);
  for (const member of ['client', 'client2', 'client_secret_post'])
    expect(basic[member]).toEqual({ client_id: expect.any(String), client_secret: expect.any(String) });
  const registered = new Set(
    (await harness.rows`SELECT "clientId" AS id FROM oauth_clients`).map(({ id }) => id as string),
  );
  for (const plan of ['basic', 'logout', 'back-channel', 'fapi', 'fapi-service']) {
    const { client, client2 } = await read(`plan-${plan}`);
    expect([client, client2].map(({ client_id }) => registered.has(client_id))).toEqual([true, true]);
    expect(client.client_id).not.toBe(client2.client_id);
  }
  const { client, resource } = await read('plan-fapi-service');
  expect(client.jwks.keys[0]).toMatchObject({ alg: 'ES256', d: expect.any(String) });
  expect([client.scope, resource.resourceUrl]).toEqual(['keys:read', `${OP}/v1/keys`]);
});
