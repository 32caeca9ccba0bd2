import { expect, test } from 'vitest';
import { createLogger } from './logger.ts';
import { readableLine } from './readable-line.ts';

/** What a logger that writes for people writes. */
function written(log: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  log(createLogger({ service: 'sallyport-worker', level: 'trace', stream, isForPeople: true }));
  return lines
    .join('')
    .replace(/^\d\d:\d\d:\d\d/gm, 'HH:MM:SS')
    .replaceAll(`[${process.pid}]`, '[PID]');
}

test('the message comes first, then the fields, in one line', () =>
  expect(
    readableLine(
      '{"level":"warn","time":"2026-01-02T03:04:05.678Z","service":"sallyport-api","pid":7,"epoch":1,"trace_id":"ab12","why":"two words","list":[1],"msg":"behind"}\n',
    ),
  ).toBe('03:04:05 warn  api[7]  behind  epoch=1  trace_id=ab12  why="two words"  list=[1]\n'));

test('an error follows its message with class, code, meaning, the first frames and its causes', () => {
  const cause = Object.assign(new Error('secret'), { code: '53100' });
  const text = written((logger) =>
    logger.error({ err: new TypeError('hidden', { cause }), job: 'seal' }, 'job failed'),
  );
  const [head, error, ...rest] = text.split('\n');
  expect([head, error]).toEqual(['HH:MM:SS error worker[PID]  job failed  job=seal', '  TypeError']);
  expect(rest.filter((line) => line.startsWith('    at ')).length).toBeLessThanOrEqual(10);
  expect(rest[0]).toMatch(/^ {4}at .*readable-line\.test\.ts/);
  expect(text).toContain(
    '  Error: the disk of PostgreSQL is full: make room on it; writes succeed again by themselves  code=',
  );
  expect(text).not.toMatch(/secret|hidden/);
});

test('secrets are removed, and no text can start a line or move the cursor', () => {
  const hostile = 'one\ntwo\u001b[2J\u009b1A\u202ethree';
  const text = written((logger) => {
    logger.info({ password: 'hunter2', [hostile]: hostile, err: { type: hostile, message: hostile } }, hostile);
  });
  expect(text).not.toContain('hunter2');
  expect(text).toContain('password=[redacted]');
  expect(text.split('\n')).toHaveLength(3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be written.
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
});

test('an error that is not described, and an endless chain of causes', () => {
  const line = (err: unknown): string =>
    readableLine(JSON.stringify({ level: 'info', time: '2026-01-02T03:04:05Z', service: 's', pid: 1, msg: 'm', err }));
  expect(readableLine('{"level":"error","msg":"a log line was not JSON and was dropped"}\n')).toBe(
    ' error []  a log line was not JSON and was dropped\n',
  );
  expect(line('text')).toBe('03:04:05 info  s[1]  m\n  text\n');
  expect(line(null)).toBe('03:04:05 info  s[1]  m\n  null\n');
  const chain = (depth: number): object => (depth === 0 ? {} : { type: `E${depth}`, cause: chain(depth - 1) });
  expect(line(chain(9)).match(/E\d/g)).toEqual(['E9', 'E8', 'E7', 'E6']);
  expect(line({ type: 'AggregateError', errors: [{ type: 'A' }, { type: 'B' }] })).toContain('\n  A\n  B\n');
});
