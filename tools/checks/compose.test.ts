import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { readMcpMetadataEndpoint } from '#services/core/access/metadata-contract.ts';
import { LONGEST_MS } from '#services/mcp/progress-streams.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { dashboardFiles } from '../catalog/pages.ts';

const root = resolve(import.meta.dirname, '../..');
const readYaml = (path: string) => parse(readFileSync(join(root, path), 'utf8'), { merge: true });

type Service = {
  image: string;
  read_only?: boolean;
  cap_drop?: string[];
  privileged?: boolean;
  user?: string;
  network_mode?: string;
  deploy?: { replicas?: number; resources?: unknown };
  environment?: Record<string, string>;
  volumes?: string[];
  ports?: string[];
  networks?: string[];
  command?: string[];
  init?: boolean;
  restart?: string;
  stop_grace_period?: string;
  healthcheck?: { test?: string[]; disable?: boolean };
  depends_on?: Record<string, { condition: string }>;
};
const compose = readYaml('docker-compose.yml') as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  networks: Record<string, { internal?: boolean } | null>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image === 'sallyport:local');

describe('docker-compose.yml', () => {
  const dependsOn = (name: string) =>
    Object.fromEntries(
      Object.entries(compose.services[name]?.depends_on ?? {}).map(([on, { condition }]) => [on, condition]),
    );

  test('docker-compose.yml has a migration, two APIs and an MCP server behind a load balancer, two workers, stores, telemetry and the tasks API', () => {
    const expected =
      'api collector grafana loki mcp migrate nginx postgres prometheus redis secrets tasks tasks-setup tempo worker';
    expect(Object.keys(compose.services).sort()).toEqual(expected.split(' '));
    expect([compose.services.api?.deploy?.replicas, compose.services.worker?.deploy?.replicas]).toEqual([2, 2]);
    const upstream = readFileSync(join(root, 'deploy/nginx/upstream.conf'), 'utf8');
    for (const [name, port] of [
      ['api', 'PORT'],
      ['mcp', 'MCP_PORT'],
    ] as const)
      expect(upstream).toContain(`server ${name}:${compose.services[name]?.environment?.[port]} resolve`);
  });

  test('each of our containers runs one role that the image knows', () => {
    const entry = readFileSync(join(root, 'deploy/container/entry.mjs'), 'utf8');
    for (const role of ['api', 'worker', 'mcp', 'migrate']) {
      expect(compose.services[role]).toMatchObject({ command: [role], init: true, image: 'sallyport:local' });
      expect(entry).toContain(`'${role}'`);
      expect(existsSync(join(root, `services/${role}/main.ts`))).toBe(true);
    }
    const image = readFileSync(join(root, 'Dockerfile'), 'utf8');
    expect(image).toContain(
      '\nENTRYPOINT ["/app/node_modules/.bin/node", "--max-semi-space-size=16", "deploy/container/entry.mjs"]\nCMD ["api"]\n',
    );
  });

  test('APIs, MCP servers and workers start once the database is migrated, and the load balancer once an API is ready', () => {
    expect(dependsOn('migrate')).toEqual({ postgres: 'service_healthy' });
    expect(compose.services.migrate?.restart).toBe('no');
    for (const name of ['api', 'worker', 'mcp'])
      expect(dependsOn(name)).toMatchObject({ migrate: 'service_completed_successfully', redis: 'service_healthy' });
    expect(dependsOn('nginx')).toEqual({ api: 'service_healthy', mcp: 'service_started' });
  });

  test('each role has a health check, and a stop grace period longer than its drain time', () => {
    const image = readFileSync(join(root, 'Dockerfile'), 'utf8');
    expect(image).toMatch(/HEALTHCHECK .*\\\n.*\/readyz/);
    expect(compose.services.api?.healthcheck).toBeUndefined();
    expect(compose.services.worker?.healthcheck?.test?.at(-1)).toContain('127.0.0.1:9464/healthz');
    const { healthcheck, environment } = compose.services.mcp ?? {};
    expect(healthcheck?.test?.at(-1)).toContain(`127.0.0.1:${environment?.MCP_PORT}/readyz`);
    expect(compose.services.migrate?.healthcheck).toEqual({ disable: true });
    const config = loadConfig({ DRAIN_SECONDS: '25', WORKER_DRAIN_SECONDS: '25' });
    const longest = Math.max(config.server.drainSeconds + 2, config.jobs.workerDrainSeconds);
    for (const [, { stop_grace_period = '' }] of services.filter(([name]) => ['api', 'worker', 'mcp'].includes(name)))
      expect(Number.parseInt(stop_grace_period, 10)).toBeGreaterThan(longest);
  });

  test.each(services.filter(([, { image }]) => !image.endsWith(':local')))(
    '%s is pinned to a version',
    (_name, { image }) => expect(image).toMatch(/^[a-z./-]+:v?\d+\.\d+(?:\.\d+)?$/),
  );

  test.each(services)('%s has no unneeded right, and is reachable from this machine only', (name, service) => {
    expect([service.privileged, service.user]).toEqual([undefined, undefined]);
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    // Postgres and Redis start as root and drop their rights themselves; only our processes can reach them.
    if (name === 'postgres' || name === 'redis') expect(service.networks).toEqual(['stores']);
    else expect([name, service.read_only, service.cap_drop]).toEqual([name, true, ['ALL']]);
    // With a processor quota, hashing would delay every request of its copy.
    expect(service.deploy?.resources).toBeUndefined();
  });

  test('the network of the stores has no route to the outside', () =>
    expect(compose.networks.stores?.internal).toBe(true));

  test('the file contains no secret: secrets are files that the first start creates', () => {
    const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
    for (const [, { environment = {} }] of services)
      for (const [name, value] of Object.entries(environment)) {
        if (/PASSWORD|SECRET|KEY|DATABASE_URL|REDIS_URL/.test(name)) {
          expect(name).toMatch(/_FILE$/);
          expect(value).toMatch(/^\/run\//);
        }
      }
    expect(text).not.toMatch(/:\/\/[^\s/]*:[^\s/]*@/);
  });

  test('each service mounts its own secrets only', async () => {
    const mounted = services.flatMap(([name, { volumes = [] }]) =>
      volumes.flatMap((volume) => (/^([\w-]*secrets):/.test(volume) ? [`${name} ${volume.split(':')[0]}`] : [])),
    );
    expect(mounted.filter((line) => !line.startsWith('secrets '))).toEqual([
      'postgres postgres-secrets',
      'redis redis-secrets',
      // It makes the database logins of the others.
      ...['product', 'owner', 'api', 'mcp', 'worker'].map((of) => `migrate ${of}-secrets`),
      ...['api', 'mcp', 'worker'].flatMap((of) => [`${of} product-secrets`, `${of} ${of}-secrets`]),
      'tasks-setup product-secrets',
      'tasks-setup owner-secrets',
      'tasks-setup api-secrets',
      'tasks-setup tasks-secrets',
      'tasks tasks-secrets',
      'grafana grafana-secrets',
    ]);
    // A new volume takes the owner of the image's folder at its mount point.
    const image = readFileSync(join(root, 'Dockerfile'), 'utf8');
    expect(image).toContain('COPY --from=build --chown=nonroot:nonroot /secrets /run/sallyport-secrets\n');
    for (const volume of compose.services.secrets?.volumes ?? [])
      expect(image).toMatch(
        new RegExp(`mkdir -p.* ${volume.split(':')[1]?.replace('/run/sallyport-secrets', '/secrets')}\\b`, 's'),
      );
    expect(image).toContain('COPY --from=build --chown=nonroot:nonroot /empty /run/tasks-secrets\n');
    const folder = testFolder(onTestFinished);
    const make = () => execFileSync(process.execPath, [join(root, 'deploy/container/make-secrets.mjs'), folder]);
    const read = () =>
      Object.fromEntries(
        readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .filter((path) => path.includes('/'))
          .sort()
          .map((path) => [path, readFileSync(join(folder, path), 'utf8')]),
      );
    // Of a stack of before, in which every process had the owner's login.
    mkdirSync(join(folder, 'product'));
    writeFileSync(join(folder, 'product/database_url'), 'postgresql://sallyport:old@postgres:5432/sallyport');
    writeFileSync(join(folder, 'product/redis_url'), 'redis://:old@redis:6379');
    make();
    const made = read();
    expect(Object.keys(made)).toEqual(
      `api/database_url api/redis_url grafana/grafana_password mcp/database_url mcp/redis_url owner/database_url
      postgres/postgres_password product/auth_secret product/key_encryption_key redis/redis_password redis/users.acl
      worker/database_url worker/redis_url`.split(/\s+/),
    );
    for (const process of ['api', 'mcp', 'worker'])
      expect(made[`${process}/database_url`]).toMatch(
        new RegExp(`^postgresql://sallyport_${process}_login:[\\w-]{43}@postgres:5432/sallyport$`),
      );
    expect(made['owner/database_url']).toContain(`:${made['postgres/postgres_password']}@`);
    for (const process of ['api', 'mcp', 'worker']) {
      const url = new URL(made[`${process}/redis_url`] as string);
      expect(url.username).toBe(`sallyport_${process}`);
      expect(made['redis/users.acl']).toMatch(
        new RegExp(`^user sallyport_${process} on .* #${hash('sha256', url.password)}$`, 'm'),
      );
    }
    expect(made['redis/users.acl']).toContain('user default off\n');
    make();
    expect(read()).toEqual(made);
  });

  test('nginx does not forward address or certificate headers of a caller', () => {
    const locations = readFileSync(join(root, 'deploy/nginx/nginx.conf'), 'utf8')
      .split(/^ {4}location /m)
      .slice(1);
    expect(locations).toHaveLength(4);
    for (const location of locations) {
      expect(location).toContain('proxy_set_header X-Forwarded-For $remote_addr;');
      expect(location).toContain('proxy_set_header Client-Cert "";');
      expect(location).toContain('proxy_set_header Host $http_host;');
    }
  });

  test('the load balancer passes the path of MCP_URL, and of its metadata, on to the MCP servers', () => {
    const { MCP_URL = '', BETTER_AUTH_URL } = compose.services.mcp?.environment ?? {};
    expect(MCP_URL).toBe(`${BETTER_AUTH_URL}/mcp`);
    expect(compose.services.api?.environment?.MCP_URL).toBe(MCP_URL);
    const conf = readFileSync(join(root, 'deploy/nginx/nginx.conf'), 'utf8');
    const [, pattern = ''] = /location ~ (\S+) \{\s+proxy_pass http:\/\/sallyport_mcp;/.exec(conf) ?? [];
    for (const path of ['/mcp', readMcpMetadataEndpoint.path]) expect(path).toMatch(new RegExp(pattern));
    for (const path of ['/mcp/x', '/v1/mcp', '/.well-known/oauth-protected-resource'])
      expect(path).not.toMatch(new RegExp(pattern));
  });

  test('no load balancer gives up an MCP answer that still reports progress', () => {
    const waits = {
      'nginx/nginx.conf': /proxy_pass http:\/\/sallyport_mcp;[^}]*proxy_read_timeout (\d+)s;/,
      'haproxy/servers.cfg': /backend sallyport_mcp from copies\n(?: {2}.*\n)*? {2}timeout server (\d+)s/,
    };
    for (const [path, pattern] of Object.entries(waits)) {
      const [, seconds] = pattern.exec(readFileSync(join(root, 'deploy', path), 'utf8')) ?? [];
      expect([path, Number(seconds) * 1_000 > LONGEST_MS]).toEqual([path, true]);
    }
  });

  test('every mounted file exists', () => {
    for (const [name, { volumes = [] }] of services)
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('./'))
          expect([name, source, existsSync(join(root, source))]).toEqual([name, source, true]);
        else expect(Object.keys(compose.volumes)).toContain(source);
      }
  });

  test('high-water marks are in one volume, which every process of ours that keeps them mounts', () => {
    const holders = ours.filter(([, { volumes = [] }]) => volumes.includes('state:/var/lib/sallyport'));
    expect(holders.map(([name]) => name)).toEqual(['migrate', 'api', 'mcp', 'worker', 'tasks-setup']);
  });
});

