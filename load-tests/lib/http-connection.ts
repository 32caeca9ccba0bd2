import { connect, type Socket } from 'node:net';

export type Answer = { readonly status: number; readonly body: Buffer; readonly retryAfterSeconds: number | undefined };
type OnAnswer = (answer: Answer | Error) => void;

const headEnd = Buffer.from('\r\n\r\n');
/** As Node writes its own headers, and as a handler's are written. */
const closeHeaders = ['Connection: close', 'connection: close'].map((text) => Buffer.from(text));
const readBufferBytes = 65_536;

/** The whole request as bytes, so that a hot loop only writes them. */
export function requestBytes(
  method: string,
  url: URL,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${url.host}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined) lines.push(`content-length: ${Buffer.byteLength(body)}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`);
}

/**
 * One keep-alive HTTP/1.1 connection with one request at a time, as cheap as a socket allows: it reads the answers of
 * Node servers, header names spelled as those spell them. Connects again by itself where the server closed it.
 */
export class HttpConnection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | undefined;
  #pending: OnAnswer | undefined;
  #partial: Buffer | undefined;

  constructor(url: URL) {
    this.#host = url.hostname;
    this.#port = Number(url.port);
  }

  /** Sends and calls back once: with the answer, or with an error when the connection failed. */
  send(request: Buffer, onAnswer: OnAnswer): void {
    if (this.#pending) throw new Error('one request at a time');
    this.#pending = onAnswer;
    this.#open().write(request);
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    if (this.#socket) return this.#socket;
    this.#partial = undefined;
    const socket = connect({
      host: this.#host,
      port: this.#port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(readBufferBytes),
        callback: (length, buffer) => {
          this.#receive(Buffer.from(buffer.buffer as ArrayBuffer, buffer.byteOffset, length));
          return true;
        },
      },
    });
    socket.on('error', (err) => this.#fail(socket, err));
    socket.on('close', () => this.#fail(socket, new Error('connection closed')));
    this.#socket = socket;
    return socket;
  }

  #fail(socket: Socket, err: Error): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#finish(err);
  }

  #finish(answer: Answer | Error): void {
    const onAnswer = this.#pending;
    this.#pending = undefined;
    onAnswer?.(answer);
  }

  #receive(part: Buffer): void {
    const data = this.#partial ? Buffer.concat([this.#partial, part]) : part;
    const bodyAt = data.indexOf(headEnd) + headEnd.length;
    const found = bodyAt >= headEnd.length ? readBody(data, bodyAt) : undefined;
    if (!found) {
      // The read buffer is used again for the next part.
      this.#partial = this.#partial ? data : Buffer.from(data);
      return;
    }
    this.#partial = undefined;
    const closes = closeHeaders.some((header) => includesBefore(data, header, bodyAt));
    if (closes) this.close();
    this.#finish(found);
  }
}

/** As Fastify and as Koa write it. */
const contentLengths = ['content-length', 'Content-Length'].map((name) => Buffer.from(`\r\n${name}: `));
const chunked = Buffer.from('\r\nTransfer-Encoding: chunked');
const retryAfter = Buffer.from('\r\nretry-after: ');

function includesBefore(data: Buffer, text: Buffer, end: number): boolean {
  const at = data.indexOf(text);
  return at >= 0 && at < end;
}

function numberAfter(data: Buffer, name: Buffer, end: number): number | undefined {
  const found = data.indexOf(name);
  if (found < 0 || found >= end) return undefined;
  let value = 0;
  for (let at = found + name.length; data[at]! >= 0x30 && data[at]! <= 0x39; at += 1)
    value = value * 10 + data[at]! - 0x30;
  return value;
}

/** The answer in `data`, or undefined while it is not whole. */
function readBody(data: Buffer, bodyAt: number): Answer | undefined {
  const status = (data[9]! - 0x30) * 100 + (data[10]! - 0x30) * 10 + (data[11]! - 0x30);
  const retryAfterSeconds = status >= 429 ? numberAfter(data, retryAfter, bodyAt) : undefined;
  const [lower, upper] = contentLengths as [Buffer, Buffer];
  const length = numberAfter(data, lower, bodyAt) ?? numberAfter(data, upper, bodyAt);
  if (length !== undefined) {
    if (data.length < bodyAt + length) return undefined;
    return { status, body: data.subarray(bodyAt, bodyAt + length), retryAfterSeconds };
  }
  if (!includesBefore(data, chunked, bodyAt)) return { status, body: data.subarray(bodyAt, bodyAt), retryAfterSeconds };
  const chunks: Buffer[] = [];
  for (let at = bodyAt; ; ) {
    const lineEnd = data.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(data.toString('latin1', at, lineEnd), 16);
    if (data.length < lineEnd + 2 + size + 2) return undefined;
    if (size === 0) return { status, body: Buffer.concat(chunks), retryAfterSeconds };
    chunks.push(data.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
