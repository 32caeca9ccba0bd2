/**
 * Calls the Sallyport API: every operation with its types, problems as values, and retries.
 * @module
 */
import { KEYED, type OAuthProblem, type Operations, type Problem, type ProblemCode } from './generated/api.ts';

export type * from './generated/api.ts';

export type OperationName = keyof Operations;
type Input<N extends OperationName> = Operations[N]['input'];

export type ClientOptions = {
  /** Base URL of the API. */
  readonly url: string;
  /** The Authorization header of each request, as text or as a function, which may renew a token. */
  readonly authorization?: string | (() => string | undefined | Promise<string | undefined>);
  /** Headers of each request, such as Cookie or User-Agent. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How often a request is repeated. Default: 3. */
  readonly retries?: number;
  /** The longest wait before a repetition, seconds. A response that asks for more is returned. Default: 10. */
  readonly maxWait?: number;
  /** Limit of one attempt, seconds. Default: 10. */
  readonly timeout?: number;
  /** Replaces the global one. */
  readonly fetch?: typeof fetch;
  /** Waits before a repetition. Replaced in tests. */
  readonly sleep?: (ms: number) => Promise<void>;
};

export type CallOptions = {
  /** Replaces the Authorization header of the client. */
  readonly authorization?: string;
  /** Default for operations that honour it: a random one, so that a repetition has no second effect. Others ignore it. */
  readonly idempotencyKey?: string;
  /** Says that a POST or PATCH that honours no Idempotency-Key may be repeated after any retryable problem. */
  readonly repeatable?: boolean;
  /** The `etag` of the headers of a read: the write is refused by `changed_meanwhile` if that was changed since. */
  readonly ifMatch?: string;
  readonly signal?: AbortSignal;
};

export type Refused = {
  readonly ok: false;
  readonly status: number;
  readonly code: ProblemCode;
  readonly problem: Problem | OAuthProblem;
  readonly headers: Headers;
};
export type Answered<T> = { readonly ok: true; readonly status: number; readonly data: T; readonly headers: Headers };
export type Result<T> = Answered<T> | Refused;

/** Optional where nothing of the input is required. */
type Arguments<N extends OperationName> =
  Record<never, never> extends Input<N> ? [input?: Input<N> & CallOptions] : [input: Input<N> & CallOptions];

/** Calls an operation. Named apart from `Client`, the shape of an OAuth client. */
export type ApiClient = <N extends OperationName>(
  name: N,
  ...input: Arguments<N>
) => Promise<Result<Operations[N]['answer']>>;

/** The API did not answer, or not as an API does: a network error, a time-out, a page of a proxy. */
export class TransportError extends Error {
  readonly status: number | undefined;
  constructor(message: string, status?: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TransportError';
    this.status = status;
  }
}

type AnyInput = CallOptions & {
  readonly path?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly form?: Readonly<Record<string, unknown>>;
};

const DEFAULTS = { retries: 3, maxWait: 10, timeout: 10 };
const FIRST_WAIT_MS = 200;
/** Methods with the same effect however often they are sent (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'PUT', 'DELETE']);
/** Problems of requests that had no effect. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set<ProblemCode>(['rate_limited', 'shutting_down', 'request_stale']);

function urlOf(base: string, template: string, { path = {}, query = {} }: AnyInput): string {
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = path[name];
    if (value === undefined || value === '') throw new TypeError(`${template}: ${name} is missing`);
    // A URL parser removes such a segment, so the request would reach another operation (RFC 3986 §5.2.4).
    if (value === '.' || value === '..') throw new TypeError(`${template}: ${name} cannot be ${value}`);
    return encodeURIComponent(value);
  });
  const url = new URL(base.replace(/\/+$/, '') + filled);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) url.searchParams.append(name, String(one));
  }
  return url.href;
}

function bodyOf({ body, form }: AnyInput): { readonly text?: string; readonly type?: string } {
  if (form !== undefined) {
    const members = Object.entries(form).flatMap(([name, value]): [string, string][] =>
      value === undefined
        ? []
        : (Array.isArray(value) ? value : [value]).map((one): [string, string] => [name, String(one)]),
    );
    return { text: new URLSearchParams(members).toString(), type: 'application/x-www-form-urlencoded' };
  }
  return body === undefined ? {} : { text: JSON.stringify(body), type: 'application/json' };
}

async function readAnswer(response: Response): Promise<Result<unknown>> {
  const { status, headers, ok } = response;
  const type = headers.get('content-type') ?? '';
  if (ok) {
    if (status === 204 || type === '') return { ok, status, data: undefined, headers };
    const isJson = /^application\/(json|[\w.-]+\+json)\b/.test(type);
    if (type.startsWith('application/octet-stream'))
      return { ok, status, data: new Uint8Array(await response.arrayBuffer()), headers };
    return { ok, status, data: isJson ? await response.json() : await response.text(), headers };
  }
  const problem = (await response.json().catch(() => undefined)) as Problem | OAuthProblem | undefined;
  // Anything else is of a proxy or of another server.
  if (typeof problem?.code !== 'string') throw new TransportError(`answered ${status} without a problem`, status);
  return { ok: false, status, code: problem.code, problem, headers };
}

/** Milliseconds that a response asks to wait: Retry-After as seconds or as a date (RFC 9110 §10.2.3). */
function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** Doubles with each repetition; random, so that clients do not return together. */
const backoffMs = (repetition: number): number => FIRST_WAIT_MS * 2 ** repetition * (0.5 + Math.random() / 2);

