import { randomBytes } from 'node:crypto';
import { type CopyName, count, type Ledger, now } from './ledger.ts';
import type { SurfaceName } from './surface-facts.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers are read as a client reads them
type Json = any;

/** What came back; a status of 0: nothing did. */
export type Answer = {
  readonly copy: CopyName;
  readonly status: number;
  readonly body: Json;
  readonly cookie: string;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly traceId: string;
};

export type Request = {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Another address than the copy's API. */
  readonly url?: string;
  readonly path: string;
  readonly json?: unknown;
  /** With its `content-type` among the headers. */
  readonly text?: string;
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** The client hangs up after this time, as if its user had closed the page. */
  readonly abandonMs?: number;
};

export type Ask = (copy: CopyName, request: Request) => Promise<Answer>;

const DEFAULT_TIMEOUT_MS = 5_000;

export const basicOf = (client: { readonly client_id: string; readonly client_secret: string }): string =>
  `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`;

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The surface behind a path: the first of these that it begins with. */
const SURFACE_OF: readonly (readonly [string, SurfaceName])[] = [
  ['/v1/tokens/validate', 'validation'],
  ['/oauth2/introspect', 'validation'],
  ['/v1/tokens/refresh', 'refresh'],
  ['/v1/tokens/revoke', 'revocation'],
  ['/oauth2/revoke', 'revocation'],
  ['/v1/tokens', 'issuing'],
  ['/v1/keys', 'keys'],
  ['/v1/admin/agents', 'agents'],
  ['/v1/agents', 'agents'],
  ['/oauth2/token', 'agents'],
  ['/v1/handoff/signoffs', 'sign-offs'],
  ['/v1/privacy/consents', 'consents'],
  ['/v1/privacy/subjects/', 'consents'],
  ['/v1/privacy/retention', 'retention'],
  ['/v1/privacy/phi', 'health data'],
  ['/v1/compliance/reports', 'reports'],
  ['/v1/api-keys', 'API keys'],
  ['/v1/admin/applications', 'applications'],
  ['/v1/admin/clients', 'applications'],
  ['/v1/admin/imports', 'imports'],
  ['/v1/legacy/', 'old sessions'],
  ['/mcp', 'MCP'],
  ['/v1/alerts', 'alerts'],
  ['/v1/admin/alert-targets', 'alerts'],
  ['/v1/admin/silences', 'alerts'],
  ['/v1/admin/signal-transmitters', 'signals'],
  ['/ssf', 'signals'],
  ['/v1/admin/dead-letters', 'queues'],
  ['/v1/admin/queues', 'queues'],
  ['/api/auth/second-factor', 'second factors'],
  ['/api/auth/two-factor', 'second factors'],
  ['/api/auth/passkey', 'second factors'],
  ['/', 'accounts'],
];
const surfaceOf = (path: string): SurfaceName => SURFACE_OF.find(([start]) => path.startsWith(start))![1];
/** Of the requests to another address than that of a copy's API. */
const ELSEWHERE: SurfaceName = 'MCP tasks';

/** The problem in the result of a tool that failed, which is answered with a status of 200. */
const problemOf = (body: Json): { readonly status: number; readonly code: string } | undefined =>
  body?.result?.isError === true ? body.result.structuredContent : undefined;

/**
 * Sends requests, each in a trace of its own, and writes how each ended into the ledger.
 * @param urls of the copies; a request to another address names its own
 */
export function createAsk(ledger: Ledger, urls: Readonly<Record<CopyName, string>>): Ask {
  return async (
    copy,
    { method = 'POST', url = urls[copy], path, json, text, form, headers, timeoutMs = DEFAULT_TIMEOUT_MS, abandonMs },
  ) => {
    const traceId = randomBytes(16).toString('hex');
    const sentAtMs = now();
    const surface = url === urls[copy] ? surfaceOf(path) : ELSEWHERE;
    const ended = (status: number, waitedMs?: number, code?: string): void => {
      ledger.exchanges.push({
        ...{ surface, copy, path, isLimited: method !== 'GET' && path !== '/mcp', sentAtMs, endedAtMs: now(), status },
        ...(waitedMs === undefined ? {} : { waitedMs }),
        ...(code === undefined ? {} : { code }),
      });
    };
    const nothing = (err: unknown): Answer => {
      const isAbandoned = abandonMs !== undefined;
      count(ledger, isAbandoned ? 'requests abandoned' : 'requests without an answer');
      const isTimedOut = err instanceof Error && err.name === 'TimeoutError';
      ended(0, isTimedOut && !isAbandoned ? timeoutMs : undefined);
      return { copy, status: 0, body: undefined, cookie: '', sentAtMs, answeredAtMs: now(), traceId };
    };
    try {
      const response = await fetch(url + path, {
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(abandonMs ?? timeoutMs),
        headers: {
          traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-00`,
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        ...(text === undefined ? {} : { body: text }),
        ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
      });
      const body = parsed(await response.text());
      const { status } = response;
      const problem = problemOf(body);
      const said = problem ?? { status, code: body?.code };
      ended(said.status, undefined, said.code);
      if (said.status >= 500)
        ledger.serverErrors.push({
          ...{ copy, path, status: said.status, code: said.code },
          // A tool has no headers of its own.
          hasRetryAfter: problem !== undefined || Number(response.headers.get('retry-after')) >= 1,
          traceId,
          atMs: now(),
        });
      const cookie = response.headers
        .getSetCookie()
        .map((line) => line.split(';', 1)[0])
        .join('; ');
      return { copy, status, body, cookie, sentAtMs, answeredAtMs: now(), traceId };
    } catch (err) {
      return nothing(err);
    }
  };
}

export const otherCopy = (copy: CopyName): CopyName => (copy === 'A' ? 'B' : 'A');