describe('mounted configuration', () => {
  test('Prometheus loads every rule file and no test, and scrapes APIs, workers, MCP servers and the collector', () => {
    const prometheus = readYaml('deploy/prometheus/prometheus.yml') as {
      rule_files: string[];
      scrape_configs: { job_name: string }[];
    };
    const rules = readdirSync(join(root, 'observability/alerts')).filter(
      (file) => file.endsWith('.yaml') && !file.endsWith('.test.yaml'),
    );
    expect([...prometheus.rule_files].sort()).toEqual(rules.map((file) => `alerts/${file}`).sort());
    // Prometheus finds every container by the DNS name of its service.
    const [api, worker, mcp, collector] = prometheus.scrape_configs;
    for (const [job, name] of [[api, 'api'] as const, [worker, 'worker'] as const, [mcp, 'mcp'] as const])
      expect(job).toMatchObject({
        job_name: `sallyport-${name}`,
        // Else alerts by the label `job` name the scraped process, not the job that fails.
        honor_labels: true,
        dns_sd_configs: [{ names: [name], type: 'A', port: Number(compose.services[name]?.environment?.METRICS_PORT) }],
      });
    expect(collector?.job_name).toBe('collector');
    expect(prometheus.scrape_configs).toHaveLength(4);
  });

  test('Grafana has every data source that a dashboard names, and finds the dashboards', () => {
    const { datasources } = readYaml('deploy/grafana/provisioning/datasources/sources.yaml') as {
      datasources: { uid: string; type: string }[];
    };
    const known = datasources.map(({ uid, type }) => `${type} ${uid}`);
    for (const text of Object.values(dashboardFiles())) {
      const named = [...text.matchAll(/"type":"(\w+)","uid":"(\w+)"/g)].map(([, type, uid]) => `${type} ${uid}`);
      expect(named.length).toBeGreaterThan(0);
      for (const source of named) expect(known).toContain(source);
    }
    const { providers } = readYaml('deploy/grafana/provisioning/dashboards/sallyport.yaml') as {
      providers: { options: { path: string } }[];
    };
    expect(compose.services.grafana?.volumes).toContain(`./observability/dashboards:${providers[0]?.options.path}:ro`);
  });

  test('the collector of the image is the version whose parts are built for `npm run stack`', () => {
    const { dist } = readYaml('observability/collector/builder.yaml') as { dist: { version: string } };
    expect(compose.services.collector?.image).toBe(`otel/opentelemetry-collector-contrib:${dist.version}`);
  });

  test.each(['tempo-loki.yaml', 'files.yaml'])('%s names an exporter for every pipeline of the collector', (file) => {
    const { service } = readYaml('observability/collector/collector.yaml') as {
      service: { pipelines: Record<string, unknown> };
    };
    const ends = readYaml(`observability/collector/${file}`) as {
      exporters: Record<string, unknown>;
      service: { pipelines: Record<string, { exporters: string[] }> };
    };
    expect(Object.keys(ends.service.pipelines)).toEqual(Object.keys(service.pipelines));
    const used = Object.values(ends.service.pipelines).flatMap(({ exporters }) => exporters);
    expect(used.sort()).toEqual(Object.keys(ends.exporters).sort());
  });
});

test('the image runs without root, a shell or development packages', () => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  expect(last).toMatch(/^\nFROM gcr\.io\/distroless\/[\w-]+:nonroot\n/);
  expect(last).toMatch(/\nUSER nonroot\n/);
  // What runs there may write what differs from build to build, as compiled code does.
  expect(last).not.toMatch(/^RUN /m);
  // The build stage has them; what it ships is a list (tools/image/ship.mjs), which the test of the roles runs.
  expect(dockerfile).toMatch(
    /ENV NODE_ENV=production [\s\S]*\nRUN npm ci --include=dev\n[\s\S]*\nRUN node tools\/bootstrap\.mjs \\\n {4}&& node tools\/image\/ship\.mjs \/shipped /,
  );
  const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
  for (const path of ['.git', '.env', '.sallyport', 'node_modules']) expect(ignored).toContain(path);
  // The package that the image of the tasks API installs names its readme, and does not build without it.
  const [, readme] = /^readme = "(.+)"$/m.exec(readFileSync(join(root, 'sdks/python/pyproject.toml'), 'utf8')) ?? [];
  expect(ignored.lastIndexOf(`!sdks/python/${readme}`)).toBeGreaterThan(ignored.indexOf('**/*.md'));
});
