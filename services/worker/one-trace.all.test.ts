// About: observability/otel.ts observability/otel-export.ts
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { receivedSpans, startOtlpReceiver } from '#observability/testing.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startOwnStores } from '#tools/testing/processes/own-stores.ts';

const CALLER_SPAN = '00f067aa0ba902b7';
const newTraceId = (): string => randomBytes(16).toString('hex');

const authSecret = randomBytes(32).toString('base64');
let product: Product;

async function start(sampling: Record<string, string>): Promise<Product> {
  return startProduct({
    stores,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      // On a busy machine the collector may be slow, and spans that were given up would be missing.
      OTEL_BSP_EXPORT_TIMEOUT: '60000',
      OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
      // One folder for both starts: it contains the key that encrypts the signing keys.
      BETTER_AUTH_SECRET: authSecret,
      ...sampling,
    },
  });
}

/** A refused sign-in: one request, one security event. */
const signIn = (traceId: string) =>
  send(product.api, 'POST', '/api/auth/signin', {
    json: { email: 'unknown@example.test', password: 'not the right password' },
    headers: { traceparent: `00-${traceId}-${CALLER_SPAN}-00` },
  });

/** One sealed row of each trace, in the order of the traces. */
const sealed = (...traceIds: string[]) =>
  eventually('the sealed rows', async () => {
    const rows = await queryRows(stores.databaseUrl)<{
      trace_id: string;
      leaf: Buffer;
      traceparent: string;
      type: string;
    }>`SELECT trace_id, leaf, o.traceparent, e.type FROM audit_events e JOIN audit_outbox o USING (event_id)
      WHERE trace_id = ANY (${traceIds})`;
    const found = traceIds.flatMap((id) => rows.find(({ trace_id }) => trace_id === id) ?? []);
    return found.length === traceIds.length && found;
  });
const spansOf = (traceId: string) => receivedSpans(collector).filter((span) => span.traceId === traceId);

const stores = opened(startOwnStores);
const collector = opened(startOtlpReceiver);