/**
 * Makes a client of the API. A response of the API is a result, also a refusal; only the absence of one throws.
 *
 * A request is repeated after a network error or a retryable problem when that is harmless: GET, PUT and DELETE, operations
 * that honour an Idempotency-Key, and any request that had no effect (`rate_limited`, `shutting_down`, `request_stale`).
 * @throws TransportError where the API does not answer; what a credential store throws
 * @example const result = await api('POST /v1/tokens/validate', { body: { token } });
 */
export function createClient(options: ClientOptions): ApiClient {
  const { url, headers: given, authorization } = options;
  // Not by a spread: an option that is given as undefined would replace its default.
  const { retries = DEFAULTS.retries, maxWait = DEFAULTS.maxWait, timeout = DEFAULTS.timeout } = options;
  const send = options.fetch ?? fetch;
  const sleep = options.sleep ?? ((ms: number) => new Promise<void>((done) => setTimeout(done, ms)));

  const attempt = async (method: string, target: string, input: AnyInput, key: string | undefined) => {
    const { text, type } = bodyOf(input);
    const by = input.authorization ?? (typeof authorization === 'function' ? await authorization() : authorization);
    const limit = AbortSignal.timeout(timeout * 1_000);
    const response = await send(target, {
      method,
      redirect: 'manual',
      signal: input.signal ? AbortSignal.any([limit, input.signal]) : limit,
      headers: {
        accept: 'application/json, */*;q=0.5',
        ...given,
        ...(by === undefined ? {} : { authorization: by }),
        ...(type === undefined ? {} : { 'content-type': type }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(input.ifMatch === undefined ? {} : { 'if-match': input.ifMatch }),
      },
      ...(text === undefined ? {} : { body: text }),
    });
    return readAnswer(response);
  };

  const call = async (name: string, input: AnyInput = {}): Promise<Result<unknown>> => {
    const [method = '', template = ''] = name.split(' ');
    const target = urlOf(url, template, input);
    // The same for every repetition.
    const key = input.idempotencyKey ?? (KEYED.has(name) ? crypto.randomUUID() : undefined);
    const isHarmless = IDEMPOTENT.has(method) || KEYED.has(name) || input.repeatable === true;
    for (let repetition = 0; ; repetition += 1) {
      const isLast = repetition >= retries;
      try {
        const result = await attempt(method, target, input, key);
        if (result.ok || isLast || !result.problem.retryable) return result;
        if (!isHarmless && !WITHOUT_EFFECT.has(result.code)) return result;
        const waitMs = retryAfterMs(result.headers) ?? backoffMs(repetition);
        if (waitMs > maxWait * 1_000) return result;
        await sleep(waitMs);
      } catch (err) {
        input.signal?.throwIfAborted();
        // The store of credentials has tried again itself.
        if (err instanceof Error && err.name === 'CredentialError') throw err;
        const isRefusal = err instanceof TransportError && err.status !== undefined && err.status < 500;
        if (isLast || !isHarmless || isRefusal) {
          if (err instanceof TransportError) throw err;
          throw new TransportError(`${name}: no answer`, undefined, { cause: err });
        }
        await sleep(Math.min(maxWait * 1_000, backoffMs(repetition)));
      }
    }
  };
  return call as ApiClient;
}
