import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { runInSpan, startServerSpan } from './http-span.ts';
import { safeMessage } from './log-errors.ts';
import { redactLine } from './log-redaction.ts';
import { createLogger, type Logger } from './logger.ts';

const canary = 'canary-7f3a';

function capture(options: { level?: string } = {}): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  return { logger: createLogger({ service: 'sallyport-api', level: 'trace', ...options, stream }), lines };
}

const last = (lines: string[]) => JSON.parse(lines.at(-1) as string) as Record<string, unknown>;

describe('the logger', () => {
  it('writes level, time, service and the trace id of the request in progress', () => {
    const { logger, lines } = capture();
    const requestTrace = startServerSpan({}, 'GET', '/');
    runInSpan(requestTrace, () => logger.warn({ epoch: 7 }, 'behind'));
    expect(last(lines)).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      service: 'sallyport-api',
      pid: process.pid,
      epoch: 7,
      trace_id: requestTrace.traceId,
      msg: 'behind',
    });
    logger.info('outside');
    expect(last(lines)).not.toHaveProperty('trace_id');
  });

  it.each(
    `authorization Cookie set-cookie password newPassword token refresh_token accessToken client_secret secret code
    email X-API-Key privateKey otp detail`.split(/\s+/),
  )('never writes what stands under %s, at any depth, in fields, lists and child bindings', (name) => {
    const { logger, lines } = capture();
    for (const value of [canary, [canary], { inner: canary }, 77_351]) {
      const field = { [name]: value };
      logger.info(field, 'top');
      logger.info({ a: { b: [{ c: field }] } }, 'deep');
      logger.child(field).child({ x: field }).info('child');
      logger.info({ headers: field, err: Object.assign(new Error(canary), { context: field }) });
    }
    expect(lines).toHaveLength(16);
    expect(lines.join('').match(new RegExp(`${canary}|77351`))).toBeNull();
    expect(lines.join('')).toContain('[redacted]');
  });

  it('keeps how a delivery failed, which an operator needs', () => {
    const { logger, lines } = capture();
    for (const failure of ['ECONNREFUSED', 'http_503', 'EENVELOPE', 'TimeoutError']) {
      logger.warn({ failure }, 'retrying');
      expect(last(lines).failure).toBe(failure);
    }
  });

  it('keeps the stable code of an error, which is not an authorization code', () => {
    const { logger, lines } = capture();
    logger.warn({ code: 'revocation_state_stale' }, 'refused');
    expect(last(lines).code).toBe('revocation_state_stale');
    for (const code of ['SplxlOBeZQQYbYS6WxSbIA', '123456', 'WDJB-MJHT', 'abcde-fghij', 'abcdefghij']) {
      logger.warn({ code }, 'refused');
      expect(last(lines).code).toBe('[redacted]');
    }
  });

  it('removes credentials and addresses from text by their shape', () => {
    const { logger, lines } = capture();
    const jwt = `eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIx${canary}.c2lnbmF0dXJl`;
    for (const text of [
      jwt,
      `sp_rt_1.${canary}.3.nonce.mac`,
      `Bearer ${canary}`,
      `someone+${canary}@example.org`,
      `postgres://owner:${canary}@127.0.0.1:1/db`,
      `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`,
    ]) {
      logger.info(`before ${text} after`);
      logger.info({ note: text, [text]: 1 }, '%s', text);
    }
    expect(lines.join('')).not.toContain(canary);
    expect(last(lines.slice(0, 1)).msg).toBe('before [redacted] after');
  });

  it('line breaks, ANSI and other controls in a value or a name give one line and no escape sequence', () => {
    const { logger, lines } = capture();
    const hostile = 'bob\r\n{"level":"info","msg":"forged"}\u001b[2J\u009b31m\u2028\u202e\u0000';
    logger.info({ login: hostile, [hostile]: hostile, ['__proto__']: hostile }, hostile);
    expect(lines).toHaveLength(1);
    expect(lines[0]?.slice(0, -1)).toMatch(/^[^\p{Cc}\u2028\u2029\u202a-\u202e]*$/u);
    expect(last(lines).login).toBe(hostile);
  });

  it('writes class, code, naming fields and frames of an error, but not its message and detail', () => {
    const { logger, lines } = capture();
    const forged = `${canary}\n    at forged (file:///${canary}.ts:1:1)`;
    const error = Object.assign(new TypeError(forged, { cause: new Error(forged) }), {
      code: '22P02',
      table: 'users',
      detail: canary,
      where: canary,
      errors: [new Error(forged), canary],
    });
    logger.error(error);
    logger.error({ err: error });
    logger.error({ err: error }, error.message);
    logger.error({ nested: { reason: error } }, 'failed %s', error);
    logger.error(error, undefined);
    logger.error('failed: %s', error);
    logger.child({ err: error }).error('child');
    expect(lines.join('')).not.toContain(canary);
    expect(last(lines.slice(0, 1))).toMatchObject({
      msg: 'TypeError',
      err: { type: 'TypeError', code: '22P02', table: 'users', cause: { type: 'Error' }, errors: [{ type: 'Error' }] },
    });
    expect((last(lines.slice(0, 1)).err as { stack: string[] }).stack[0]).toContain('logger.test.ts');
    logger.error({ err: error }, 'our own words');
    expect(last(lines).msg).toBe('our own words');
  });

  it.each([
    ['53100', 'the disk of PostgreSQL is full: make room'],
    ['25006', 'PostgreSQL is read-only'],
    ['ENOSPC', 'the disk is full: make room'],
  ])('says of %s, which an operator must end, what it means and what to do', (code, words) => {
    const { logger, lines } = capture();
    const refused = Object.assign(new Error(canary), { code });
    logger.warn({ err: new Error('store_unavailable', { cause: refused }) }, 'request failed');
    expect(last(lines).err).toMatchObject({ cause: { code, means: expect.stringContaining(words) } });
    expect(last(lines).err).not.toHaveProperty('means');
  });

  it('explains a Redis error by its code, and does not write its message', () => {
    const { logger, lines } = capture();
    for (const words of [`MISCONF ${canary}`, `NOVEL ${canary}`, canary])
      logger.warn({ err: Object.assign(new Error(words), { name: 'ReplyError' }) }, 'refused');
    expect(lines.map((line) => JSON.parse(line).err)).toEqual([
      expect.objectContaining({ code: 'MISCONF', means: expect.stringContaining('Redis refuses writes') }),
      expect.objectContaining({ code: 'NOVEL' }),
      expect.not.objectContaining({ code: expect.anything() }),
    ]);
    expect(lines.join('')).not.toContain(canary);
  });

  it('writes the message of an error marked safe, and of no other', () => {
    class KeyMissing extends Error {
      readonly [safeMessage] = true;
    }
    const { logger, lines } = capture();
    logger.error({ err: new KeyMissing('no active key') });
    expect(last(lines).err).toMatchObject({ message: 'no active key' });
    logger.error({ err: new Error('plain') });
    expect(last(lines).err).not.toHaveProperty('message');
  });

  it('writes method and route of a request, and the status of a reply', () => {
    const { logger, lines } = capture();
    const req = { method: 'GET', url: `/x?${canary}`, routeOptions: { url: '/x' }, body: canary };
    logger.info({ req, res: { statusCode: 200, body: canary } }, 'done');
    expect(last(lines)).toMatchObject({ req: { method: 'GET', route: '/x' }, res: { status: 200 } });
    expect(lines.join('')).not.toContain(canary);
  });

  it('bounds length and time for cyclic, deep and hostile values', () => {
    const { logger, lines } = capture();
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    logger.info({ cyclic }, 'cyclic');
    logger.info({ text: '-eyJaaaaaaaa'.repeat(200_000) }, 'long');
    logger.info({ text: 'a'.repeat(1_000_000) }, 'long');
    expect(lines).toHaveLength(3);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(6_000);
  });

  it('treats an unknown level as info; silent writes nothing', () => {
    expect(capture({ level: 'loud' }).logger.level).toBe('info');
    const silent = capture({ level: 'silent' });
    silent.logger.fatal('x');
    expect(silent.lines).toEqual([]);
    expect(createLogger({ service: 'sallyport-api', level: 'silent' }).level).toBe('silent');
  });

  it('an unread standard error neither blocks nor grows without bound: lines are dropped and counted', async () => {
    const script = `
      const { createLogger } = await import(${JSON.stringify(new URL('./logger.ts', import.meta.url).href)});
      const { registry } = await import(${JSON.stringify(new URL('./metrics/instruments.ts', import.meta.url).href)});
      const logger = createLogger({ service: 'sallyport-api' });
      for (let at = 0; at < 2000; at += 1) logger.info({ text: 'x'.repeat(2000) }, 'line');
      const dropped = registry.collect().find(({ name }) => name === 'sallyport_telemetry_log_lines_dropped');
      process.stdout.write(String(dropped.series[0].value));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(child, 'exit');
    const [dropped] = await once(child.stdout, 'data');
    expect(Number(dropped)).toBeGreaterThan(1_000);
    const written = (await child.stderr.toArray()).join('').trim().split('\n');
    await exited;
    expect(written).toHaveLength(2_000 - Number(dropped));
    expect(JSON.parse(written.at(-1) as string)).toMatchObject({ level: 'info', msg: 'line' });
  });

  it('a line that is not JSON is replaced', () => {
    expect(redactLine(`password=${canary}`)).not.toContain(canary);
    expect(JSON.parse(redactLine(`password=${canary}`))).toMatchObject({ level: 'error' });
  });
});
