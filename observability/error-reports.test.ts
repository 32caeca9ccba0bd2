import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ErrorReports } from './error-report.ts';
import { startErrorReports } from './error-reports.ts';
import { runInSpan, startServerSpan } from './http-span.ts';
import { withJobSpan } from './job-span.ts';
import { safeMessage } from './log-errors.ts';
import { createLogger } from './logger.ts';
import { catalogue } from './metrics/catalogue.ts';
import { registry } from './metrics/instruments.ts';
import { startSentry } from './sentry.ts';

type Envelope = {
  url: string;
  text: string;
  /** Of the contained event. */
  event: Record<string, unknown> & {
    exception: { values: { type: string; value: string; stacktrace: { frames: Record<string, unknown>[] } }[] };
  };
};

let server: Server;
let envelopes: Envelope[];
let answer: { status: number } | 'nothing';
let reports: ErrorReports | undefined;

beforeEach(async () => {
  envelopes = [];
  answer = { status: 200 };
  server = createServer(async (request, response) => {
    const text = (await request.toArray()).join('');
    const event = JSON.parse(text.split('\n')[2] as string) as Envelope['event'];
    envelopes.push({ url: request.url as string, text, event });
    if (answer !== 'nothing') response.writeHead(answer.status).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await reports?.close(200);
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const dsn = (): string => `http://publickey@127.0.0.1:${(server.address() as AddressInfo).port}/42`;

function start(): ErrorReports {
  vi.stubEnv('SENTRY_DSN', dsn());
  // Loaded here, so that both sides count in the same registry.
  reports = startErrorReports({ serviceName: 'sallyport-api', serviceVersion: '1.2.3' }, () => ({ startSentry }));
  return reports;
}

const count = (outcome: string): number =>
  registry
    .collect()
    .find(({ name }) => name === 'sallyport_telemetry_error_reports')
    ?.series.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;

describe('error reports', () => {
  it('reach the DSN with class, code, frames of ours, tags, release and trace id', async () => {
    const { report } = start();
    const cause = Object.assign(new TypeError('inner'), { code: '23505' });
    const request = startServerSpan({}, 'GET', '/v1/keys');
    runInSpan(request, () => report(new RangeError('outer', { cause }), { code: 'internal', operation: 'readKeys' }));
    await expect.poll(() => envelopes.length).toBe(1);
    const [{ url, event }] = envelopes as [Envelope];
    expect(url).toMatch(/^\/api\/42\/envelope\/\?.*sentry_key=publickey/);
    expect(event).toMatchObject({
      level: 'error',
      release: '1.2.3',
      tags: { service: 'sallyport-api', code: 'internal', operation: 'readKeys' },
      contexts: { trace: { trace_id: request.traceId, span_id: request.spanId } },
    });
    expect(event.exception.values.map(({ type, value }) => [type, value])).toEqual([
      ['TypeError', '23505'],
      ['RangeError', 'RangeError'],
    ]);
    const frames = event.exception.values[1]?.stacktrace.frames ?? [];
    expect(frames.at(-1)).toMatchObject({
      // vitest names the file with a query of its own.
      filename: expect.stringMatching(/^observability\/error-reports\.test\.ts(\?|$)/),
      lineno: expect.any(Number),
    });
  });

  it('name the span of a job, and no trace outside requests and jobs', async () => {
    const { report } = start();
    let parent = '';
    await withJobSpan('a-job', {}, '', async (traceparent) => {
      parent = traceparent;
      report(new RangeError('inside'), { code: 'inside' });
    });
    report(new RangeError('outside'), { code: 'outside' });
    await expect.poll(() => envelopes.length).toBe(2);
    const [inside, outside] = ['inside', 'outside'].map(
      (code) => envelopes.find(({ event }) => (event.tags as { code?: string }).code === code)?.event,
    );
    expect(inside?.contexts).toMatchObject({ trace: { trace_id: parent.slice(3, 35), span_id: parent.slice(36, 52) } });
    expect(outside?.contexts).toBeUndefined();
  });

  it('hold nothing else: no message, argument, source line, host, environment or module list', async () => {
    const { report } = start();
    const error = Object.assign(new Error('password hunter2 of a@b.example'), {
      detail: 'Key (email)=(a@b.example)',
      config: { headers: { authorization: 'Bearer canary' } },
    });
    runInSpan(startServerSpan({}, 'GET', '/v1/keys'), () => report(error, {}));
    await expect.poll(() => envelopes.length).toBe(1);
    const [{ text, event }] = envelopes as [Envelope];
    for (const secret of ['hunter2', 'a@b.example', 'canary', 'Key (email)']) expect(text).not.toContain(secret);
    expect(Object.keys(event).sort()).toEqual(
      'contexts environment event_id exception level platform release sdk tags timestamp'.split(' ').sort(),
    );
    expect(Object.keys(event.sdk as object).sort()).toEqual(['integrations', 'name', 'packages', 'version']);
    expect(Object.keys(event.contexts as object)).toEqual(['trace']);
    const [frame] = event.exception.values[0]?.stacktrace.frames ?? [];
    expect(Object.keys(frame ?? {}).filter((name) => /context|vars/.test(name))).toEqual([]);
  });

  it('keep a message only where its class is marked safe', async () => {
    const { report } = start();
    class OursError extends Error {
      readonly [safeMessage] = true;
    }
    report(new OursError('the marks cannot be read'), {});
    await expect.poll(() => envelopes[0]?.event.exception.values[0]?.value).toBe('the marks cannot be read');
  });

  it('report the same defect once per interval, and count the others', async () => {
    const { report } = start();
    const before = count('repeated');
    const same = (): Error => Object.assign(new Error('x'), { stack: 'Error: x\n    at f (file:///a.ts:1:1)' });
    for (let turn = 0; turn < 50; turn += 1) report(same(), {});
    report(new TypeError('another'), {});
    await expect.poll(() => envelopes.length).toBe(2);
    expect(count('repeated') - before).toBe(49);
  });

  it('are dropped and counted when Sentry is down, refuses or never answers, and never throw or wait', async () => {
    const { report, close } = start();
    const before = { dropped: count('dropped'), failed: count('failed') };
    answer = { status: 400 };
    report(new Error('refused'), {});
    await expect.poll(() => count('failed') - before.failed).toBe(1);
    answer = 'nothing';
    const startedAt = performance.now();
    for (let turn = 0; turn < 100; turn += 1) report(Object.assign(new Error('x'), { name: `Error${turn}` }), {});
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await expect.poll(() => count('dropped') - before.dropped).toBeGreaterThan(50);
    await close(50);
  });

  it('send no span, session, log or metric, patch nothing and register no loader, whatever SENTRY_* say', async () => {
    const script = `
      const { default: Module } = await import('node:module');
      const { default: http } = await import('node:http');
      let registered = 0;
      for (const name of ['register', 'registerHooks']) Module[name] = () => void (registered += 1);
      Module.syncBuiltinESMExports();
      const parts = () => [Module.prototype.require, Module._load, http.request, http.Server.prototype.emit, fetch, console.error,
        process.listenerCount('uncaughtException'), process.listenerCount('unhandledRejection')];
      const before = parts();
      const { startErrorReports } = await import(${JSON.stringify(new URL('./error-reports.ts', import.meta.url).href)});
      const reports = startErrorReports({ serviceName: 'sallyport-api', serviceVersion: '1.2.3' });
      const { getClient, startSpan, captureSession, startSession, metrics, captureCheckIn } = await import('@sentry/node');
      const client = getClient();
      startSpan({ name: 'span' }, () => undefined);
      startSession();
      captureSession(true);
      metrics.count('metric', 1);
      captureCheckIn({ monitorSlug: 'check', status: 'ok' });
      reports.report(new TypeError('x'), {});
      await client.flush(2000);
      await reports.close();
      console.log(JSON.stringify({ same: parts().map((part, at) => part === before[at]), registered }));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env: {
        ...process.env,
        SENTRY_DSN: dsn(),
        SENTRY_TRACES_SAMPLE_RATE: '1',
        SENTRY_SPOTLIGHT: dsn().replace('publickey@', ''),
        SENTRY_DEBUG: 'true',
        SENTRY_NAME: 'a-host',
        SENTRY_RELEASE: 'another',
      },
    });
    expect(JSON.parse(stdout)).toEqual({ same: Array(8).fill(true), registered: 0 });
    expect(envelopes.map(({ text }) => JSON.parse(text.split('\n')[1] as string))).toEqual([{ type: 'event' }]);
    expect(envelopes[0]?.event).toMatchObject({ release: '1.2.3', exception: { values: [{ type: 'TypeError' }] } });
    expect(envelopes[0]?.text).not.toContain('a-host');
  });

  it('are off, and load nothing, without a DSN', async () => {
    vi.stubEnv('SENTRY_DSN', ' ');
    const load = vi.fn();
    const off = startErrorReports({ serviceName: 'sallyport-api' }, load);
    off.report(new Error('x'), {});
    await off.close();
    expect([off.isOn, off.warnings, load.mock.calls]).toEqual([false, [], []]);
  });

  it.each(['sentry.example/1', 'https://sentry.example/1', 'https://key@sentry.example', 'ftp://key@host/1'])(
    'are off with a warning that does not repeat the value: %s',
    (value) => {
      vi.stubEnv('SENTRY_DSN', value);
      const off = startErrorReports({ serviceName: 'sallyport-api' }, () => {
        throw new Error('loaded');
      });
      expect(off.isOn).toBe(false);
      expect(off.warnings.join()).toContain('SENTRY_DSN');
      expect(off.warnings.join()).not.toContain(value);
    },
  );

  it('are counted in a metric of the catalogue', () =>
    expect(catalogue().map(({ name }) => name)).toContain('sallyport_telemetry_error_reports'));
});

describe('the logger', () => {
  it('reports the errors of its lines at error and above, with our own tags', () => {
    const told: unknown[][] = [];
    const stream = { write: () => true };
    const log = createLogger({ service: 'x', level: 'info', stream, onError: (...args) => told.push(args) });
    const error = new Error('x');
    log.warn({ err: error }, 'a state');
    log.error({ code: 'internal' }, 'no error');
    log.error('text');
    expect(told).toEqual([]);
    log.error(
      { err: error, code: 'internal', operation: 'signIn', job: 'not a name!', email: 'a@b.example' },
      'failed',
    );
    log.fatal(error);
    expect(told).toEqual([
      [error, { code: 'internal', operation: 'signIn' }],
      [error, {}],
    ]);
  });
});
