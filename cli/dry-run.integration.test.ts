import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { beforeAll, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createApiKeyFor } from '../services/core/api-keys/create-api-key.ts';
import { alertTargetContext } from '../services/core/keys/secrets/sealed-contexts.ts';
import { modules } from '../services/modules.ts';
import { registerAgent } from '../services/wings/agents/register-agent.ts';
import { adapters } from '../services/wings/import/adapters/adapters.ts';
import { requestSignOff } from '../services/wings/signoff/request-signoff.ts';
import { newPerson } from '../tools/testing/flows/people.ts';
import { type ApiCopy, newClient, openApiHarness, type TestClient } from '../tools/testing/harness/api.ts';
import { testCaller } from '../tools/testing/harness/ports.ts';
import { runCli } from '../tools/testing/processes/run-cli.ts';
import { createProgram } from './program.ts';

/** Runs every verb that writes with --dry-run, by the list of verbs: each reports what it would do and changes nothing. */

const READS = [
  'agents list',
  'agents show',
  'agents why',
  'alert-targets deliveries',
  'alert-targets list',
  'alerts list',
  'silences list',
  'signal-streams list',
  'transmitters list',
  'transmitters received',
  'api-keys list',
  'applications list',
  'audit key',
  'audit tail',
  'audit verify',
  'backup verify',
  'clients list',
  'clients refusals',
  'clients show',
  'clients why',
  'completion',
  'config explain',
  'config print',
  'demo env',
  'doctor',
  'import status',
  'import verify',
  'capacity',
  'dashboard',
  'incidents list',
  'incidents show',
  'incidents unjudged',
  'integrity check',
  'keys list',
  'keys timeline',
  'keys wrap',
  'mail list',
  'mail show',
  'migrate status',
  'phi keys',
  'phi rotation',
  'privacy accesses',
  'privacy policies list',
  'privacy break-glass list',
  'privacy restrictions list',
  'privacy disclosures list',
  'privacy consents list',
  'privacy consents check',
  'privacy request',
  'privacy holds list',
  'privacy retention show',
  'queue list',
  'queue show',
  'releases list',
  'report list',
  'reports list',
  'reports show',
  'report show',
  'report verify',
  'roles list',
  'search',
  'sessions list',
  'siem list',
  'signoff list',
  'status',
  'token inspect',
  'token validate',
  'upgrade check',
  'users list',
  'users show',
  'users why',
  'users consents',
  'sessions reach',
  'violations list',
];
/** Run with --dry-run in the tests that have what they need: `main.test.ts`, `audit.integration.test.ts`, `backup.integration.test.ts`, `init.integration.test.ts`, `queue.integration.test.ts`, `keys.integration.test.ts`, `phi.integration.test.ts`, `privacy.integration.test.ts`, `releases.all.test.ts`, `violations.integration.test.ts`. */
const ELSEWHERE = [
  'start',
  'audit continue',
  'audit export',
  'audit prove',
  'init',
  'keys rewrap',
  'migrate up',
  'phi decrypt',
  'phi encrypt',
  'privacy disclosures add',
  'queue discard',
  'queue drain',
  'queue retry',
  'restore',
  'rollback',
  'violations acknowledge',
];

const harness = opened(() => openApiHarness());
let copy: ApiCopy;
const dataDir = testFolder();
let approver: string;
let client: TestClient;
/** A live access token of that client. */
let token: string;
let acts: Record<string, readonly string[]>;
const kek = Buffer.alloc(32, 9).toString('base64');

