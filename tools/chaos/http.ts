import { randomBytes } from 'node:crypto';
import { type CopyName, count, type Ledger, now, surfaceOf } from './ledger.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers are read as a client reads them
type Json = any;

/** What came back; a status of 0: nothing did. */
export type Answer = {
  readonly copy: CopyName;
  readonly status: number;
  readonly body: Json;
  readonly cookie: string;
  /** Of what was read, for `If-Match`. */
  readonly etag: string;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly traceId: string;
};

export type Request = {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** The client hangs up after this time, as if its user had closed the page. */
  readonly abandonMs?: number;
  /** The answer is a page for people: its body is text, and an error on it has no code. */
  readonly isPage?: true;
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

/** Sends requests, each in a trace of its own, and writes how each ended into the ledger. */
export function createAsk(ledger: Ledger, urls: Readonly<Record<CopyName, string>>): Ask {
  return async (copy, { method = 'POST', path, json, form, headers, isPage, ...limits }) => {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, abandonMs } = limits;
    const traceId = randomBytes(16).toString('hex');
    const sentAtMs = now();
    const ended = (status: number, more: { readonly waitedMs?: number; readonly code?: string }): void => {
      // A rehearsal of an import only reads.
      const isLimited = method !== 'GET' && !path.endsWith('/rehearse');
      const about = { surface: surfaceOf(path), copy, path, isLimited };
      ledger.exchanges.push({ ...about, sentAtMs, endedAtMs: now(), status, ...more });
    };
    try {
      const response = await fetch(urls[copy] + path, {
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(abandonMs ?? timeoutMs),
        headers: {
          traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-00`,
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
      });
      const body = isPage ? await response.text() : parsed(await response.text());
      const { status } = response;
      const code: string | undefined = isPage && !response.ok ? 'page' : body?.code;
      ended(status, code === undefined ? {} : { code });
      const hasRetryAfter = Number(response.headers.get('retry-after')) >= 1;
      if (status >= 500) ledger.serverErrors.push({ copy, path, status, code, hasRetryAfter, traceId, atMs: now() });
      const cookies = response.headers.getSetCookie().map((line) => line.split(';', 1)[0]);
      const etag = response.headers.get('etag') ?? '';
      return { copy, status, body, cookie: cookies.join('; '), etag, sentAtMs, answeredAtMs: now(), traceId };
    } catch (err) {
      const isAbandoned = abandonMs !== undefined;
      count(ledger, isAbandoned ? 'requests abandoned' : 'requests without an answer');
      const isTimedOut = err instanceof Error && err.name === 'TimeoutError';
      ended(0, isTimedOut && !isAbandoned ? { waitedMs: timeoutMs } : {});
      return { copy, status: 0, body: undefined, cookie: '', etag: '', sentAtMs, answeredAtMs: now(), traceId };
    }
  };
}

export const otherCopy = (copy: CopyName): CopyName => (copy === 'A' ? 'B' : 'A');
