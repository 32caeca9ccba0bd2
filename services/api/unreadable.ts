import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { endServerSpan, startServerSpan } from '../../observability/http-span.ts';
import type { AppError } from '../platform/define/error.ts';
import { headersTooLarge, requestTooSlow, requestUnreadable } from '../platform/errors.ts';
import { errorAnswer } from '../platform/http/problem.ts';

function refusalOf(code: string | undefined): AppError {
  if (code === 'HPE_HEADER_OVERFLOW') return headersTooLarge();
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? requestTooSlow() : requestUnreadable();
}

/** What never became a request (RFC 9112 §3, §6.3) is refused in the form of every other error; its connection ends. */
export function answerUnreadable(
  error: { readonly code?: string },
  socket: Socket,
  always: Readonly<Record<string, string>>,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const trace = startServerSpan({}, '', undefined);
  const context = { traceId: trace.traceId, oauth: false, sent: 'none' } as const;
  const { status, headers, body } = errorAnswer(refusalOf(error.code), context);
  endServerSpan(trace, status);
  const text = JSON.stringify(body);
  const lines = Object.entries({
    ...always,
    ...headers,
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${text}`, () => socket.destroy());
}
