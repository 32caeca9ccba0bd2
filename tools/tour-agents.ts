/**
 * `npm run tour:agents`: an agent asks a service for a payment and is refused, two people approve it by command, and
 * it is paid once. The attempt with another amount raises an incident, which the tour closes as an operator would.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findApi } from '#cli/api-client.ts';
import { CommandError, exitCodes } from '#cli/exit-codes.ts';
import { openAgent } from '#examples/payments/agent.ts';
import { openPayments } from '#examples/payments/service.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { ask, expected, say } from './asking.ts';

const MAIN = resolve(import.meta.dirname, '../dist/current/cli.mjs');
const PAYMENT = { amount: 125_000, currency: 'EUR', to: 'DE02120300000000202051' };
/** An API copy learns of an agent, and an event is sealed, within a second; a busy machine takes longer. */
const LONGEST_MS = 30_000;

/**
 * Runs `command`, gives it `input`, and returns what it prints. Not `execFileSync`: while that blocks, servers end idle
 * connections, and the next request on one of them fails.
 */
async function output(command: string, args: readonly string[], { env = {}, input = '' } = {}): Promise<string> {
  const running = promisify(execFile)(command, args, { env: { ...process.env, ...env } });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

/** Runs a command, and again where the API could not answer it yet. */
async function sallyport(args: readonly string[], env: Record<string, string> = {}, left = 10): Promise<string> {
  try {
    return await output(process.execPath, [MAIN, ...args], { env });
  } catch (err) {
    if ((err as { code?: number }).code !== exitCodes.unreachable || left === 0) throw err;
    return sallyport(args, env, left - 1);
  }
}

type Registered = { readonly client_id: string; readonly agent_id: string; readonly client_secret: string };
const registered = async (...args: readonly string[]): Promise<Registered> =>
  JSON.parse(await sallyport([...args, '--reason', 'tour', '--yes', '--json']));

/** A new account with a role, signed in afterwards, so that the token has the role. */
async function newPerson(api: string, role: string) {
  const email = `tour-${randomBytes(6).toString('hex')}@example.test`;
  const json = { email, password: randomBytes(18).toString('base64url') };
  const { user } = await expected('sign-up', ask(`${api}/api/auth/signup`, { json }), 201);
  const { id } = user as { id: string };
  await sallyport(['users', 'roles', id, '--grant', role, '--reason', 'tour', '--yes']);
  const { tokens } = await expected('sign-in', ask(`${api}/api/auth/signin`, { json }), 200);
  return { id, token: (tokens as { access_token: string }).access_token };
}

/** Asks until there is an answer. */
async function awaited<T>(what: string, question: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (const startedAt = performance.now(); ; await pause(500)) {
    const answer = await question();
    if (answer != null) return answer;
    if (performance.now() - startedAt > LONGEST_MS) throw new Error(`${what}: none within ${LONGEST_MS} ms`);
  }
}

/** Closes the incident that the other amount raised: nothing that the tour did on purpose stays open. */
async function closeIncident(agentId: string): Promise<string> {
  const filters = ['--state', 'open', '--detection', 'agent_anomaly', '--subject', agentId];
  const list = async () => JSON.parse(await sallyport(['incidents', 'list', ...filters, '--json'])).incidents;
  const id = await awaited('incident', async () => (await list())[0]?.incident_id as string | undefined);
  await sallyport(['incidents', 'close', id, '--reason', 'raised by the tour on purpose', '--yes']);
  return id;
}

/** A service with the tool `send_payment`, and an agent that may call it. */
async function openBoth(api: string, ownerId: string, folder: string) {
  const { issuer } = await expected('metadata', ask(`${api}/.well-known/oauth-authorization-server`), 200);
  const port = await randomFreePort();
  const [sallyportUrl, url] = [String(issuer), `http://127.0.0.1:${port}/mcp`];
  const own = await registered(
    'clients',
    'create',
    'Payments',
    '--credential-scopes',
    'revocations:read',
    'signoffs:read',
  );
  const asks = ['--owner', ownerId, '--credential-scopes', 'payments:send', 'signoffs:request', '--audiences', url];
  const { agent_id: clientId, client_secret: clientSecret } = await registered('agents', 'register', 'Payer', ...asks);
  const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
  const beat = () => ask(`${api}/v1/agents/heartbeat`, { json: {}, authorization });
  await awaited('heartbeat', async () => ((await beat()).status === 200 ? true : undefined));
  const service = { clientId: own.client_id, clientSecret: own.client_secret, ledger: join(folder, 'ledger') };
  await openPayments({ sallyport: sallyportUrl, url, port, ...service });
  return { clientId, agent: await openAgent({ sallyport: sallyportUrl, payments: url, clientId, clientSecret }) };
}

async function tour(folder: string): Promise<void> {
  const api = findApi(undefined);
  const owner = await newPerson(api, 'developer');
  const { agent, clientId: agentId } = await openBoth(api, owner.id, folder);
  say(`1. register     agent ${agentId}, which acts for ${owner.id}`);
  const hint = await agent.pay(PAYMENT);
  say(`2. refused      send_payment: ${hint.error} of ${hint.required_roles?.join(' and ')}`);
  const { act, signoff_id: id, required_roles, ...asked } = await agent.request(PAYMENT, hint);
  say(`3. request      ${act} ${JSON.stringify(asked.arguments)}, SHA-256 ${asked.arguments_sha256}`);

  for (const [at, role] of required_roles.entries()) {
    const { id: userId, token } = await newPerson(api, role);
    const args = ['signoff', 'approve', id, '--role', role, '--api', api, '--yes', '--json'];
    const { state } = JSON.parse(await sallyport(args, { SALLYPORT_TOKEN: token })) as { state: string };
    say(`${at + 4}. approve      ${role} ${userId}: ${state}`);
  }

  const body = { act, arguments: { ...PAYMENT, amount: PAYMENT.amount + 1 } };
  const start = 'POST /v1/handoff/signoffs/{signoff_id}/start';
  const altered = await agent.api(start, { path: { signoff_id: id }, body, repeatable: true });
  if (altered.ok) throw new Error('another amount was accepted');
  say(`6. altered      ${altered.status} ${altered.code}`);
  await agent.start(id, PAYMENT);
  const { payment_id: paid, error } = await agent.pay(PAYMENT, id);
  if (paid === undefined) throw new Error(`not paid: ${error}`);
  say(`7. pay once     payment ${paid}, and the second time ${(await agent.pay(PAYMENT, id)).error}`);

  const { seq, approvals } = await agent.finish(id, 'done');
  const script = await sallyport(['audit', 'prove', String(seq), '--out', folder]);
  const proved = await output('sh', [], { input: script });
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
// The service and the connection of the agent are open.
process.exit();
