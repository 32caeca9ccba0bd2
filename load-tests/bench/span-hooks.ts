// Cost of the API's two span hooks a request, by sampling ratio. Run: node load-tests/bench/span-hooks.ts
import { setImmediate as turn } from 'node:timers/promises';
import { context, trace } from '@opentelemetry/api';
import { core } from '@opentelemetry/sdk-node';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { endServerSpan, runInSpan, startServerSpan } from '#observability/http-span.ts';
import { edgeSampler } from '#observability/sampling.ts';
import { boundedSpanProcessor } from '#observability/span-export.ts';
import { requestContextManager, setSamplingRatio } from '#observability/trace-context.ts';

const REQUESTS_PER_TURN = 64;
const TURNS = 4_000;
const ROUNDS = 5;
const headers = { host: 'localhost', 'content-type': 'application/json' };
const headersTraced = { ...headers, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

context.setGlobalContextManager(requestContextManager.enable());
const provider = new TracerProvider({
  sampler: edgeSampler(0.01),
  spanProcessors: [
    boundedSpanProcessor({
      // Sending is not measured here, only what the request's own turn pays.
      exporter: { export: (_spans, done) => done({ code: core.ExportResultCode.SUCCESS }), shutdown: async () => {} },
      maxPendingSpans: 4_096,
      maxBatchSpans: 512,
      scheduledDelayMs: 2_000,
      exportTimeoutMs: 10_000,
    }),
  ],
});
trace.setGlobalTracerProvider(provider);

let served = 0;
const serve = (): void => {
  served += 1;
};

async function nsPerRequest(work: () => void): Promise<number> {
  let elapsedNs = 0n;
  for (let at = 0; at < TURNS; at += 1) {
    const start = process.hrtime.bigint();
    for (let request = 0; request < REQUESTS_PER_TURN; request += 1) work();
    elapsedNs += process.hrtime.bigint() - start;
    await turn();
  }
  return Number(elapsedNs) / (TURNS * REQUESTS_PER_TURN);
}

function hooks(given: typeof headers): () => void {
  return () => {
    const requestTrace = startServerSpan(given, 'POST', '/v1/tokens/validate');
    runInSpan(requestTrace, serve);
    endServerSpan(requestTrace, 200);
  };
}

const cases: { name: string; ratio: number; work: () => void }[] = [
  { name: 'no hooks', ratio: 0, work: serve },
  { name: 'off', ratio: 0, work: hooks(headers) },
  { name: 'off, traceparent given', ratio: 0, work: hooks(headersTraced) },
  { name: '1 %', ratio: 0.01, work: hooks(headers) },
  { name: '1 %, traceparent given', ratio: 0.01, work: hooks(headersTraced) },
  { name: '100 %', ratio: 1, work: hooks(headers) },
];
const results = new Map<string, number[]>(cases.map(({ name }) => [name, []]));
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const { name, ratio, work } of cases) {
    setSamplingRatio(ratio);
    const ns = await nsPerRequest(work);
    if (round > 0) results.get(name)?.push(ns);
  }
}
for (const [name, samples] of results) {
  const sorted = samples.sort((a, b) => a - b);
  console.log(`${name.padEnd(26)} ${sorted[Math.floor(sorted.length / 2)]?.toFixed(0).padStart(6)} ns/request`);
}
console.log(`median of ${ROUNDS} alternating rounds of ${TURNS * REQUESTS_PER_TURN} requests; ${served} served`);
await provider.shutdown();
