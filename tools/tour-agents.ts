/**
 * `npm run tour:agents`: an agent asks for a risky act, two people approve it by command, and it runs once. The attempt
 * with other arguments raises an incident, which the tour closes as an operator would.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findApi } from '#cli/api-client.ts';
import { CommandError } from '#cli/exit-codes.ts';
import { type Answer, ask, expected, say } from './asking.ts';

const MAIN = resolve(import.meta.dirname, '../dist/current/cli.mjs');
const ACT = { act: 'release.deploy', arguments: { version: '1.4', to: ['eu', 'us'] } };
/** An API copy learns of an agent, and an event is sealed, within a second; a busy machine takes longer. */
const LONGEST_MS = 30_000;

/** Runs `command`, gives it `input`, and returns what it prints. */
const output = (command: string, args: readonly string[], { env = {}, input = '' } = {}): string =>
  execFileSync(command, args, { env: { ...process.env, ...env }, input, encoding: 'utf8', stdio: 'pipe' });

const sallyport = (args: readonly string[], env: Record<string, string> = {}): string =>
  output(process.execPath, [MAIN, ...args], { env });

type Person = { readonly id: string; readonly token: string };

/** A new account with a role, signed in afterwards, so that the token has the role. */
async function newPerson(api: string, role: string): Promise<Person> {
  const email = `tour-${randomBytes(6).toString('hex')}@example.test`;
  const json = { email, password: randomBytes(18).toString('base64url') };
  const { user } = await expected('sign-up', ask(`${api}/api/auth/signup`, { json }), 201);
  const { id } = user as { id: string };
  sallyport(['users', 'roles', id, '--grant', role, '--reason', 'tour', '--yes']);
  const { tokens } = await expected('sign-in', ask(`${api}/api/auth/signin`, { json }), 200);
  return { id, token: (tokens as { access_token: string }).access_token };
}

async function newAgent(ownerId: string): Promise<{ readonly id: string; readonly authorization: string }> {
  const args = ['--owner', ownerId, '--credential-scopes', 'signoffs:request', '--no-dpop', '--reason', 'tour'];
  const made = JSON.parse(sallyport(['agents', 'register', 'Deployer', ...args, '--yes', '--json']));
  const { agent_id: id, client_secret: secret } = made as { agent_id: string; client_secret: string };
  return { id, authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` };
}

/** Asks until the answer is 200. */
async function awaited(what: string, question: () => Promise<Answer>): Promise<Record<string, unknown>> {
  for (const startedAt = performance.now(); ; await pause(500)) {
    const { status, body } = await question();
    if (status === 200) return body;
    if (performance.now() - startedAt > LONGEST_MS)
      throw new Error(`${what}: expected 200, got ${status} ${JSON.stringify(body)}`);
  }
}

/** Closes the incident that the altered arguments raised: nothing that the tour did on purpose stays open. */
async function closeIncident(agentId: string): Promise<string> {
  const filters = ['--state', 'open', '--detection', 'agent_anomaly', '--subject', agentId];
  for (const startedAt = performance.now(); ; await pause(500)) {
    const { incidents } = JSON.parse(sallyport(['incidents', 'list', ...filters, '--json'])) as {
      incidents: readonly { readonly incident_id: string }[];
    };
    const [incident] = incidents;
    if (incident !== undefined) {
      const args = ['incidents', 'close', incident.incident_id, '--reason', 'raised by the tour on purpose', '--yes'];
      sallyport(args);
      return incident.incident_id;
    }
    if (performance.now() - startedAt > LONGEST_MS) throw new Error('incident: none was raised');
  }
}

type Receipt = {
  readonly seq: number;
  readonly approvals: readonly { readonly role: string; readonly user_id: string }[];
};

async function tour(folder: string): Promise<void> {
  const api = findApi(undefined);
  const owner = await newPerson(api, 'developer');
  const { id: agentId, authorization } = await newAgent(owner.id);
  await awaited('heartbeat', () => ask(`${api}/v1/agents/heartbeat`, { json: {}, authorization }));
  say(`1. register     agent ${agentId}, which acts for ${owner.id}`);

  const json = { ...ACT, title: 'Deploy 1.4 to production', required_roles: ['qa', 'architect'] };
  const asked = await expected('request', ask(`${api}/v1/handoff/signoffs`, { json, authorization }), 201);
  const url = `${api}/v1/handoff/signoffs/${asked.signoff_id}`;
  say(`2. request      ${ACT.act} ${JSON.stringify(ACT.arguments)}, SHA-256 ${asked.arguments_sha256}`);

  const early = await expected('early start', ask(`${url}/start`, { json: ACT, authorization }), 409);
  say(`3. too early    409 ${early.code}`);

  for (const [step, role] of [
    [4, 'qa'],
    [5, 'architect'],
  ] as const) {
    const { id, token } = await newPerson(api, role);
    const args = ['signoff', 'approve', String(asked.signoff_id), '--role', role, '--api', api, '--yes', '--json'];
    const { state } = JSON.parse(sallyport(args, { SALLYPORT_TOKEN: token })) as { state: string };
    say(`${step}. approve      ${role} ${id}: ${state}`);
  }

  const altered = { ...ACT, arguments: { ...ACT.arguments, version: '1.5' } };
  const other = await expected('altered start', ask(`${url}/start`, { json: altered, authorization }), 409);
  say(`6. altered      409 ${other.code}`);
  await expected('start', ask(`${url}/start`, { json: ACT, authorization }), 200);
  const again = await expected('second start', ask(`${url}/start`, { json: ACT, authorization }), 409);
  await expected('finish', ask(`${url}/finish`, { json: { outcome: 'done' }, authorization }), 200);
  say(`7. run once     200, and the second time 409 ${again.code}`);

  const receipt = await awaited('receipt', () => ask(`${url}/receipt`, { authorization }));
  const { seq, approvals } = receipt as Receipt;
  const script = sallyport(['audit', 'prove', String(seq), '--out', folder]);
  const proved = output('sh', [], { input: script });
  say(`8. incident     ${await closeIncident(agentId)} agent_anomaly: raised by step 6, closed with a reason`);
  say(`9. receipt      ${approvals.map(({ role, user_id: userId }) => `${role} ${userId}`).join(', ')}`);
  say(proved.trim());
}

const folder = mkdtempSync(join(tmpdir(), 'sallyport-tour-'));
try {
  await tour(folder);
} catch (err) {
  const { message, fix } = err as Error & Partial<CommandError>;
  process.stderr.write(`tour: ${message}${err instanceof CommandError && fix ? `\n  fix: ${fix}` : ''}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
