import { beforeAll, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { recordInstallation } from '../services/core/health/installation/record-installation.ts';
import { ensureKeys } from '../services/core/keys/ensure-keys.ts';
import { mailContext } from '../services/core/keys/secrets/sealed-contexts.ts';
import { factsOf } from '../services/platform/config/facts.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { testCaller } from '../tools/testing/harness/ports.ts';
import { openCliHarness } from './cli-harness.ts';

/** The installation was started with these settings; the shells of the commands below have none of them. */
const STARTED = {
  SALLYPORT_PROFILE: 'staging',
  TRUSTED_PROXIES: '10.0.0.1',
  CLIENT_CERT_HEADER: 'x-client-cert',
  MFA_REQUIRED_ROLES: 'admin',
};
const PUBLIC = 'https://op.example.test';
const EFFECTIVE = { BETTER_AUTH_URL: PUBLIC, JWT_ISSUER: PUBLIC, JWT_AUDIENCE: 'https://api.example.test' };
const AUTH_SECRET = 'an-auth-secret-of-more-than-thirty-two-characters';
const act = ['--reason', 'test', '--yes'];

const harness = opened(() => openCliHarness({ BETTER_AUTH_SECRET: AUTH_SECRET }));
beforeAll(async () => {
  await ensureKeys(harness.ports, { ...loadConfig({}), authSecret: AUTH_SECRET, audience: null }, testCaller);
  await recordInstallation(harness.ports, factsOf(STARTED, EFFECTIVE), testCaller);
});

const recorded = () =>
  harness.ports.raw`SELECT detail FROM audit_outbox WHERE type = 'operations.installation_recorded'`;

test('an API that starts with the same facts records nothing; with others, one event names what changed', async () => {
  expect(await recorded()).toHaveLength(1);
  await recordInstallation(harness.ports, factsOf(STARTED, EFFECTIVE), testCaller);
  expect(await recorded()).toHaveLength(1);
  await recordInstallation(harness.ports, factsOf({ ...STARTED, MARK_STORE: 'file' }, EFFECTIVE), testCaller);
  expect((await recorded())[1]).toMatchObject({ detail: { changed: ['MARK_STORE'] } });
});

test('an invitation leads to the address of the installation, not to that of the shell', async () => {
  await harness.json(['users', 'invite', 'ada@people.test', ...act]);
  const [mail] = await harness.ports.raw<{ id: string; sealed: string }>`SELECT id, sealed FROM mail_outbox`;
  const asked = JSON.parse(harness.ports.vault.open(mail!.sealed, mailContext(mail!.id)).toString());
  expect(asked).toMatchObject({ to: 'ada@people.test', publicUrl: PUBLIC });
});

test('the events of a transmitter name the issuer of the installation as audience', async () => {
  const keys = ['--jwks-uri', 'https://idp.test/jwks', '--provider', 'okta'];
  expect(await harness.json(['transmitters', 'add', 'https://idp.test', ...keys, ...act])).toMatchObject({
    audience: PUBLIC,
  });
});

test.each([
  ['BETTER_AUTH_URL', 'http://localhost:3000', PUBLIC],
  ['SALLYPORT_PROFILE', 'development', 'staging'],
  ['JWT_AUDIENCE', 'https://other.example.test', 'https://api.example.test'],
  ['CLIENT_CERT_HEADER', 'x-other', 'x-client-cert'],
])(
  '%s that a shell sets to something else is refused with both values, by reads, acts and dry runs',
  async (name, here, there) => {
    const env = { TRUSTED_PROXIES: '10.0.0.1', [name]: here };
    for (const args of [
      ['users', 'list'],
      ['clients', 'create', 'x', ...act],
      ['audit', 'tail'],
      ['clients', 'create', 'x', '--dry-run', ...act],
    ]) {
      const { code, err } = await harness.sallyport(args, env);
      expect([args, code, err]).toEqual([
        args,
        5,
        expect.stringContaining(`${name} is ${here} here, and ${there} at the installation`),
      ]);
    }
  },
);

test('a shell that says the same in other words is not refused', async () => {
  const same = { BETTER_AUTH_URL: `${PUBLIC}/`, TRUSTED_PROXIES: ' 10.0.0.1 ' };
  const { code, err } = await harness.sallyport(['users', 'list'], same);
  expect([code, err]).toEqual([0, expect.anything()]);
});

test('the doctor judges the installation, and names what its shell says against it', async () => {
  await harness.ports.raw`UPDATE oauth_clients
    SET auth_method = 'self_signed_tls_client_auth', secret_hash = NULL, jwks_uri = 'https://a.test/jwks'
    WHERE "clientId" = 'sallyport'`;
  const checksOf = async (env: Record<string, string> = {}) => {
    const { out } = await harness.sallyport(['doctor', '--json'], env);
    const { checks } = JSON.parse(out);
    return Object.fromEntries(checks.map((check: { name: string }) => [check.name, check]));
  };
  const plain = await checksOf();
  expect(plain.shell).toMatchObject({ result: 'pass' });
  expect(plain['client address']).toMatchObject({ evidence: expect.stringContaining('forwarded by 1 trusted proxy') });
  expect(plain['client certificates']).toMatchObject({ result: 'pass' });
  expect(plain.address).toMatchObject({ evidence: PUBLIC });
  const other = await checksOf({ BETTER_AUTH_URL: 'http://127.0.0.1:3000' });
  expect(other.shell).toMatchObject({ result: 'warn', evidence: expect.stringContaining(PUBLIC) });
  expect(other.address).toMatchObject({ evidence: PUBLIC });
});

test.each([['--users', '1'], ['clinic']])(
  'a production installation gets no demo data (demo seed %s), whatever the shell is',
  async (...what) => {
    await recordInstallation(
      harness.ports,
      factsOf({ ...STARTED, SALLYPORT_PROFILE: 'production' }, EFFECTIVE),
      testCaller,
    );
    for (const how of ['--dry-run', '--yes']) {
      const { code, err } = await harness.sallyport(['demo', 'seed', ...what, how]);
      expect([code, err]).toEqual([5, expect.stringContaining('share one password')]);
    }
  },
);