describe('with every request sampled', () => {
  beforeAll(async () => {
    product = await start({ OTEL_TRACES_SAMPLER: 'parentbased_always_on' });
  });
  afterAll(() => product?.dispose());

  test('one trace: request, outbox row, the job that it woke, statements, and its entry in the sealed log', async () => {
    const traceId = newTraceId();
    const answer = await signIn(traceId);
    expect([answer.status, answer.body.trace_id]).toEqual([401, traceId]);
    const [row] = await sealed(traceId);
    expect(row?.type).toBe('user.login');
    expect(JSON.parse(row?.leaf.toString() as string).trace_id).toBe(traceId);

    const names = ['POST /api/auth/signin', 'seal-audit-events', 'seal audit event', 'verify password'];
    await eventually('the spans', () => names.every((name) => spansOf(traceId).some((span) => span.name === name)));
    const named = (name: string) => spansOf(traceId).find((span) => span.name === name);
    const [request, job, seal, verification] = names.map(named);
    // The longest part of a sign-in, with its wait for a hashing process.
    expect(verification).toMatchObject({ service: 'sallyport-api', parentSpanId: request?.spanId });
    expect([request?.service, request?.parentSpanId]).toEqual(['sallyport-api', CALLER_SPAN]);
    expect([job?.service, job?.parentSpanId]).toEqual(['sallyport-worker', request?.spanId]);
    expect([seal?.service, seal?.parentSpanId]).toEqual(['sallyport-worker', request?.spanId]);
    expect(row?.traceparent).toBe(`00-${traceId}-${request?.spanId}-01`);
    // The seal's span links to the run that did it, which may belong to another request.
    expect(seal?.links.length).toBe(1);

    const statements = await eventually('the statements', () => {
      const found = spansOf(traceId).filter((span) => span.attributes['db.system.name'] === 'postgresql');
      return found.length > 0 && found;
    });
    expect(new Set(statements.map(({ service }) => service))).toEqual(new Set(['sallyport-api', 'sallyport-worker']));
    expect(JSON.stringify(spansOf(traceId))).not.toContain('unknown@example.test');
  });

  test('the Redis commands of a request are in its trace, by their names', async () => {
    const traceId = newTraceId();
    const { status } = await send(product.api, 'POST', '/api/auth/signup', {
      json: { email: 'redis@example.test', password: 'a long enough password' },
      headers: { traceparent: `00-${traceId}-${CALLER_SPAN}-00` },
    });
    expect(status).toBe(201);
    const command = await eventually('a Redis command', () =>
      spansOf(traceId).find(
        ({ service, attributes }) => service === 'sallyport-api' && attributes['db.system.name'] === 'redis',
      ),
    );
    expect(command.attributes['db.query.text']).toMatch(/^[a-z]+$/);
    expect(JSON.stringify(spansOf(traceId))).not.toContain('redis@example.test');
  });

  test('a scheduled run has its own trace, which includes the Redis command that enqueues the next run', async () => {
    const ofWorker = () => receivedSpans(collector).filter(({ service }) => service === 'sallyport-worker');
    const [run, command] = await eventually('a scheduled run with its Redis command', () => {
      const runs = ofWorker().filter(({ attributes }) => /-\d{13}$/.test(String(attributes['messaging.message.id'])));
      for (const each of runs) {
        const found = ofWorker().find(
          (span) => span.attributes['db.system.name'] === 'redis' && span.parentSpanId === each.spanId,
        );
        if (found) return [each, found] as const;
      }
      return undefined;
    });
    expect(command.traceId).toBe(run.traceId);
    // Its name without values: keys and job data are not exported.
    expect(command.attributes['db.query.text']).toMatch(/^[a-z]+$/);
  });

  test('log lines of the worker carry the trace of their job', async () => {
    const lines = () =>
      product
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Readonly<Record<string, string | undefined>>);
    // Sealing without its tables fails, logs it, and is retried.
    await queryRows(stores.databaseUrl)`ALTER TABLE audit_tiles RENAME TO audit_tiles_away`;
    const traceId = newTraceId();
    await signIn(traceId);
    try {
      const failed = await eventually('a failed run', () =>
        lines().find(({ job, msg }) => job === 'seal-audit-events' && msg?.includes('will be retried')),
      );
      expect(failed.trace_id).toMatch(/^[0-9a-f]{32}$/);
      await eventually('its span', () =>
        receivedSpans(collector).some((span) => span.traceId === failed.trace_id && span.name === 'seal-audit-events'),
      );
    } finally {
      await queryRows(stores.databaseUrl)`ALTER TABLE audit_tiles_away RENAME TO audit_tiles`;
    }
    await sealed(traceId);
    const line = await eventually('the line of the sign-in', () =>
      lines().find((each) => each.trace_id === traceId && each.event === 'user.login'),
    );
    expect([line.service, line.outcome]).toEqual(['sallyport-worker', 'refused']);
  });

  test('the span of a failed statement names its error without the message', async () => {
    const failing = await eventually('a failed statement', () =>
      receivedSpans(collector).find(
        (span) => span.service === 'sallyport-worker' && span.attributes['db.query.text'] && span.statusCode === 2,
      ),
    );
    expect([failing.statusMessage, failing.eventCount]).toEqual(['', 0]);
  });
});

describe('with a tenth sampled', () => {
  beforeAll(async () => {
    collector.requests.length = 0;
    product = await start({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' });
  });
  afterAll(() => product?.dispose());

  test('a trace is complete or absent: the worker records exactly the requests that the API recorded, whatever callers ask', async () => {
    /** The trace of a request that was answered: a busy machine may refuse one. */
    const ask = async (flags: '00' | '01'): Promise<string> => {
      const traceId = newTraceId();
      const { status } = await send(product.api, 'POST', '/oauth2/token', {
        basic: product.credentials.client,
        form: { grant_type: 'client_credentials' },
        headers: { traceparent: `00-${traceId}-${CALLER_SPAN}-${flags}` },
      });
      return status === 200 ? traceId : ask(flags);
    };
    const traces = await Promise.all(Array.from({ length: 120 }, (_, index) => ask(index % 2 === 0 ? '01' : '00')));
    // The API writes its decision into the row, which the worker follows.
    const recorded = (await sealed(...traces)).flatMap((row) => (row.traceparent.endsWith('-01') ? row.trace_id : []));
    const withSpan = (name: string): string[] => {
      const named = new Set(receivedSpans(collector).flatMap((span) => (span.name === name ? span.traceId : [])));
      return traces.filter((id) => named.has(id));
    };
    const names = ['POST /oauth2/token', 'seal audit event'];
    await eventually('the spans', () => names.every((name) => recorded.every((id) => withSpan(name).includes(id))));
    expect(names.map(withSpan)).toEqual([recorded, recorded]);
    // 120 draws at a tenth: none comes once in 300,000 runs, more than 36 even less often.
    expect(recorded.length).toBeGreaterThan(0);
    expect(recorded.length).toBeLessThan(37);
  });
});
