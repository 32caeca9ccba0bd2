/** `npm run fuzz`: Schemathesis sends invalid and valid requests to every documented operation, as every kind of caller. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { basicHeader, cookieOf, type Received, type Sent, send } from '#tools/testing/http-client.ts';

type Target = Pick<Product, 'api' | 'credentials'>;

/** A caller: the headers of its requests, and whether they are still accepted. */
type Requester = { readonly headers: readonly string[]; isAlive(): Promise<boolean> };

type Login = { readonly email: string; readonly password: string };

/** Sends a request that must succeed; throws for any other response. */
async function ask(api: string, method: string, path: string, sent: Sent): Promise<Received> {
  const answer = await send(api, method, path, sent);
  if (answer.status >= 300) throw new Error(`${method} ${path} was refused: ${answer.status} ${answer.text}`);
  return answer;
}

const signIn = (api: string, login: Login): Promise<Received> => ask(api, 'POST', '/api/auth/signin', { json: login });

const bearerOf = async (api: string, login: Login): Promise<string> =>
  (await signIn(api, login)).body.tokens.access_token as string;

const opens = (api: string, path: string, sent: Sent) => async (): Promise<boolean> =>
  (await send(api, 'GET', path, sent)).status === 200;

async function asPerson({ api }: Target, login: Login): Promise<Requester> {
  const bearer = await bearerOf(api, login);
  return { headers: [`Authorization: Bearer ${bearer}`], isAlive: opens(api, '/api/auth/user', { bearer }) };
}

/** A browser on one of our pages. */
async function asBrowser({ api, credentials }: Target): Promise<Requester> {
  const cookie = cookieOf(await signIn(api, credentials.user));
  return { headers: [`Cookie: ${cookie}`, `Origin: ${api}`], isAlive: opens(api, '/api/auth/session', { cookie }) };
}

/** A new account to which an administrator has granted one role besides `user`. */
const asHolderOf = (role: string) => async (target: Target) => {
  const { api, credentials } = target;
  const login = {
    email: `fuzz-${role}-${randomBytes(4).toString('hex')}@example.test`,
    password: `fuzz ${randomBytes(12).toString('base64url')}`,
  };
  const { body } = await ask(api, 'POST', '/api/auth/signup', { json: login });
  const path = `/v1/admin/users/${body.user.id}/roles/${role}`;
  await ask(api, 'PUT', path, { bearer: await bearerOf(api, credentials.admin), json: { reason: 'fuzzing' } });
  return asPerson(target, login);
};

/** A key with every permission that an administrator may grant. */
async function asApiKey({ api, credentials }: Target): Promise<Requester> {
  const bearer = await bearerOf(api, credentials.admin);
  const { roles } = (await ask(api, 'GET', '/v1/admin/roles?limit=100', { bearer })).body;
  const { permissions } = roles.find(({ name }: { readonly name: string }) => name === 'admin');
  const json = { name: 'fuzzing', permissions, requests_per_minute: 60_000 };
  const headers = { 'x-api-key': (await ask(api, 'POST', '/v1/api-keys', { bearer, json })).body.secret as string };
  return { headers: [`X-API-Key: ${headers['x-api-key']}`], isAlive: opens(api, '/v1/keys', { headers }) };
}

async function asClient({ api, credentials: { client } }: Target): Promise<Requester> {
  return { headers: [`Authorization: ${basicHeader(client)}`], isAlive: opens(api, '/v1/keys', { basic: client }) };
}

/** The callers by name, in the order of the run. */
const REQUESTERS = {
  anonymous: async (): Promise<Requester> => ({ headers: [], isAlive: async () => true }),
  user: (target: Target) => asPerson(target, target.credentials.user),
  browser: asBrowser,
  auditor: asHolderOf('auditor'),
  agent: asHolderOf('agent'),
  compliance: asHolderOf('compliance'),
  operator: asHolderOf('operator'),
  admin: (target: Target) => asPerson(target, target.credentials.admin),
  'api-key': asApiKey,
  client: asClient,
} as const;

type RequesterName = keyof typeof REQUESTERS;

const VERSION = '4.32.5';
const HELP = `npm run fuzz -- [options]

Starts products on databases of their own, asks for tokens, and lets Schemathesis ${VERSION} (from PyPI, in a virtual
environment under .sallyport/) send fitting and unfitting requests to every operation of /openapi.json as each role, by
a browser's session and by an API key. Exits 1 when an answer is a fault, has an undocumented status, content type or
header, or does not match its schema, and if a credential is no longer accepted at the end of its run.

  --as <name>         ${Object.keys(REQUESTERS).join(', ')}; repeatable (all)
  --examples <n>      maximum number of test cases per operation (40)
  --seed <n>          repeats a run (1)
  --only <regex>      operations to test, by operationId (all)
  --url <url>         use a running development product instead of a new one; --credentials names its file
  --credentials <f>   dev-credentials.json of that product
`;

