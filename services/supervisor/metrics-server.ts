import { createServer, request, type Server } from 'node:http';
import type { MetricInfo } from '#observability/metrics/instruments.ts';
import { OPEN_METRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE } from '#observability/metrics/prometheus.ts';
import { childRestarts, scrapeFailures } from '#observability/metrics/supervisor.ts';
import { loopbackOf } from '../platform/local/loopback.ts';
import { patient } from '../platform/process/patience.ts';
import { freePortFrom } from './listen-port.ts';
import { mergeMetrics, type ProcessMetrics } from './metrics-merge.ts';
import type { ProcessHealth } from './silence-watch.ts';

const SCRAPE_TIMEOUT_MS = 1_000;
const ANSWER_LIMIT_BYTES = 8 * 1024 * 1024;

/** A local process that serves its own Prometheus text on a unix socket. */
type MetricsSource = { process: string; socketPath: string };

export type MetricsServerOptions = {
  host: string;
  sources: () => readonly MetricsSource[];
  restarts: () => ReadonlyMap<string, number>;
};

type SourceAnswer = { readonly status: number | undefined; readonly text: string };

/** The metrics of one process; rejects when it does not answer within a second. */
const ask = ({ socketPath }: MetricsSource, path: string, accept: string): Promise<SourceAnswer> =>
  new Promise((done, fail) => {
    const signal = AbortSignal.timeout(patient(SCRAPE_TIMEOUT_MS));
    const to = { socketPath, path, headers: { accept }, signal, agent: false };
    const call = request(to, (answer) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > ANSWER_LIMIT_BYTES) answer.destroy(new Error('metrics answer is too large'));
        else parts.push(part);
      });
      answer.once('error', fail);
      answer.once('end', () => done({ status: answer.statusCode, text: Buffer.concat(parts).toString('utf8') }));
    });
    call.once('error', fail);
    call.end();
  });

async function scrape(source: MetricsSource, accept: string): Promise<ProcessMetrics> {
  const { status, text } = await ask(source, '/metrics', accept);
  if (status !== 200) throw new Error(`metrics answered ${status}`);
  return { process: source.process, text };
}

/** The health of the processes by name, for those that report it on this socket, which workers do. */
export async function healthOf(sources: readonly MetricsSource[]): Promise<{
  readonly isOk: boolean;
  readonly body: { readonly status: string; readonly processes: Readonly<Record<string, ProcessHealth>> };
}> {
  const processes: Record<string, ProcessHealth> = {};
  let isOk = true;
  await Promise.all(
    sources.map(async (source) => {
      const silent = { status: 'silent', reasons: [] };
      const said = await ask(source, '/healthz', 'application/json')
        .then(({ status, text }) => (status === 404 ? undefined : { isOk: status === 200, body: JSON.parse(text) }))
        .catch(() => ({ isOk: false, body: silent }));
      if (said === undefined) return;
      processes[source.process] = said.body;
      isOk &&= said.isOk;
    }),
  );
  return { isOk, body: { status: isOk ? 'ok' : 'stalled', processes } };
}

function family({ name, help }: MetricInfo, byProcess: ReadonlyMap<string, number>, isOpen: boolean): string {
  const samples = [...byProcess].map(([process, count]) => `${name}_total{process="${process}"} ${count}\n`);
  const named = isOpen ? name : `${name}_total`;
  return `# HELP ${named} ${help}\n# TYPE ${named} counter\n${samples.join('')}`;
}

function createMetricsServer(options: MetricsServerOptions): Server {
  const failures = new Map<string, number>();
  const collect = async (accept: string, isOpen: boolean): Promise<string> => {
    const sources = options.sources();
    for (const { process } of sources) if (!failures.has(process)) failures.set(process, 0);
    const answers = await Promise.allSettled(sources.map((source) => scrape(source, accept)));
    const texts: ProcessMetrics[] = [];
    answers.forEach((answer, index) => {
      const name = sources[index]!.process;
      if (answer.status === 'fulfilled') texts.push(answer.value);
      else failures.set(name, (failures.get(name) ?? 0) + 1);
    });
    return [
      mergeMetrics(texts),
      family(scrapeFailures, failures, isOpen),
      family(childRestarts, options.restarts(), isOpen),
      isOpen ? '# EOF\n' : '',
    ].join('');
  };
  return createServer((req, res) => {
    const path = req.url?.split('?')[0];
    if (path !== '/metrics' && path !== '/healthz') {
      res.writeHead(404, { 'content-type': 'text/plain' }).end('GET /metrics\n');
      return;
    }
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.writeHead(405, { 'content-type': 'text/plain', allow: 'GET, HEAD' }).end('GET /metrics\n');
      return;
    }
    if (path === '/healthz') {
      const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
      healthOf(options.sources()).then(
        ({ isOk, body }) =>
          res.writeHead(isOk ? 200 : 503, headers).end(req.method === 'HEAD' ? '' : JSON.stringify(body)),
        () => res.writeHead(500).end(),
      );
      return;
    }
    const accept = req.headers.accept ?? '';
    // Exemplars exist only in OpenMetrics, which Prometheus requests.
    const isOpen = accept.includes('openmetrics-text');
    const contentType = isOpen ? OPEN_METRICS_CONTENT_TYPE : PROMETHEUS_CONTENT_TYPE;
    if (req.method === 'HEAD') {
      // HEAD sends no body, so no process is queried.
      res.writeHead(200, { 'content-type': contentType }).end();
      return;
    }
    collect(accept, isOpen).then(
      (text) => res.writeHead(200, { 'content-type': contentType }).end(text),
      () => res.writeHead(500).end(),
    );
  });
}

/**
 * Serves `/metrics` (all local processes merged, with the supervisor's own two counters) and `/healthz` (the health of
 * each) on `wanted` (0: any) or the next free port above it that is not in `except`.
 */
export async function listenForMetrics(
  wanted: number,
  except: readonly number[],
  options: MetricsServerOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  for (let next = wanted; ; ) {
    const port = await freePortFrom(next, options.host, except);
    const server = createMetricsServer(options);
    const listening = await new Promise<number | undefined>((done, fail) => {
      server.once('error', (err: NodeJS.ErrnoException) => (err.code === 'EADDRINUSE' ? done(undefined) : fail(err)));
      server.listen(port, loopbackOf(options.host)[0], () => done(port));
    });
    if (listening !== undefined) {
      const close = (): Promise<void> => {
        server.closeAllConnections();
        return new Promise((done) => server.close(() => done()));
      };
      return { port: listening, close };
    }
    next = wanted === 0 ? 0 : port + 1;
  }
}
