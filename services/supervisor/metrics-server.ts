import { createServer, request, type Server } from 'node:http';
import type { MetricInfo } from '../../observability/metrics/instruments.ts';
import { childRestarts, scrapeFailures } from '../../observability/metrics/supervisor.ts';
import { mergeMetrics, type ProcessMetrics } from './metrics-merge.ts';
import { claimPort } from './port-claim.ts';

const scrapeTimeoutMs = 1_000;
const answerLimitBytes = 8 * 1024 * 1024;

/** A local process that serves its own Prometheus text on a unix socket. */
interface MetricsSource {
  process: string;
  socketPath: string;
}

export interface MetricsServerOptions {
  host: string;
  sources: () => readonly MetricsSource[];
  /** How often each child was started again, by name. */
  restarts: () => ReadonlyMap<string, number>;
}

/** One process's text; rejects when it does not answer within a second. */
function scrape(source: MetricsSource): Promise<ProcessMetrics> {
  return new Promise((done, fail) => {
    const signal = AbortSignal.timeout(scrapeTimeoutMs);
    const call = request({ socketPath: source.socketPath, path: '/metrics', signal, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > answerLimitBytes) answer.destroy(new Error('metrics answer is too large'));
        else parts.push(part);
      });
      answer.once('error', fail);
      answer.once('end', () => {
        if (answer.statusCode === 200) done({ process: source.process, text: Buffer.concat(parts).toString('utf8') });
        else fail(new Error(`metrics answered ${answer.statusCode}`));
      });
    });
    call.once('error', fail);
    call.end();
  });
}

function family({ name, help }: MetricInfo, byProcess: ReadonlyMap<string, number>): string {
  const samples = [...byProcess].map(([process, count]) => `${name}_total{process="${process}"} ${count}\n`);
  return `# HELP ${name}_total ${help}\n# TYPE ${name}_total counter\n${samples.join('')}`;
}

function createMetricsServer(options: MetricsServerOptions): Server {
  const failures = new Map<string, number>();
  const collect = async (): Promise<string> => {
    const sources = options.sources();
    for (const { process } of sources) if (!failures.has(process)) failures.set(process, 0);
    const answers = await Promise.allSettled(sources.map(scrape));
    const texts: ProcessMetrics[] = [];
    answers.forEach((answer, index) => {
      const name = sources[index]!.process;
      if (answer.status === 'fulfilled') texts.push(answer.value);
      else failures.set(name, (failures.get(name) ?? 0) + 1);
    });
    return [mergeMetrics(texts), family(scrapeFailures, failures), family(childRestarts, options.restarts())].join('');
  };
  return createServer((req, res) => {
    if (req.method !== 'GET' || req.url?.split('?')[0] !== '/metrics') {
      res.writeHead(404, { 'content-type': 'text/plain' }).end('GET /metrics\n');
      return;
    }
    collect().then(
      (text) => res.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text),
      () => res.writeHead(500).end(),
    );
  });
}

/**
 * Serves `/metrics` (all local processes merged, and the supervisor's own two counters) on `wanted` (0: any) or the
 * next free port above it that is not in `except`.
 */
export async function listenForMetrics(
  wanted: number,
  except: readonly number[],
  options: MetricsServerOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  for (let next = wanted; ; ) {
    const { port, release } = await claimPort(next, options.host, except);
    release();
    const server = createMetricsServer(options);
    const listening = await new Promise<number | undefined>((done, fail) => {
      server.once('error', (err: NodeJS.ErrnoException) => (err.code === 'EADDRINUSE' ? done(undefined) : fail(err)));
      server.listen(port, options.host, () => done(port));
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
