// For tests only: requests of clients and of attackers.
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';

// biome-ignore lint/suspicious/noExplicitAny: answers are read as a client reads them
export type Json = any;

/** Of HTTP Basic. */
export type ClientCredentials = { readonly client_id: string; readonly client_secret: string };

export type Sent = {
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>> | string;
  /** Bytes as they are; give the content type in `headers`. */
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly bearer?: string;
  readonly basic?: ClientCredentials;
  readonly cookie?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type Received = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body where it is JSON. */
  readonly body: Json;
};

export const basicHeader = ({ client_id, client_secret }: ClientCredentials): string =>
  `Basic ${Buffer.from(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`).toString('base64')}`;

function bodyOf({ json, form, body }: Sent): { body?: string | Uint8Array<ArrayBuffer>; contentType?: string } {
  if (json !== undefined) return { body: JSON.stringify(json), contentType: 'application/json' };
  if (form !== undefined)
    return {
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
      contentType: 'application/x-www-form-urlencoded',
    };
  return body === undefined ? {} : { body };
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const STALE_REPEATS = 20;
const STALE_PAUSE_MS = 100;

/** One request; redirects are answers. It is sent again, as clients do, where a busy machine left it unread. */
export async function send(base: string, method: string, path: string, sent: Sent = {}): Promise<Received> {
  for (let repeats = 0; ; repeats += 1) {
    const received = await sendOnce(base, method, path, sent);
    if (received.body?.code !== 'request_stale' || repeats === STALE_REPEATS) return received;
    await sleep(STALE_PAUSE_MS);
  }
}

async function sendOnce(base: string, method: string, path: string, sent: Sent): Promise<Received> {
  const { body, contentType } = bodyOf(sent);
  const answer = await fetch(base + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
      ...(sent.bearer === undefined ? {} : { authorization: `Bearer ${sent.bearer}` }),
      ...(sent.basic === undefined ? {} : { authorization: basicHeader(sent.basic) }),
      ...(sent.cookie === undefined ? {} : { cookie: sent.cookie }),
      ...sent.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: parsed(text) };
}

/** The Cookie header a browser would send after an answer. */
export const cookieOf = (answer: { readonly headers: Headers }): string =>
  answer.headers
    .getSetCookie()
    .map((line) => line.split(';', 1)[0])
    .join('; ');

/** One answer read off a socket after these exact bytes; undefined when the server hung up without one. */
export async function sendBytes(base: string, bytes: string | Uint8Array): Promise<Received | undefined> {
  const { hostname, port } = new URL(base);
  const raw = await new Promise<Buffer>((done) => {
    const parts: Buffer[] = [];
    const socket = createConnection({ host: hostname, port: Number(port) }, () => socket.write(bytes));
    socket.setTimeout(20_000, () => socket.destroy());
    socket.on('data', (part) => {
      parts.push(part);
      if (isWhole(Buffer.concat(parts))) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => done(Buffer.concat(parts)));
  });
  const end = raw.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = raw.subarray(0, end).toString('latin1').split('\r\n');
  const headers = new Headers(
    lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const text = raw.subarray(end + 4).toString('utf8');
  return { status: Number(statusLine.split(' ')[1]), headers, text, body: parsed(text) };
}

function isWhole(raw: Buffer): boolean {
  const end = raw.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /content-length: (\d+)/i.exec(raw.subarray(0, end).toString('latin1'))?.[1];
  return length !== undefined && raw.length >= end + 4 + Number(length);
}

/** A whole HTTP/1.1 request as text, closed by the server after its answer. */
export const requestText = (method: string, target: string, headers: readonly string[] = [], body = ''): string =>
  [
    `${method} ${target} HTTP/1.1`,
    'Host: sallyport.test',
    ...headers,
    ...(body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
    'Connection: close',
    '',
    body,
  ].join('\r\n');

/** RFC 9457 with our members, or RFC 6749 §5.2 with the same extras: what every error answer has. */
export function expectProblem(answer: Received, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body?.code, text: answer.text.slice(0, 300) }).toMatchObject({
    status,
    code,
  });
  expectErrorForm(answer);
}

export function expectErrorForm({ status, headers, body, text }: Received): void {
  expect(body, text).toMatchObject({
    code: expect.stringMatching(/^[a-z]+(_[a-z0-9]+)*$/),
    retryable: expect.any(Boolean),
    trace_id: expect.stringMatching(/^(?!0{32})[0-9a-f]{32}$/),
  });
  expect(headers.get('cache-control')).toBe('no-store');
  if (status === 401) expect(headers.get('www-authenticate')).toMatch(/^(Bearer|Basic) realm="sallyport"/);
  if (status === 429 || status === 503) expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  if (headers.get('content-type')?.startsWith('application/problem+json'))
    expect(body).toMatchObject({
      type: `/docs/errors#${body.code}`,
      title: expect.any(String),
      status,
      fix: expect.any(String),
    });
  else {
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(body).toMatchObject({ error: expect.any(String), error_description: expect.any(String) });
  }
}

/** RFC 6749 §5.2 with our extras. */
export function expectOAuthError(answer: Received, status: number, error: string, code: string): void {
  expect([answer.status, answer.body?.error, answer.body?.code]).toEqual([status, error, code]);
  expectErrorForm(answer);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
}
