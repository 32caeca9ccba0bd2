// For tests only: an API copy that issues tokens, an MCP copy on the same stores, and clients of the official SDK.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { Credential } from '#tools/testing/flows/every-caller.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { createLogHarness } from '#tools/testing/harness/log.ts';
import { quietLog, testCaller } from '#tools/testing/harness/ports.ts';
import { type Json, type Received, send } from '#tools/testing/http-client.ts';
import { sealEvents } from '../core/audit/seal/seal-events.ts';
import { createLogSigner } from '../core/keys/log/log-keys.ts';
import { loadList } from '../modules.ts';
import { loadConfig } from '../platform/config/load.ts';
import { randomFreePort } from '../platform/local/ports.ts';
import { createFileMarks } from '../platform/marks/file-marks.ts';
import { advanceTasks } from '../wings/mcp/tasks/advance-tasks.ts';
import { compose } from './compose.ts';
import { createProgressStreams, type ProgressStreams } from './progress-streams.ts';
import { createServer } from './server.ts';

export type McpHarness = ApiHarness & {
  readonly api: ApiCopy;
  readonly mcpUrl: string;
  /** A token of a new client with these permissions. @param resource its audience; the MCP server unless given */
  tokenOf(permissions: readonly string[], resource?: string): Promise<string>;
  /** A connected client of the official SDK. @param era `legacy` opens with the handshake of 2025 */
  connect(token: string, era?: 'modern' | 'legacy'): Promise<Client>;
  /** One message over HTTP, without an SDK. */
  post(json: unknown, sent?: { token?: string; headers?: Readonly<Record<string, string>> }): Promise<Received>;
  /** One request of revision 2026-07-28. @param by a token, or headers @param capabilities of a client that takes tasks unless given */
  ask(by: string | Credential, method: string, params: Json, capabilities?: object): Promise<Received>;
  /** What the job of tasks gets, and one run of it, by a worker without a poll. */
  readonly taskPorts: TaskPorts;
  advanceTasks(ports?: TaskPorts): Promise<void>;
  /** Seals every event, as the workers do. */
  seal(): Promise<void>;
  /** Audit events of calls, oldest first. */
  calls(): Promise<Json[]>;
  /** One more MCP copy. */
  startMcp(): Promise<{ readonly url: string; stop(): Promise<void> }>;
};

/** The members of `_meta` that each request of revision 2026-07-28 carries. */
export const ENVELOPE = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} }, elicitation: { url: {} } };

type TaskPorts = Pick<ApiCopy['workerPorts'], 'keyRing' | 'access' | 'vault' | 'sql' | 'transact' | 'random'> &
  Pick<ApiCopy['ports'], 'readSecurityScore'> &
  Pick<ApiHarness['owner'], 'log'> & { readonly keysChanged: () => void };

/** Compiling each schema would hold up the servers, which run in the same process. A test of the product compiles them. */
const jsonSchemaValidator = {
  getValidator: () => (data: unknown) => ({ valid: true as const, data: data as never, errorMessage: undefined }),
};

/** One harness per test file. @param env settings of both copies @param streams answers with progress of every MCP copy */
export async function openMcpHarness(
  env: Readonly<Record<string, string>> = {},
  streams: ProgressStreams = createProgressStreams(),
): Promise<McpHarness> {
  const harness = await openApiHarness();
  const port = await randomFreePort();
  const mcpUrl = `http://127.0.0.1:${port}/mcp`;
  const api = await harness.startCopy({ hashes: false, env: { MCP_URL: mcpUrl, ...env } });
  const stops: (() => Promise<void>)[] = [];
  const startMcp = async (listenAt = 0) => {
    const marksDir = await mkdtemp(join(tmpdir(), 'sallyport-mcp-copy-'));
    const settings = { MCP_URL: mcpUrl, BETTER_AUTH_SECRET: harness.authSecret, RATE_LIMIT_PROFILE: 'load', ...env };
    const config = loadConfig(settings);
    const composed = await compose({
      ...harness,
      config,
      publicUrl: api.ports.publicUrl,
      marks: createFileMarks(marksDir),
      log: quietLog,
    });
    const app = createServer(composed, config, { version: 'test' }, { streams });
    composed.poll.start();
    await composed.poll.ready();
    await app.fastify.listen({ host: '127.0.0.1', port: listenAt });
    const address = app.fastify.server.address() as { port: number };
    const stop = async () => {
      await app.fastify.close();
      await composed.close();
      await rm(marksDir, { recursive: true, force: true });
    };
    stops.push(stop);
    return { url: `http://127.0.0.1:${address.port}/mcp`, ports: composed.ports, stop };
  };
  const first = await startMcp(port);

  const connect: McpHarness['connect'] = async (token, era = 'modern') => {
    const client = new Client(
      { name: 'test', version: '1' },
      { jsonSchemaValidator, ...(era === 'modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {}) },
    );
    const authProvider = { token: async () => token };
    await client.connect(new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider }));
    return client;
  };
  const post: McpHarness['post'] = (json, { token, headers = {} } = {}) =>
    send(mcpUrl.replace(/\/mcp$/, ''), 'POST', '/mcp', {
      json,
      headers: { accept: 'application/json, text/event-stream', ...headers },
      ...(token === undefined ? {} : { bearer: token }),
    });
  const { keyRing, access, vault, sql, transact, random } = api.workerPorts;
  const { readSecurityScore } = api.ports;
  const { log } = harness.owner;
  const taskPorts = { keyRing, access, vault, sql, transact, random, readSecurityScore, log, keysChanged: () => {} };
  return {
    ...harness,
    api,
    mcpUrl,
    post,
    ask: (by, method, params, capabilities = TASKS) => {
      const name = params.taskId ?? params.name;
      const about = { 'mcp-method': method, ...(name === undefined ? {} : { 'mcp-name': name }) };
      const credential = typeof by === 'string' ? { authorization: `Bearer ${by}` } : by;
      const headers = { 'mcp-protocol-version': '2026-07-28', ...about, ...credential };
      const _meta = { ...ENVELOPE, 'io.modelcontextprotocol/clientCapabilities': capabilities, ...params._meta };
      return post({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }, { headers });
    },
    taskPorts,
    advanceTasks: async (ports = taskPorts) =>
      advanceTasks(
        { ...ports, taskAdvances: await loadList('taskAdvances') },
        { signal: new AbortController().signal },
        testCaller,
      ),
    seal: async () => {
      const store = await createLogHarness(harness.databaseUrl);
      await sealEvents({ ...store, logSigner: createLogSigner({ ...store, vault }) }, {}, testCaller);
      await store.end();
    },
    tokenOf: async (permissions, resource = mcpUrl) => {
      const client = await harness.newClient(permissions);
      await first.ports.access.load();
      const form = { grant_type: 'client_credentials', resource };
      const { body } = await send(api.url, 'POST', '/oauth2/token', { basic: client, form });
      return String((body as Json).access_token);
    },
    connect,
    calls: () =>
      harness.rows`SELECT outcome, actor_kind, actor_id, client_id, detail, traceparent FROM audit_outbox
        WHERE type = 'operations.mcp_called' ORDER BY id`,
    startMcp,
    close: async () => {
      await Promise.all(stops.map((stop) => stop()));
      await harness.close();
    },
  };
}
