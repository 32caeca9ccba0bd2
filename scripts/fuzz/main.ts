/** `npm run fuzz`: every documented operation under hostile and fitting requests by Schemathesis, as each role. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../../services/platform/local/data-dir.ts';
import { basicHeader, send } from '../../services/platform/testing/http-client.ts';
import { type Product, startProduct } from '../../services/platform/testing/product.ts';

const VERSION = '4.32.5';
const HELP = `npm run fuzz -- [options]

Starts the product on a database of its own, asks for tokens, and lets Schemathesis ${VERSION} (from PyPI, in a virtual
environment under .sallyport/) send fitting and unfitting requests to every operation of /openapi.json as each role.
Exits 1 when an answer is a fault, has an undocumented status, content type or header, or does not fit its schema.

  --role <name>       anonymous, user, admin or client; repeatable (all)
  --examples <n>      most test cases of one operation (40)
  --seed <n>          repeats a run (1)
  --only <regex>      operation ids to ask (all)
  --url <url>         a running development product in place of a new one; --credentials names its file
  --credentials <f>   dev-credentials.json of that product
`;

// Endless answers, and what would end the run's own credentials.
const LEFT_OUT =
  '^(streamRevocations|streamSecurityEvents|compromiseKey|revokeToken|revokeOAuthToken|signOut|signOutAlias)$';
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
  'ignored_auth',
].join(',');

// A full queue and a store that is being restarted say so; every other 5xx is a fault.
const CONFIG = `# Each role comes with its own credential.
[auth]
auto-signup = false

[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503"]

# A body or an address past its limit is refused before it is read.
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429", "431", "503"]
`;

type Role = 'anonymous' | 'user' | 'admin' | 'client';
const ROLES: readonly Role[] = ['anonymous', 'user', 'admin', 'client'];

function run(command: string, args: readonly string[], cwd: string): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', fail).once('exit', (code) => done(code ?? 1));
  });
}

/** Path of the program, installed on first use. Throws where Python or PyPI is out of reach. */
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

type Target = Pick<Product, 'api' | 'credentials'>;

/** The Authorization header of a role; undefined for nobody. */
async function authorizationOf(role: Role, { api, credentials }: Target): Promise<string | undefined> {
  if (role === 'anonymous') return undefined;
  if (role === 'client') return basicHeader(credentials.client);
  const { status, text, body } = await send(api, 'POST', '/api/auth/signin', { json: credentials[role] });
  if (status !== 200) throw new Error(`signing in as ${role} was refused: ${status} ${text}`);
  return `Bearer ${body.tokens.access_token}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      role: { type: 'string', multiple: true },
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
  const roles = ROLES.filter((role) => values.role?.includes(role) ?? true);
  const folder = join(repositoryRoot, '.sallyport/fuzz');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'schemathesis.toml'), CONFIG);
  const program = await schemathesis(join(folder, `schemathesis-${VERSION}`));
  const own = values.url === undefined ? await startProduct({ env: { JWT_ACCESS_EXPIRY: '7200' } }) : undefined;
  const target: Target = own ?? {
    api: values.url as string,
    credentials: (await import(values.credentials as string, { with: { type: 'json' } })).default,
  };
  const failed: Role[] = [];
  try {
    for (const role of roles) {
      const authorization = await authorizationOf(role, target);
      process.stderr.write(`\nfuzz: as ${role}\n`);
      const status = await run(
        program,
        [
          'run',
          `${target.api}/openapi.json`,
          '--checks',
          CHECKS,
          '--exclude-operation-id-regex',
          LEFT_OUT,
          ...(values.only === undefined ? [] : ['--include-operation-id-regex', values.only]),
          '--phases',
          'examples,coverage,fuzzing',
          '--max-examples',
          values.examples,
          '--seed',
          values.seed,
          // Python 3.11 loses its count of recursion with more than one.
          '--workers',
          '1',
          '--suppress-health-check',
          'all',
          // A rubbish cookie beside a good token changes nothing, and is no bad credential.
          '--generation-with-security-parameters',
          'false',
          '--generation-database',
          'none',
          ...(authorization === undefined ? [] : ['-H', `Authorization: ${authorization}`]),
        ],
        folder,
      );
      if (status !== 0) failed.push(role);
    }
  } finally {
    await own?.dispose();
  }
  process.stderr.write(failed.length === 0 ? '\nfuzz: clean\n' : `\nfuzz: failures as ${failed.join(', ')}\n`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
