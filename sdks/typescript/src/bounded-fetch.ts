import { LIMITS } from './generated/contract.ts';

/** The API did not answer 200 in time, or with too much. */
export class ApiUnavailable extends Error {
  readonly status: number | undefined;
  readonly retryAfterSeconds: number;
  constructor(message: string, status?: number, retryAfterSeconds = 0, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ApiUnavailable';
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export type BoundedRequest = {
  readonly fetch: typeof fetch;
  readonly url: string;
  readonly init?: RequestInit;
  readonly timeoutMs: number;
  readonly maximumBytes: number;
};

/** Rejects when the signal aborts, even if the promise never settles. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(signal.reason as Error);
    if (signal.aborted) fail();
    signal.addEventListener('abort', fail, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', fail));
  });
}

async function textWithin(response: Response, maximumBytes: number, signal: AbortSignal): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return text + decoder.decode();
      bytes += value.length;
      if (bytes > maximumBytes)
        throw new ApiUnavailable(`the answer is longer than ${maximumBytes} bytes`, response.status);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    // Closes the connection of an answer that was not read to its end.
    reader.cancel().catch(() => {});
  }
}

/** Opens a request. Throws ApiUnavailable unless the answer is 200 and not packed; redirects are not followed. */
export async function open({ fetch, url, init }: BoundedRequest, signal: AbortSignal): Promise<Response> {
  const { pathname } = new URL(url);
  const headers = new Headers(init?.headers);
  headers.set('accept-encoding', 'identity');
  const response = await unlessAborted(fetch(url, { ...init, headers, redirect: 'manual', signal }), signal).catch(
    (err: unknown) => {
      throw new ApiUnavailable(`${pathname} cannot be reached`, undefined, 0, err);
    },
  );
  // A packed answer could be far larger than it looks, and unpacking is code that no signature protects.
  const isPacked = (response.headers.get('content-encoding') ?? 'identity') !== 'identity';
  if (response.status === 200 && !isPacked) return response;
  response.body?.cancel().catch(() => {});
  if (isPacked) throw new ApiUnavailable(`${pathname} answered with an encoding that was not asked for`);
  const wait = Number(response.headers.get('retry-after'));
  const seconds = wait > 0 ? Math.min(wait, LIMITS.longestRetryAfterSeconds) : 0;
  throw new ApiUnavailable(`${pathname} answered ${response.status}`, response.status, seconds);
}

/** The body of a 200 answer, limited in time and size. Throws ApiUnavailable. */
export async function fetchText(request: BoundedRequest): Promise<{ text: string; headers: Headers }> {
  const signal = AbortSignal.timeout(request.timeoutMs);
  const response = await open(request, signal);
  try {
    return { text: await textWithin(response, request.maximumBytes, signal), headers: response.headers };
  } catch (err) {
    if (err instanceof ApiUnavailable) throw err;
    throw new ApiUnavailable(`${new URL(request.url).pathname} did not answer in time`, response.status, 0, err);
  }
}
