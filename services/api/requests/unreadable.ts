import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { endServerSpan, startServerSpan } from '#observability/http-span.ts';
import type { AppError } from '#services/platform/define/error.ts';
import {
  expectationUnsupported,
  headersTooLarge,
  requestTooSlow,
  requestUnreadable,
} from '#services/platform/errors.ts';
import { errorAnswer } from '#services/platform/http/problem.ts';

function refusalOf(code: string | undefined): AppError {
  if (code === 'HPE_HEADER_OVERFLOW') return headersTooLarge();
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? requestTooSlow() : requestUnreadable();
}

function answerOf(error: AppError, always: Readonly<Record<string, string>>) {
  const trace = startServerSpan({}, '', undefined);
  const { status, headers, body } = errorAnswer(error, { traceId: trace.traceId, oauth: false, sent: 'none' });
  endServerSpan(trace, status);
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  return { status, headers: { ...always, ...headers, 'content-length': length, connection: 'close' }, text };
}

/** Refuses an unparsable request (RFC 9112 §3, §6.3) in the common error format; its connection ends. */
export function answerUnreadable(
  error: { readonly code?: string },
  socket: Socket,
  always: Readonly<Record<string, string>>,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, headers, text } = answerOf(refusalOf(error.code), always);
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${text}`, () => socket.destroy());
}

/** Answers a request that has no route or hook yet in the common error format; the connection ends. */
export function answerAlone(
  error: AppError,
  response: ServerResponse,
  always: Readonly<Record<string, string>> = {},
): void {
  const { status, headers, text } = answerOf(error, always);
  response.writeHead(status, headers).end(text);
}

/** Refuses an expectation that Node does not support (RFC 9110 §10.1.1) before any route; the connection ends. */
export const answerExpectation = (response: ServerResponse, always: Readonly<Record<string, string>>): void =>
  answerAlone(expectationUnsupported(), response, always);
