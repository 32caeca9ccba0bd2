import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { type Children, eventually } from './children.ts';
import { collector, jaeger, nginx, prometheus, root } from './programs.ts';

export type CollectorAddresses = {
  otlp: string;
  logsPort: number;
  metrics: string;
  /** Where it writes what it received, a JSON line a batch. */
  tracesFile: string;
  logsFile: string;
};

/** Jaeger with its traces in memory. @returns where it takes traces (OTLP over HTTP), and where it answers queries */
export async function startJaeger(
  children: Children,
  folder: string,
  say: (text: string) => void,
): Promise<{ readonly otlp: string; readonly query: string }> {
  const [otlp, query, grpc] = await Promise.all(
    Array.from({ length: 3 }, async () => `127.0.0.1:${await randomFreePort()}`),
  );
  const config = join(folder, 'jaeger.yaml');
  writeFileSync(
    config,
    stringify({
      extensions: {
        jaeger_storage: { backends: { here: { memory: { max_traces: 100_000 } } } },
        jaeger_query: { storage: { traces: 'here' }, http: { endpoint: query }, grpc: { endpoint: grpc } },
      },
      receivers: { otlp: { protocols: { http: { endpoint: otlp } } } },
      exporters: { jaeger_storage_exporter: { trace_storage: 'here' } },
      service: {
        extensions: ['jaeger_storage', 'jaeger_query'],
        pipelines: { traces: { receivers: ['otlp'], exporters: ['jaeger_storage_exporter'] } },
        telemetry: { metrics: { level: 'none' } },
      },
    }),
  );
  const child = children.start('jaeger', jaeger(say), ['--config', config]);
  await eventually('Jaeger', () => fetch(`http://${query}/api/services`).then(({ ok }) => ok), child);
  return { otlp: `http://${otlp}`, query: `http://${query}` };
}

/** The collector with the pipelines of the compose stack, ending in files. @param jaegerOtlp of a Jaeger that gets traces too */
export async function startCollector(
  children: Children,
  folder: string,
  say: (text: string) => void,
  jaegerOtlp?: string,
): Promise<CollectorAddresses> {
  const [otlpPort, logsPort, metricsPort] = [await randomFreePort(), await randomFreePort(), await randomFreePort()];
  const config = (file: string): string[] => ['--config', join(root, 'observability/collector', file)];
  const ends = jaegerOtlp === undefined ? [] : config('jaeger.yaml');
  const args = [...config('collector.yaml'), ...config('files.yaml'), ...ends];
  const child = children.start('collector', collector(say), args, {
    COLLECTOR_HOST: '127.0.0.1',
    COLLECTOR_OTLP_PORT: String(otlpPort),
    COLLECTOR_LOGS_PORT: String(logsPort),
    COLLECTOR_METRICS_PORT: String(metricsPort),
    COLLECTOR_FOLDER: folder,
    ...(jaegerOtlp === undefined ? {} : { COLLECTOR_JAEGER: jaegerOtlp }),
  });
  await eventually('the collector', () => child.output().includes('Everything is ready'), child);
  return {
    otlp: `http://127.0.0.1:${otlpPort}`,
    logsPort,
    metrics: `127.0.0.1:${metricsPort}`,
    tracesFile: join(folder, 'traces.jsonl'),
    logsFile: join(folder, 'logs.jsonl'),
  };
}

/** nginx with the configuration of the compose stack, before copies on this machine. */
export async function startNginx(
  children: Children,
  folder: string,
  { port, api, mcp }: { readonly port: number; readonly api: readonly number[]; readonly mcp: number },
): Promise<void> {
  const own = join(folder, 'nginx');
  mkdirSync(own, { recursive: true });
  copyFileSync(join(root, 'deploy/nginx/nginx.conf'), join(own, 'nginx.conf'));
  writeFileSync(join(own, 'listen.conf'), `listen 127.0.0.1:${port};\naccess_log ${own}/access.log requests;\n`);
  const upstream = (name: string, ports: readonly number[]): string => {
    const servers = ports.map((each) => `server 127.0.0.1:${each} max_fails=2 fail_timeout=2s;`).join(' ');
    return `upstream ${name} { least_conn; ${servers} keepalive 64; }\n`;
  };
  writeFileSync(join(own, 'upstream.conf'), upstream('sallyport_api', api) + upstream('sallyport_mcp', [mcp]));
  // Debian's nginx as root would change to a user who may not write here.
  const global = `daemon off; pid ${own}/nginx.pid;${process.getuid?.() === 0 ? ' user root;' : ''}`;
  const child = children.start('nginx', nginx(), ['-p', own, '-c', join(own, 'nginx.conf'), '-g', global]);
  await eventually('nginx', () => fetch(`http://127.0.0.1:${port}/healthz`).then(({ ok }) => ok), child);
}

export type ScrapeTargets = {
  api: readonly string[];
  worker: readonly string[];
  mcp: readonly string[];
  collector?: string;
};

/** Prometheus with the rules of the compose stack and its jobs, at the targets given; often enough for a short run. */
export async function startPrometheus(children: Children, folder: string, targets: ScrapeTargets): Promise<string> {
  const own = join(folder, 'prometheus');
  mkdirSync(own, { recursive: true });
  const deployed = parse(readFileSync(join(root, 'deploy/prometheus/prometheus.yml'), 'utf8')) as {
    rule_files: string[];
  };
  const job = (name: string, addresses: readonly string[]) => ({
    job_name: name,
    honor_labels: true,
    static_configs: [{ targets: addresses }],
  });
  writeFileSync(
    join(own, 'prometheus.yml'),
    stringify({
      global: { scrape_interval: '1s', evaluation_interval: '2s' },
      rule_files: deployed.rule_files.map((file) => join(root, 'observability', file)),
      scrape_configs: [
        job('sallyport-api', targets.api),
        job('sallyport-worker', targets.worker),
        job('sallyport-mcp', targets.mcp),
        job('collector', targets.collector === undefined ? [] : [targets.collector]),
      ],
    }),
  );
  const address = `127.0.0.1:${await randomFreePort()}`;
  const child = children.start('prometheus', prometheus(), [
    `--config.file=${join(own, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(own, 'data')}`,
    `--web.listen-address=${address}`,
    '--enable-feature=exemplar-storage',
  ]);
  const url = `http://${address}`;
  await eventually('Prometheus', () => fetch(`${url}/-/ready`).then(({ ok }) => ok), child);
  return url;
}
