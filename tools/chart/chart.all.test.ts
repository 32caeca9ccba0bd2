// About: deploy/helm/ docker-compose.yml package.json
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readMcpMetadataEndpoint } from '#services/core/access/metadata-contract.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import type { Manifest, PodSpec } from './manifests.ts';
import { chart, objectsOf, type Render, renders, runHelm } from './renders.ts';
import { kubernetesFaults } from './schemas.ts';

const manifests = objectsOf<Manifest>('default');
const all = objectsOf<Manifest>('all');
const names = Object.keys(renders) as Render[];
const root = resolve(chart, '../..');
const find = (from: readonly Manifest[], kind: string, role: string): Manifest =>
  from.find((each) => each.kind === kind && each.metadata.name === `sallyport-${role}`) as Manifest;
const roles = ['api', 'worker', 'mcp'] as const;
const podOf = (role: string, from = manifests): PodSpec =>
  find(from, role === 'migrate' ? 'Job' : 'Deployment', role).spec.template.spec;
const settingsOf = (role: string, from = manifests): Record<string, string> =>
  Object.fromEntries(podOf(role, from).containers[0].env.map(({ name, value }) => [name, value]));

describe('the Helm chart', () => {
  test.each(names)('has nothing that helm lint finds (%s)', (name) => {
    const { ok, output } = runHelm('lint', '--strict', chart, ...renders[name]);
    expect(output).toContain('0 chart(s) failed');
    expect(ok).toBe(true);
  });

  test('makes only objects that Kubernetes knows, with members that it knows', () => {
    const faultsOf = kubernetesFaults();
    // A resource of the Prometheus operator, which Kubernetes itself does not know.
    const known = [...manifests, ...all].filter(({ kind }) => kind !== 'ServiceMonitor');
    expect(known.length).toBeGreaterThan(30);
    for (const each of known)
      expect([each.kind, each.metadata.name, faultsOf(each)]).toEqual([each.kind, each.metadata.name, []]);
    const deployment = structuredClone(find(manifests, 'Deployment', 'api'));
    Object.assign(deployment.spec.template.spec, { topologySpreadConstraint: [] });
    expect(faultsOf(deployment)).toEqual([expect.stringContaining('topologySpreadConstraint')]);
    expect(faultsOf({ ...deployment, apiVersion: 'apps/v1beta1' })).toHaveLength(1);
  });

  test.each([
    ['url=http://auth.example.com', /url.*pattern/s],
    ['existingSecret=', /existingSecret.*pattern/s],
    ['api.resources.limits.cpu=2', /api\.resources\.limits|\/api\/resources\/limits/],
    ['api.autoscaling.minReplicas=1', /minReplicas/],
    ['settings.SMTP_URL=smtp://user:password@mail', /invalid propertyName 'SMTP_URL'/],
    ['settings.lower=1', /invalid propertyName 'lower'/],
    ['replicas=3', /replicas/],
  ])('refuses the value %s by its schema', (value, words) => {
    const { ok, output } = runHelm('template', 'sallyport', chart, '--set', value);
    expect(output).toMatch(words);
    expect(ok).toBe(false);
  });

  test('without values it starts two copies of each role, of which an eviction takes one at a time', () => {
    for (const role of roles) {
      expect(find(manifests, 'Deployment', role).spec.replicas).toBe(2);
      expect(find(manifests, 'PodDisruptionBudget', role).spec.maxUnavailable).toBe(1);
      expect(podOf(role).topologySpreadConstraints?.[0]).toMatchObject({
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'DoNotSchedule',
      });
    }
  });

  test('the migration is a hook that ends before an install or upgrade, after its network policy', () => {
    const hook = (kind: string) => find(manifests, kind, 'migrate').metadata.annotations;
    expect(hook('Job')).toMatchObject({ 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-weight': '0' });
    expect(hook('NetworkPolicy')).toMatchObject({
      'helm.sh/hook': 'pre-install,pre-upgrade',
      'helm.sh/hook-weight': '-5',
    });
    // Before the release exists, nothing of it does: the job may need Secrets of the operator alone.
    const { containers, volumes } = podOf('migrate');
    expect(volumes.flatMap(({ secret }) => (secret ? [secret.secretName] : []))).toEqual(['sallyport']);
    expect(containers[0].envFrom).toBeUndefined();
  });

  test.each([...roles, 'migrate'])('%s runs confined, with the database login of its own', (role) => {
    const pod = podOf(role);
    const [container] = pod.containers;
    expect(container.args).toEqual([role]);
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      shareProcessNamespace: true,
    });
    // Under a quota, hashing would delay every request of its copy.
    expect(Object.keys(container.resources.limits)).toEqual(['memory']);
    const keys = pod.volumes.flatMap(({ secret }) => secret?.items.map(({ key }) => key) ?? []);
    // The migration makes the logins of the others.
    const logins = role === 'migrate' ? ['owner', 'api', 'mcp', 'worker'] : [role];
    expect(keys).toEqual([
      'auth_secret',
      'key_encryption_key',
      `redis_url.${role === 'migrate' ? 'api' : role}`,
      ...logins.map((login) => `database_url.${login}`),
    ]);
  });

  test.each([...roles, 'migrate'])('every setting of %s exists, and none is a secret', (role) => {
    for (const from of [manifests, all]) {
      const settings = settingsOf(role, from);
      const files = Object.keys(settings).filter((name) => name.endsWith('_FILE'));
      expect(files.sort()).toEqual(
        [
          'BETTER_AUTH_SECRET_FILE',
          ...(role === 'migrate' ? ['API', 'MCP', 'WORKER'].map((process) => `DATABASE_URL_${process}_FILE`) : []),
          'DATABASE_URL_FILE',
          'KEY_ENCRYPTION_KEY_FILE',
          'REDIS_URL_FILE',
        ].sort(),
      );
      const secrets = {
        BETTER_AUTH_SECRET: 'kq3yU0cC1n9Zx7vB5mQ2wE8rT6aS4dF0gH1jK3lP5oI=',
        KEY_ENCRYPTION_KEY: 'x8Lq2c0v7sK1f9Zr4tY6uB3nM5wE8aQdH0jGpVhTiRk=',
        MARK_S3_URL: 'https://bucket.example.com/marks',
        MARK_S3_ACCESS_KEY_ID: 'id',
        MARK_S3_SECRET_ACCESS_KEY: 'secret',
      };
      const others = Object.entries(settings).filter(([name]) => !files.includes(name));
      const config = loadConfig({ ...secrets, ...Object.fromEntries(others) });
      expect(config.server.drainSeconds).toBe(role === 'mcp' && from === all ? 15 : 10);
    }
  });

  test.each(names)('holds no client secret, and no Secret of its own (%s)', (name) => {
    const objects = objectsOf<Manifest>(name);
    expect(objects.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    expect(JSON.stringify(objects)).not.toMatch(/client[-_]?secret/i);
  });

  test('Kubernetes waits longer than the drain time, and asks as the image answers', () => {
    const drain = { api: 'DRAIN_SECONDS', mcp: 'DRAIN_SECONDS', worker: 'WORKER_DRAIN_SECONDS' };
    for (const role of roles) {
      const pod = podOf(role, all);
      const [{ lifecycle, ports, readinessProbe, livenessProbe }] = pod.containers;
      const longest = Number(settingsOf(role, all)[drain[role]]) + 2 + (lifecycle?.preStop.sleep.seconds ?? 0);
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(longest);
      expect(ports?.at(-1)).toEqual({ name: 'metrics', containerPort: Number(settingsOf(role).METRICS_PORT) });
      // A restart of a worker moves no job.
      if (role === 'worker')
        expect([readinessProbe?.httpGet, livenessProbe]).toEqual([{ path: '/healthz', port: 'metrics' }, undefined]);
      else {
        expect([readinessProbe?.httpGet.path, livenessProbe?.httpGet.path]).toEqual(['/readyz', '/healthz']);
        const port = Number(settingsOf(role)[role === 'api' ? 'PORT' : 'MCP_PORT']);
        expect(ports?.[0]).toEqual({ name: 'http', containerPort: port });
      }
    }
  });

  test('a network policy selects the pods of each role, and lets only scrapers read metrics', () => {
    for (const role of [...roles, 'migrate']) {
      const { podSelector, ingress = [] } = find(manifests, 'NetworkPolicy', role).spec;
      expect(podSelector?.matchLabels['app.kubernetes.io/component']).toBe(role);
      const ports = ingress.flatMap((rule) => rule.ports.map(({ port }) => port));
      expect(ports).toEqual({ api: ['http', 'metrics'], mcp: ['http', 'metrics'], worker: ['metrics'] }[role] ?? []);
      for (const rule of ingress.filter((each) => each.ports[0]?.port === 'metrics')) expect(rule.from).toHaveLength(1);
    }
  });

  test('an ingress sends /mcp to the MCP server, and everything else to the API', () => {
    expect(manifests.filter(({ kind }) => kind === 'Ingress')).toEqual([]);
    const [ingress] = all.filter(({ kind }) => kind === 'Ingress');
    expect(ingress?.spec.ingressClassName).toBe('nginx');
    expect(ingress?.spec.tls).toEqual([{ hosts: ['sign-in.example.org'], secretName: 'sign-in-tls' }]);
    const [rule] = ingress?.spec.rules ?? [];
    expect(rule?.host).toBe('sign-in.example.org');
    expect(rule?.http.paths.map(({ path, pathType, backend }) => [path, pathType, backend.service])).toEqual([
      ['/mcp', 'Exact', { name: 'sallyport-mcp', port: { name: 'http' } }],
      [readMcpMetadataEndpoint.path, 'Exact', { name: 'sallyport-mcp', port: { name: 'http' } }],
      ['/', 'Prefix', { name: 'sallyport-api', port: { name: 'http' } }],
    ]);
  });

  test('with autoscaling, copies follow load, requests and the age of jobs, and never fall below two', () => {
    const scaling = (role: string) => find(all, 'HorizontalPodAutoscaler', role).spec;
    for (const role of roles) {
      expect(scaling(role).minReplicas).toBe(2);
      expect(find(all, 'Deployment', role).spec.replicas).toBeUndefined();
    }
    expect(scaling('api').metrics?.map(({ type }) => type)).toEqual(['Resource', 'Pods']);
    expect(scaling('worker').metrics?.map(({ type }) => type)).toEqual(['External']);
    expect(manifests.filter(({ kind }) => kind === 'HorizontalPodAutoscaler')).toEqual([]);
  });

  test('its version is that of the product, and the ports are those of docker-compose.yml', () => {
    const readYaml = (path: string) => parse(readFileSync(join(root, path), 'utf8'), { merge: true });
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(readYaml('deploy/helm/Chart.yaml')).toMatchObject({ version, appVersion: version });
    const { environment } = readYaml('docker-compose.yml').services.api as { environment: Record<string, string> };
    for (const name of ['PORT', 'MCP_PORT', 'METRICS_PORT', 'HOST'])
      expect(settingsOf('api')[name]).toBe(environment[name]);
  });
});
