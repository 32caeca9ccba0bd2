import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler, ProtocolErrorCode } from '@modelcontextprotocol/server';
import type { FastifyRequest } from 'fastify';
import { permissionsOf, userOf } from '../core/authority/callers.ts';
import { clientIdOf } from '../core/authority/names.ts';
import type { Caller } from '../core/ports.ts';
import { type Answer, answer } from '../core/shared/answer.ts';
import { askedIn } from './asked.ts';
import { buildServer } from './build-server.ts';
import { messageRefused } from './contract.ts';
import type { McpCallContext, McpPorts } from './perform-call.ts';
import type { ProgressStreams } from './progress-streams.ts';

const LEVELS_MAX = 32;
const BATCH_MAX = 10;
/** The SDK never answers a request that its own batch cancels, and without sessions no other request can be cancelled. */
const isCancellation = (message: unknown): boolean =>
  typeof message === 'object' &&
  message !== null &&
  'method' in message &&
  message.method === 'notifications/cancelled';
/** Headers of the protocol; credentials stay here. */
const PASSED_ON = /^(?:accept|content-type|mcp-[a-z-]+)$/;

const STREAM = 'text/event-stream';

type HandleMessage = (body: unknown, caller: Caller, request: FastifyRequest) => Promise<Answer>;

/**
 * Answers messages of the protocol, of the newest revision and of earlier ones. Each request gets a server of its own,
 * so no state of one client is in reach of another, and any copy answers.
 */
export function createMessageHandler(
  ports: McpPorts,
  version: string,
  streams: ProgressStreams,
  isStillAllowed: (request: FastifyRequest) => Promise<boolean>,
): HandleMessage {
  const handler = createMcpHandler(
    ({ authInfo }) => buildServer(ports, version, authInfo?.extra?.context as McpCallContext),
    { maxSubscriptions: 0, onerror: (err) => ports.log.debug({ err }, 'an MCP message was refused') },
  );
  return async (body, caller, request) => {
    assertBounded(body);
    if (Array.isArray(body)) await countMessages(ports, body.length - 1, caller, request);
    const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
      PASSED_ON.test(name) && typeof value === 'string' ? [[name, value]] : [],
    );
    const unknown = unknownRequest(body);
    if (unknown !== null) return answer(404, JSON.stringify(unknown), { 'content-type': 'application/json' });
    const asked = askedIn(body);
    const place = asked.wantsProgress ? streams.open(caller, () => isStillAllowed(request)) : null;
    const context: McpCallContext = { caller, trace: request.trace, asked, progress: place };
    const response = await handler.fetch(new Request(ports.apiUrl, { method: 'POST', headers }), {
      parsedBody: withoutCancellations(body),
      authInfo: {
        // The SDK gets no credential: the caller is authenticated.
        token: '',
        clientId: clientIdOf(caller) ?? '',
        scopes: [...permissionsOf(caller)],
        extra: { context },
      },
    });
    const answered: Record<string, string> = {};
    for (const name of ['content-type', 'allow', 'x-accel-buffering']) {
      const value = response.headers.get(name);
      if (value !== null) answered[name] = value;
    }
    if (place !== null && response.body !== null && answered['content-type']?.startsWith(STREAM))
      return answer(response.status, place.carry(response.body as ReadableStream), answered);
    place?.free();
    return answer(response.status, await response.text(), answered);
  };
}

/**
 * The answer to a subscription, null for any other message: nothing that this server lists changes while it runs, so it
 * has no such method. The SDK would answer that too many are open, which clients try again.
 */
function unknownRequest(body: unknown): object | null {
  if (typeof body !== 'object' || body === null || !('id' in body) || !('method' in body)) return null;
  const { id, method } = body;
  if (method !== 'subscriptions/listen' || (typeof id !== 'string' && typeof id !== 'number')) return null;
  return { jsonrpc: '2.0', id, error: { code: ProtocolErrorCode.MethodNotFound, message: 'Method not found' } };
}

/** Throws `mcp_message_refused` (400). */
function assertBounded(body: unknown): void {
  if (Array.isArray(body) && body.length > BATCH_MAX) throw messageRefused();
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > LEVELS_MAX) throw messageRefused();
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
}

/** A batch of cancellations only is answered as notifications are. */
const withoutCancellations = (body: unknown): unknown =>
  Array.isArray(body) && !body.every(isCancellation) ? body.filter((message) => !isCancellation(message)) : body;

/** Each further message of a batch (revision 2025-03-26) counts as a request. Throws `rate_limited` (429). */
async function countMessages(
  { limits }: McpPorts,
  further: number,
  caller: Caller,
  { admission }: FastifyRequest,
): Promise<void> {
  if (admission === null || further < 1) return;
  admission.held = limits.admitItems(further, admission.rateClass, admission.held);
  if (userOf(caller) === null) return;
  for (let at = 0; at < further; at += 1) await limits.admitCaller(caller, admission.rateClass, admission.held);
}
