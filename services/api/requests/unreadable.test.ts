import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { answerExpectation, answerUnreadable } from './unreadable.ts';

function connection(writable = true) {
  const seen = { written: '', destroyed: false };
  const socket = {
    writable,
    end: (text: string, done: () => void) => {
      seen.written = text;
      done();
    },
    destroy: () => {
      seen.destroyed = true;
    },
  };
  return { seen, socket: socket as unknown as Socket };
}

test.each([
  ['HPE_HEADER_OVERFLOW', 431, 'headers_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408, 'request_too_slow'],
  ['HPE_INVALID_METHOD', 400, 'request_unreadable'],
  [undefined, 400, 'request_unreadable'],
] as const)('an unparsable request (%s) is refused in the common error format', (code, status, expected) => {
  const { seen, socket } = connection();
  answerUnreadable(code === undefined ? {} : { code }, socket, { 'x-content-type-options': 'nosniff' });
  const [head, body] = seen.written.split('\r\n\r\n') as [string, string];
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} [A-Z]`));
  expect(head.toLowerCase()).toContain('\r\nconnection: close');
  expect(head).toContain('\r\nx-content-type-options: nosniff');
  expect(head).toContain(`\r\ncontent-length: ${Buffer.byteLength(body)}`);
  expect(JSON.parse(body)).toMatchObject({ code: expected, status });
  expect(seen.destroyed).toBe(true);
});

test('nothing is written to a closed connection', () => {
  for (const [code, writable] of [
    ['ECONNRESET', true],
    ['HPE_INVALID_METHOD', false],
  ] as const) {
    const { seen, socket } = connection(writable);
    answerUnreadable({ code }, socket, {});
    expect(seen).toEqual({ written: '', destroyed: true });
  }
});

test('a request with an expectation other than 100-continue is refused, and the connection ends', () => {
  const sent: unknown[] = [];
  const response = {
    writeHead: (...head: unknown[]) => {
      sent.push(...head);
      return response;
    },
    end: (text: string) => sent.push(JSON.parse(text)),
  };
  answerExpectation(response as unknown as ServerResponse, {});
  expect(sent).toMatchObject([417, { connection: 'close' }, { code: 'expectation_unsupported' }]);
});