beforeAll(async () => {
  copy = await harness.startCopy({ hashes: false, env: { KEY_ENCRYPTION_KEY: kek } });
  const { id, sessionId } = await newPerson(copy);
  const { clientId } = await newClient(copy, []);
  client = await newClient(copy, ['tokens:issue', 'tokens:revoke']);
  const issued = await fetch(`${copy.url}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: client.basic },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  ({ access_token: token } = (await issued.json()) as { access_token: string });
  const system = testCaller as typeof testCaller & { readonly kind: 'system' };
  const owner = { kind: 'user', id } as const;
  const { api_key } = await createApiKeyFor(copy.ports, { name: 'x', owner, reason: 'x' }, system);
  const incident = randomUUID();
  await harness.rows`INSERT INTO incidents (id, detection, severity, subject_kind, subject_id)
    VALUES (${incident}, 'token_replay', 'high', 'user', ${id})`;
  await harness.rows`INSERT INTO roles (name, description) VALUES ('desk', 'x')`;
  const [alert, target, silence] = [randomUUID(), randomUUID(), randomUUID()];
  await harness.rows`INSERT INTO alerts (id, source, cause, name, severity, summary, labels)
    VALUES (${alert}, 'control', 'c', 'c', 'high', '', '{}')`;
  await harness.rows`
    INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated)
    VALUES (${target}, 'x', 'mail', ${copy.ports.vault.seal(Buffer.from('x@people.test'), alertTargetContext(target))},
      '', '{}', '{high}', 'UTC', false)`;
  await harness.rows`INSERT INTO alert_silences (id, matchers, until, reason, created_by)
    VALUES (${silence}, '{}', now() + interval '1 hour', '', '')`;
  const transmitter = randomUUID();
  await harness.rows`INSERT INTO signal_transmitters (id, issuer, jwks_uri, audience, match_email)
    VALUES (${transmitter}, 'https://a.test', '', 'x', true)`;
  const stream = randomUUID();
  await harness.rows`INSERT INTO signal_streams (id, owner, audience, method, events)
    VALUES (${stream}, 'client:x', 'x', 'urn:ietf:rfc:8936', '{}')`;
  const [key] = await harness.rows`SELECT id FROM jwks WHERE purpose = 'access'`;
  const reason = ['--reason', 'x'];
  const out = join(dataDir, 'out');
  const agentInput = {
    name: 'x',
    owner_id: id,
    auth_method: 'client_secret_basic',
    dpop_bound_access_tokens: true,
    reason: 'x',
  } as const;
  const none = { scopes: [], credential_scopes: [], audiences: [], capabilities: [] };
  const agent = await registerAgent(
    copy.ports,
    { ...agentInput, ...none, heartbeat_seconds: 60, expires_in_days: 1 },
    testCaller,
  );
  const users = join(dataDir, 'users');
  await writeFile(users, '');
  const document = join(dataDir, 'users.json');
  await writeFile(document, '{"users":[],"orgs":[{"orgId":"1","humanUsers":[]}]}');
  /** Systems whose export is one JSON document; of the others an empty file has no users. */
  const exportOf = (kind: string) => (['firebase', 'keycloak', 'zitadel'].includes(kind) ? document : users);
  const permissionFile = join(dataDir, 'permissions.yaml');
  await writeFile(permissionFile, 'application: notes\naudience: notes\npermissions: [notes:read]\n');
  ({ bearer: approver } = await newPerson(copy, ['qa']));
  const asked = { act: 'keys.rotate', title: 'Rotate', arguments: {}, required_roles: ['qa'] } as const;
  const { signoff_id: signOffId } = await requestSignOff(copy.ports, asked, testCaller);
  acts = {
    'alert-targets add': ['mail', '--to', 'on-call@people.test', ...reason],
    'alert-targets update': [target, '--min-severity', 'critical', ...reason],
    'alert-targets remove': [target, ...reason],
    'alert-targets test': [target, ...reason],
    'alerts acknowledge': [alert, ...reason],
    'alerts resolve': [alert, ...reason],
    'transmitters add': ['https://idp.test', '--jwks-uri', 'https://idp.test/jwks', '--provider', 'okta', ...reason],
    'transmitters remove': [transmitter, ...reason],
    'signal-streams status': [stream, '--status', 'paused', ...reason],
    'signal-streams verify': [stream, ...reason],
    'silences add': ['--match', 'name=c', '--until', new Date(Date.now() + 3_600_000).toISOString(), ...reason],
    'silences end': [silence, ...reason],
    'agents register': ['y', '--owner', id, ...reason],
    'agents kill': [agent.agent_id, ...reason],
    'agents limit': [agent.agent_id, 'payments.send', '--acts-a-day', '5', ...reason],
    'api-keys create': ['--name', 'y', '--user', id, ...reason],
    'api-keys rotate': [api_key.api_key_id, ...reason],
    'api-keys revoke': [api_key.api_key_id, ...reason],
    apply: [permissionFile, ...reason],
    'applications delete': ['wiki', ...reason],
    'audit erase': [id],
    'audit report': ['--start', '2026-01-01', '--end', '2026-01-02', '--out', out],
    'clients create': ['Reports', ...reason],
    'clients update': [clientId, '--name', 'Figures', ...reason],
    'clients rotate-secret': [clientId, ...reason],
    'clients disable': [clientId, ...reason],
    'clients enable': [clientId, ...reason],
    'clients delete': [clientId, ...reason],
    'demo seed': [],
    'incidents acknowledge': [incident, ...reason],
    'incidents close': [incident, ...reason],
    'incidents retry': ['7', ...reason],
    'keys rotate': [],
    'keys compromise': [key?.id, ...reason],
    'phi rotate': reason,
    'phi shred': ['p-1', ...reason],
    'privacy policies set': ['desk', 'name', '--purpose', 'payment', ...reason],
    'privacy policies delete': ['clinician', '--purpose', 'treatment', ...reason],
    'privacy break-glass review': [incident, '--outcome', 'justified', '--reviewer', id, ...reason],
    'privacy restrictions add': ['p-1', '--purposes', 'payment', ...reason],
    'privacy restrictions end': ['p-1', incident, ...reason],
    'privacy consents record': ['p-1', '--purpose', 'research', '--terms', 'x'],
    'privacy consents withdraw': ['p-1', ...reason],
    'privacy export': ['p-1', ...reason],
    'privacy delete': ['p-1', ...reason],
    'privacy holds place': ['p-1', ...reason],
    'privacy holds end': ['p-1', incident, ...reason],
    'privacy retention set': ['exports', '9', ...reason],
    'privacy retention run': reason,
    'report run': ['--wait', '0'],
    'reports run': ['--wait', '0'],
    'roles create': ['helpers', '--description', 'x', ...reason],
    'roles set': ['desk', 'keys:read', ...reason],
    'roles delete': ['desk', ...reason],
    'sessions revoke': [sessionId, ...reason],
    'siem replay': ['soc', '--from', '0', '--reason', 'lost'],
    'signoff approve': [signOffId, '--role', 'qa'],
    'signoff deny': [signOffId, '--role', 'qa'],
    'token issue': ['--user', id],
    'token revoke': ['-'],
    'import certificate': [randomUUID(), `${out}-certificate`],
    ...Object.fromEntries(adapters.map(({ kind }) => [`import ${kind}`, [exportOf(kind), ...reason]])),
    export: ['ndjson', `${out}-ndjson`],
    'users invite': ['new@people.test', ...reason],
    'users invite-again': [id, ...reason],
    'users disable': [id, ...reason],
    'users enable': [id, ...reason],
    'users reset-factors': [id, ...reason],
    'users send-password-mail': [id, ...reason],
    'users verify-email': [id, ...reason],
    'users change-email': [id, 'other@people.test', ...reason],
    'users withdraw-consent': [id, clientId, ...reason],
    'users delete': [id, ...reason],
    'users roles': [id, '--grant', 'desk', ...reason],
    'users unlock': [id, ...reason],
  };
});

const leaves = (command: Command, path: string[] = []): string[] =>
  command.commands.length === 0
    ? [path.join(' ')]
    : command.commands.flatMap((verb) => leaves(verb, [...path, verb.name()]));

/** Every row of every table, except those that running copies write by themselves, such as the summary of each minute. */
async function everything(): Promise<Record<string, string>> {
  const tables = await harness.rows`SELECT tablename AS name FROM pg_tables
    WHERE schemaname = 'public' AND tablename !~ '^(job_|_prisma|feed_state)' ORDER BY 1`;
  const state: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await harness.rows(
      `SELECT count(*) || ' ' || coalesce(sum(hashtext(t::text)), 0) AS state FROM "${name}" t
       WHERE to_jsonb(t) ->> 'type' IS DISTINCT FROM 'token.validations'`,
    );
    state[name] = row.state;
  }
  return state;
}

test('each verb only reads, or is run here with --dry-run', async () =>
  expect(leaves(await createProgram()).sort()).toEqual([...READS, ...ELSEWHERE, ...Object.keys(acts)].sort()));

const runVerb = (verb: string, options: readonly string[], input = '') =>
  runCli(
    [...verb.split(' '), ...(acts[verb] ?? []), ...options],
    {
      DATABASE_URL: harness.databaseUrl,
      REDIS_URL: harness.redisUrl,
      SALLYPORT_DATA_DIR: dataDir,
      SALLYPORT_API: copy.url,
      SALLYPORT_TOKEN: approver,
      BETTER_AUTH_SECRET: 'an-auth-secret-of-more-than-thirty-two-characters',
      KEY_ENCRYPTION_KEY: kek,
      CLIENT_ID: client.clientId,
      CLIENT_SECRET: client.clientSecret,
    },
    input,
  );

/** Runs these verbs, several at a time, and gives those that answer otherwise. */
async function surprisesOf(
  verbs: readonly string[],
  options: readonly string[],
  input: string,
  expected: { readonly codes: readonly number[]; readonly says: RegExp },
): Promise<string[]> {
  const surprises: string[] = [];
  const waiting = [...verbs];
  const work = async (): Promise<void> => {
    for (let verb = waiting.pop(); verb !== undefined; verb = waiting.pop()) {
      // Standard input costs a process of its own.
      const { code, err } = await runVerb(verb, options, acts[verb]?.includes('-') ? input : '');
      if (!expected.codes.includes(code ?? -1) || !expected.says.test(err)) surprises.push(`${verb}: ${code} ${err}`);
    }
  };
  // A dry run takes the locks of its act, so dry runs that overlap would wait for each other.
  await Promise.all(options.includes('--dry-run') ? [work()] : [work(), work(), work(), work()]);
  return surprises;
}

test('a verb that is an operation and writes asks first: without a terminal and --yes it changes nothing', async () => {
  const verbs = (await Promise.all(modules.map(({ operations }) => operations?.() ?? [])))
    .flat()
    .filter(({ endpoint, command }) => command !== undefined && endpoint.method !== 'GET')
    .map(({ command }) => (command as { readonly verb: string }).verb.split(/ [<[]/)[0] as string)
    .filter((verb) => !ELSEWHERE.includes(verb));
  expect(Object.keys(acts)).toEqual(expect.arrayContaining(verbs));
  const before = await everything();
  const asks = { codes: [4], says: /asks for confirmation/ };
  for (const options of [[], ['--json']]) expect(await surprisesOf(verbs, options, '', asks)).toEqual([]);
  expect(await everything()).toEqual(before);
});

test('--dry-run changes no row and no file, and reports what the verb would do, or why it is refused', async () => {
  const before = await everything();
  const rehearses = { codes: [0, 2, 5], says: /would .*nothing was done|\([a-z]+(_[a-z]+)+\)\n/ };
  expect(await surprisesOf(Object.keys(acts), ['--dry-run', '--yes'], token, rehearses)).toEqual([]);
  expect(await everything()).toEqual(before);
  expect(existsSync(join(dataDir, 'out'))).toBe(false);
});

/** Verbs whose act is not in this process, or writes a file: why their dry run does not know how it ends. */
const NOT_OF_THE_DATABASE: Readonly<Record<string, string>> = {
  'token issue': 'its answer is a credential, which no dry run may make',
};

/** What a dry run and its act say alike: how they end, and why if they refuse. */
const endOf = ({ code, err }: { readonly code: number | null; readonly err: string }) => ({
  code,
  refusal: code === 0 ? '' : err.replaceAll(/; (nothing was done|the rest is \w+).*/g, ''),
});

test('a dry run ends as its act does, in every state that the acts leave behind, and asks for no reason', async () => {
  const different: string[] = [];
  const without = (verb: string): void => {
    const given = [...(acts[verb] ?? [])];
    const at = given.indexOf('--reason');
    if (at >= 0 && !verb.startsWith('siem')) given.splice(at, 2);
    unreasoned[verb] = given;
  };
  const unreasoned: Record<string, readonly string[]> = {};
  const verbs = Object.keys(acts).filter((verb) => !(verb in NOT_OF_THE_DATABASE));
  verbs.forEach(without);
  const reasoned = acts;
  // The second round meets what the first has made and removed.
  for (const round of [1, 2])
    for (const verb of verbs) {
      acts = unreasoned;
      const input = reasoned[verb]?.includes('-') ? token : '';
      const planned = endOf(await runVerb(verb, ['--dry-run', '--yes'], input));
      acts = reasoned;
      const done = endOf(await runVerb(verb, ['--yes'], input));
      if (JSON.stringify(planned) !== JSON.stringify(done))
        different.push(`${round} ${verb}: ${JSON.stringify(planned)} but ${JSON.stringify(done)}`);
    }
  expect(different).toEqual([]);
}, 900_000);
