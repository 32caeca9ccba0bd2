import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type CollectedMetric, registry } from './instruments.ts';
import {
  OPEN_METRICS_CONTENT_TYPE,
  PROMETHEUS_CONTENT_TYPE,
  type RenderOptions,
  renderPrometheus,
} from './prometheus.ts';
import { lookBeforeScrape } from './scrape-looks.ts';

export type MetricsServerOptions = {
  /** Unix socket to listen on, mode 0600; replaces one left by a dead process. */
  socketPath?: string;
  /** TCP port; 0 picks a free one. */
  port?: number;
  /** 127.0.0.1 unless given. */
  host?: string;
  /** Labels added to every series, such as `{ process: 'api-0' }`. */
  constantLabels?: RenderOptions['constantLabels'];
  /** Whether a client that asks for OpenMetrics gets it, with exemplars. Off by default. */
  exemplars?: boolean;
  /** The metrics to serve; those of this process by default. */
  collect?: () => readonly CollectedMetric[];
  /** Also serves `GET /healthz`: 200 or 503 with this body as JSON. */
  health?: () => { ok: boolean; body: object };
};

export type MetricsServer = {
  /** The listening port; undefined for a socket. */
  port: number | undefined;
  close(): Promise<void>;
};

/** Serves `GET /metrics`, and `/healthz` if configured; anything else is 404 or 405. Rejects when the address is taken. */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const server = createServer((request, response) => void answer(options, request, response));
  server.unref();
  if (options.socketPath !== undefined) rmSync(options.socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const listening = (): void => resolve();
    if (options.socketPath !== undefined) server.listen(options.socketPath, listening);
    else server.listen(options.port ?? 0, options.host ?? '127.0.0.1', listening);
  });
  if (options.socketPath !== undefined) chmodSync(options.socketPath, 0o600);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : undefined,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  options: MetricsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  const isHealth = path === '/healthz' && options.health !== undefined;
  if (path !== '/metrics' && !isHealth) {
    response.writeHead(404).end();
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  if (isHealth) {
    const { ok, body } = (options.health as NonNullable<typeof options.health>)();
    const json = { 'content-type': 'application/json', 'cache-control': 'no-store' };
    response.writeHead(ok ? 200 : 503, json).end(request.method === 'HEAD' ? undefined : JSON.stringify(body));
    return;
  }
  const exemplars = options.exemplars === true && (request.headers.accept ?? '').includes('openmetrics-text');
  await lookBeforeScrape();
  const metrics = (options.collect ?? registry.collect)();
  const text = renderPrometheus(metrics, { exemplars, constantLabels: options.constantLabels ?? {} });
  const contentType = exemplars ? OPEN_METRICS_CONTENT_TYPE : PROMETHEUS_CONTENT_TYPE;
  response.writeHead(200, { 'content-type': contentType }).end(request.method === 'HEAD' ? undefined : text);
}
