import { setTimeout as sleep } from 'node:timers/promises';
import { GuaranteeViolated } from '../cases/case.ts';
import { type AwayAnswer, violationOfAway, violationOfStream } from '../gates-mcp.ts';
import { otherCopy } from '../http.ts';
import type { CopyName } from '../ledger.ts';
import { mcpToken, taskOf, toolCall } from '../load/mcp-messages.ts';
import { type Fault, type FaultSite, fault } from './fault.ts';
import { endProcess } from './processes.ts';
import { lockTables, withSessions } from './stores.ts';

const AWAY_MS = 5_000;
const EVERY_MS = 250;
const BACK_MS = 60_000;
const STREAM_MS = 60_000;
const COPIES = ['A', 'B'] as const;

/** Asks until there is an answer; slowly, because each attempt counts against the limits of its caller. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + BACK_MS; ; await sleep(EVERY_MS)) {
    const value = await ask();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new GuaranteeViolated(`${what} never came in ${BACK_MS / 1_000} s`);
  }
}

/** The client of a fault. The load may end its token with the signing key: it then gets another. */
type Bearer = { token: string };

const tokenOf = ({ clients, system, authorization }: FaultSite): Promise<string | undefined> =>
  mcpToken(clients.ask, system.mcpUrl, authorization);

const bearerOf = async (site: FaultSite): Promise<Bearer> => ({
  token: await until('a token for MCP', () => tokenOf(site)),
});

/** Calls a tool at the API of a copy. The status is that of the problem in its result, where it is one. */
async function call(site: FaultSite, copy: CopyName, bearer: Bearer, name: string, args: object) {
  const answer = await site.clients.ask(copy, toolCall(bearer.token, name, args));
  if (answer.status === 401) bearer.token = (await tokenOf(site)) ?? bearer.token;
  const { result } = answer.body ?? {};
  return { answer, status: result?.isError === true ? (result.structuredContent.status as number) : answer.status };
}

const begin = (site: FaultSite, bearer: Bearer): Promise<string> =>
  until(
    'a task at the address of an API',
    async () => taskOf((await call(site, 'A', bearer, 'request_compliance_report', {})).answer)?.task_id,
  );

const read = async (site: FaultSite, copy: CopyName, bearer: Bearer, task_id: string): Promise<number> =>
  (await call(site, copy, bearer, 'read_task', { task_id })).status;

/** Both copies answer for the task again. */
async function expectResumed(site: FaultSite, bearer: Bearer, taskId: string): Promise<void> {
  for (const copy of COPIES)
    await until(`an answer of MCP at ${copy}`, async () =>
      (await read(site, copy, bearer, taskId)) === 200 ? true : undefined,
    );
}

/** Follows a task at the API of a copy, and ends the API when the first notification has come. */
async function endWithStream(site: FaultSite, signal: 'SIGTERM' | 'SIGKILL'): Promise<string> {
  const { system, copy } = site;
  const bearer = await bearerOf(site);
  const taskId = await begin(site, bearer);
  const body = await until(`a stream of a task at ${copy}`, async () => {
    const { path, json, headers } = toolCall(bearer.token, 'read_task', { task_id: taskId }, 'chaos');
    const response = await fetch(system.copies[copy].url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(json),
      signal: AbortSignal.timeout(STREAM_MS),
    }).catch(() => undefined);
    if (response?.headers.get('content-type')?.startsWith('text/event-stream')) return response.body ?? undefined;
    if (response?.status === 401) bearer.token = (await tokenOf(site)) ?? bearer.token;
    await response?.body?.cancel();
    return undefined;
  });
  let ending: Promise<string> | undefined;
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const part of body) {
      text += decoder.decode(part, { stream: true });
      ending ??= endProcess(site, 'api', signal);
    }
  } catch {
    // Cut: what came until then is what the client has.
  }
  await ending;
  const violation = violationOfStream({ text, isDrained: signal === 'SIGTERM' }, taskId);
  if (violation !== undefined) throw new GuaranteeViolated(violation);
  const other = otherCopy(copy);
  const status = await read(site, other, bearer, taskId);
  if (status !== 200)
    throw new GuaranteeViolated(`${other} answered ${status} for a task whose stream ended at ${copy}`);
  await expectResumed(site, bearer, taskId);
  return `API of ${copy} with a stream`;
}

/** Asks both copies for tokens and for a task while the MCP server's tables are away. */
async function whileAway(site: FaultSite, away: (work: () => Promise<void>) => Promise<void>): Promise<string> {
  const { clients, authorization } = site;
  const form = { grant_type: 'client_credentials' };
  const bearer = await bearerOf(site);
  const taskId = await begin(site, bearer);
  await expectResumed(site, bearer, taskId);
  const answers: AwayAnswer[] = [];
  // Each in a loop of its own: an answer of MCP that waits for its tables takes no look at the API away.
  const looks: readonly [AwayAnswer['of'], (copy: CopyName) => Promise<number>][] = [
    ['MCP', (copy) => read(site, copy, bearer, taskId)],
    [
      'API',
      async (copy) => (await clients.ask(copy, { path: '/oauth2/token', form, headers: { authorization } })).status,
    ],
  ];
  await away(async () => {
    const endsAtMs = performance.now() + AWAY_MS;
    const loops = looks.flatMap(([of, ask]) =>
      COPIES.map(async (copy) => {
        for (; performance.now() < endsAtMs; await sleep(EVERY_MS)) answers.push({ of, copy, status: await ask(copy) });
      }),
    );
    await Promise.all(loops);
  });
  const violation = violationOfAway(answers);
  if (violation !== undefined) throw new GuaranteeViolated(violation);
  await expectResumed(site, bearer, taskId);
  const refused = answers.filter(({ of, status }) => of === 'MCP' && status === 503).length;
  return `${answers.length} answers, ${refused} of MCP with 503`;
}

const endSessions = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sallyport-mcp'`;

export const mcpFaults: readonly Fault[] = [
  fault('drain-mcp-stream', (site) => endWithStream(site, 'SIGTERM')),
  fault('kill-mcp-stream', (site) => endWithStream(site, 'SIGKILL')),
  fault('lock-mcp-tasks', (site) =>
    whileAway(site, (work) =>
      withSessions(site.system, 1, async ([client]) => {
        await lockTables(client, 'mcp_tasks');
        await work();
      }),
    ),
  ),
  // Its sessions end, and new ones are refused, because they find no role of that name.
  fault('lose-mcp-role', (site) =>
    whileAway(site, async (work) => {
      const { query } = site.system.stores;
      await query('ALTER ROLE sallyport_mcp RENAME TO sallyport_mcp_away');
      try {
        await query(endSessions);
        await work();
      } finally {
        await query('ALTER ROLE sallyport_mcp_away RENAME TO sallyport_mcp');
        await query(endSessions);
      }
    }),
  ),
];