/** Endpoints that stream without end. */
const STREAMS = ['streamRevocations', 'streamSecurityEvents'];
/** Operations that may revoke the run's own credential, since later requests reuse ids from responses. */
const ENDING = `compromiseKey deleteClient deleteUser disableClient disableUser endOwnSession endSession
  endUserSessions removeRole revokeAnyApiKey revokeApiKey revokeOAuthToken revokeToken rotateClientSecret
  setRolePermissions signOut signOutAlias`.split(/\s+/);
/** Operations that always revoke it. */
const LAST = ['deleteOwnUser', 'deleteUserAlias'];

type Pass = { readonly filter: readonly string[]; readonly survives: boolean };

const anyOf = (operations: readonly string[]): string => `^(${operations.join('|')})$`;

/** Groups of operations: first all that keep the credential valid, then the others. */
function passesOf(only: string | undefined): Pass[] {
  const wanted = new RegExp(only ?? '');
  const rest = [...(only === undefined ? [] : ['--include-operation-id-regex', only])];
  const all = ['--exclude-operation-id-regex', anyOf([...STREAMS, ...ENDING, ...LAST])];
  const ends = [ENDING, LAST].map((operations) => operations.filter((each) => wanted.test(each)));
  return [
    { filter: [...rest, ...all], survives: true },
    ...ends
      .filter((operations) => operations.length > 0)
      .map((operations) => ({ filter: ['--include-operation-id-regex', anyOf(operations)], survives: false })),
  ];
}

/** Options of Schemathesis that every pass has. */
const OPTIONS = {
  checks:
    'not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,' +
    'response_schema_conformance,negative_data_rejection,unsupported_method,ignored_auth',
  phases: 'examples,coverage,fuzzing',
  // Python 3.11 loses its count of recursion with more than one.
  workers: '1',
  'suppress-health-check': 'all',
  // An invalid cookie beside a valid token has no effect, so it is not an invalid credential.
  'generation-with-security-parameters': 'false',
  'generation-database': 'none',
};

// A 503 for a full queue or a restarting store is allowed; every other 5xx is a failure.
const CONFIG = `# Each role has its own credential.
[auth]
auto-signup = false

[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503"]

# A body or an address over its limit is refused before it is read.
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429", "431", "503"]
`;

/** One sign-in stays recent enough for a whole pass. */
const LASTING = { JWT_ACCESS_EXPIRY: '7200', STEP_UP_SECONDS: '7200' };

const NAMES = Object.keys(REQUESTERS) as RequesterName[];

const run = (command: string, args: readonly string[], cwd: string): Promise<number> =>
  new Promise((done, fail) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', fail).once('exit', (code) => done(code ?? 1));
  });

/** Path of the program, installed on first use. Throws if Python or PyPI is unavailable. */
async function schemathesis(folder: string): Promise<string> {
  const program = join(folder, 'bin/schemathesis');
  if (existsSync(program)) return program;
  process.stderr.write(`fuzz: installing Schemathesis ${VERSION} into ${folder}\n`);
  const made = await run('python3', ['-m', 'venv', folder], repositoryRoot);
  const installed =
    made === 0 && (await run(join(folder, 'bin/pip'), ['install', '-q', `schemathesis==${VERSION}`], repositoryRoot));
  if (installed !== 0) throw new Error('Schemathesis could not be installed: it needs python3 and PyPI');
  return program;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      as: { type: 'string', multiple: true },
      examples: { type: 'string', default: '40' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
      url: { type: 'string' },
      credentials: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const names = NAMES.filter((name) => values.as?.includes(name) ?? true);
  if (names.length === 0) throw new Error(`--as names none of ${NAMES.join(', ')}`);
  const folder = join(repositoryRoot, '.sallyport/fuzz');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'schemathesis.toml'), CONFIG);
  const program = await schemathesis(join(folder, `schemathesis-${VERSION}`));
  const given: Target | undefined =
    values.url === undefined
      ? undefined
      : {
          api: values.url,
          credentials: (await import(values.credentials as string, { with: { type: 'json' } })).default,
        };
  const failed = new Set<string>();
  for (const name of names)
    for (const { filter, survives } of passesOf(values.only)) {
      // Each pass has a separate product, because one pass may revoke what another needs.
      const own = given === undefined ? await startProduct({ env: LASTING }) : undefined;
      try {
        const target = (given ?? own) as Target;
        const requester = await REQUESTERS[name](target);
        if (!(await requester.isAlive())) throw new Error(`the credential of ${name} is not accepted`);
        process.stderr.write(`\nfuzz: as ${name}\n`);
        const options = { ...OPTIONS, 'max-examples': values.examples, seed: values.seed };
        const words = Object.entries(options).flatMap(([option, value]) => [`--${option}`, value]);
        const headers = requester.headers.flatMap((header) => ['-H', header]);
        const status = await run(
          program,
          ['run', `${target.api}/openapi.json`, ...words, ...filter, ...headers],
          folder,
        );
        if (status !== 0) failed.add(name);
        if (survives && !(await requester.isAlive())) failed.add(`${name} (its credential is no longer accepted)`);
      } finally {
        await own?.dispose();
      }
    }
  process.stderr.write(failed.size === 0 ? '\nfuzz: clean\n' : `\nfuzz: failures as ${[...failed].join(', ')}\n`);
  return failed.size === 0 ? 0 : 1;
}

process.exitCode = await main();
