/** `npm run test:kubernetes`: installs deploy/helm at a real API server, and proves what the chart promises there. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { ensureDataDir } from '#services/platform/local/data-dir.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import { createChildren, eventually, startRole } from '../stack/children.ts';
import { root } from '../stack/programs.ts';
import { type Answer, type Cluster, startCluster } from './cluster.ts';
import { chart, objectsOf, type Render, renders } from './renders.ts';
import { goModuleFile, helm, KUBERNETES } from './tools.ts';

const HELP = `npm run test:kubernetes

Starts etcd and the API server, controllers and scheduler of Kubernetes ${KUBERNETES}, with nodes that kwok plays: objects,
admission, scheduling, evictions and hooks are real, and no container runs. Asks the API server to accept every object of
the chart, installs, upgrades and rolls back with helm, evicts pods, and takes a node away. A product beside it lets a
client in by a token of a service account.

etcd is Debian's, the rest is built from Go modules once (some ten minutes).
`;
const NAMESPACE = 'auth';
const ROLES = ['api', 'worker', 'mcp'] as const;
const startedMs = performance.now();
const say = (text: string): void => {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  process.stdout.write(`kubernetes: ${seconds.padStart(6)} s ${text}\n`);
};

type Thing = {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string; readonly replicas?: number; readonly template?: unknown };
  readonly status?: {
    readonly phase?: string;
    readonly succeeded?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
};
type List = { readonly items: readonly Thing[] };
type Refusal = { readonly message?: string };

function assert(what: string, isTrue: boolean, found: unknown = ''): void {
  if (!isTrue) throw new Error(`not so: ${what} ${typeof found === 'string' ? found : JSON.stringify(found)}`);
}

const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
/** Where objects of a kind are, below the namespace. */
const PLACES: Readonly<Record<string, string>> = {
  Service: '/api/v1/namespaces/auth/services',
  Deployment: '/apis/apps/v1/namespaces/auth/deployments',
  Job: '/apis/batch/v1/namespaces/auth/jobs',
  NetworkPolicy: '/apis/networking.k8s.io/v1/namespaces/auth/networkpolicies',
  Ingress: '/apis/networking.k8s.io/v1/namespaces/auth/ingresses',
  PodDisruptionBudget: '/apis/policy/v1/namespaces/auth/poddisruptionbudgets',
  HorizontalPodAutoscaler: '/apis/autoscaling/v2/namespaces/auth/horizontalpodautoscalers',
  ServiceMonitor: '/apis/monitoring.coreos.com/v1/namespaces/auth/servicemonitors',
};
const placeOf = (kind: string): string => {
  const place = PLACES[kind];
  if (place === undefined) throw new Error(`the chart makes a ${kind}, which this test does not know`);
  return place;
};

/** The definition of ServiceMonitor, by its operator. */
async function defineServiceMonitor({ ask }: Cluster): Promise<void> {
  const path = 'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml';
  const definition = parse(
    goModuleFile('github.com/prometheus-operator/prometheus-operator', 'v0.85.0', path),
  ) as object;
  const { status, body } = await ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  assert('the API server takes the definition of ServiceMonitor', status === 201, body);
  const isServed = async (): Promise<boolean> => (await ask('GET', placeOf('ServiceMonitor'))).status === 200;
  await eventually('ServiceMonitor to be served', isServed);
}

/** Every object of every render, strictly: an unknown member, or a warning of Pod Security, is a refusal. */
async function admitAll({ ask }: Cluster): Promise<number> {
  const dry = '?dryRun=All&fieldValidation=Strict';
  let admitted = 0;
  for (const name of Object.keys(renders) as Render[])
    for (const thing of objectsOf<Thing>(name)) {
      const { status, body } = await ask<Refusal>('POST', placeOf(thing.kind) + dry, thing);
      assert(`${thing.kind} ${thing.metadata.name} (${name}) is admitted`, status === 201, body);
      if (thing.kind === 'Deployment' || thing.kind === 'Job') {
        const { template } = thing.spec as { template: { metadata: object; spec: Record<string, unknown> } };
        const metadata = { ...template.metadata, name: 'pod' };
        const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec };
        const pods = `${PODS}${dry}`;
        const asPod = await ask<Refusal>('POST', pods, pod);
        assert(`a pod of ${thing.metadata.name} is admitted under restricted`, asPod.status === 201, asPod.body);
        const loose = { ...pod, spec: { ...pod.spec, securityContext: {} } };
        const refused = await ask<Refusal>('POST', pods, loose);
        const isSecured = /PodSecurity/.test(refused.body.message ?? '');
        assert('the same without its security context is refused', isSecured, refused);
        const misspelt = { ...pod, spec: { ...pod.spec, topologySpreadConstraint: [] } };
        assert('a misspelt member is refused', (await ask('POST', pods, misspelt)).status === 400);
      }
      admitted += 1;
    }
  return admitted;
}

function run(program: string, kubeconfig: string, ...args: readonly string[]): void {
  const words = [...args, '--namespace', NAMESPACE, '--kubeconfig', kubeconfig, '--wait', '--timeout', '120s'];
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  assert(`helm ${args[0]} succeeds`, status === 0, `${stdout}${stderr}`);
  assert(`helm ${args[0]} gives no warning`, !/warning/i.test(stderr), stderr);
}

const isReady = ({ metadata, status }: Thing): boolean =>
  metadata.deletionTimestamp === undefined &&
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;

function look({ ask }: Cluster) {
  const list = async (path: string): Promise<readonly Thing[]> => {
    const { status, body } = await ask<List>('GET', path);
    assert(`${path} is listed`, status === 200, body);
    return body.items;
  };
  const podsOf = async (role: string): Promise<readonly Thing[]> =>
    (await list(PODS)).filter((pod) => pod.metadata.labels?.['app.kubernetes.io/component'] === role && isReady(pod));
  const nodesOf = async (role: string): Promise<readonly string[]> =>
    (await podsOf(role)).map(({ spec }) => spec.nodeName ?? '').sort();
  return { list, podsOf, nodesOf };
}
type Look = ReturnType<typeof look>;

const namesOf = (things: readonly Thing[]): string =>
  things
    .map(({ metadata }) => metadata.name)
    .sort()
    .join(' ');

/** The migration had ended before anything that runs was there: resource versions count every write of the cluster. */
async function checkOrder({ list }: Look): Promise<string> {
  const [job, ...others] = await list(placeOf('Job'));
  assert('one migration job has succeeded', others.length === 0 && job?.status?.succeeded === 1, job?.status);
  const versionOf = ({ metadata }: Thing): number => Number(metadata.resourceVersion);
  const ended = versionOf(job as Thing);
  const policies = await list(placeOf('NetworkPolicy'));
  const own = policies.find(({ metadata }) => metadata.name === 'sallyport-migrate');
  assert('its network policy was there before', own !== undefined && versionOf(own) < ended);
  const after = [...(await list(placeOf('Service'))), ...(await list(placeOf('Deployment')))];
  for (const each of after) assert(`${each.kind} ${each.metadata.name} came after it`, versionOf(each) > ended);
  return (job as Thing).metadata.uid;
}

/** Two ready copies of each role, on two nodes, neither of them the lost one. */
const spread = ({ nodesOf }: Look, lost?: string): Promise<unknown> =>
  Promise.all(
    ROLES.map((role) =>
      eventually(`two copies of ${role} on two nodes${lost === undefined ? '' : ' that are left'}`, async () => {
        const nodes = await nodesOf(role);
        return nodes.length === 2 && new Set(nodes).size === 2 && nodes.every((node) => node !== lost);
      }),
    ),
  );

const evict = ({ ask }: Cluster, { metadata: { name } }: Thing): Promise<Answer<Refusal>> =>
  ask('POST', `${PODS}/${name}/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace: NAMESPACE },
  });

async function evictBoth(cluster: Cluster, seen: Look): Promise<void> {
  for (const role of ROLES) {
    const [first, second] = (await seen.podsOf(role)) as [Thing, Thing];
    await eventually(`${role} to be allowed one eviction`, async () => (await evict(cluster, first)).status === 201);
    const { status, body } = await evict(cluster, second);
    assert(`the second eviction of ${role} is refused`, status === 429, body);
    assert('by its disruption budget', /disruption budget/.test(body.message ?? ''), body);
  }
  await spread(seen);
}

/** Deletes a node, as a cloud does with a lost machine; what ran there is then removed by the garbage collector of pods. */
async function loseNode(cluster: Cluster, seen: Look): Promise<void> {
  const [lost = ''] = await seen.nodesOf('api');
  const before = await Promise.all(ROLES.map((role) => seen.nodesOf(role)));
  assert(
    'it had at most one copy of each role',
    before.every((nodes) => nodes.filter((node) => node === lost).length < 2),
  );
  assert('the node goes', (await cluster.ask('DELETE', `/api/v1/nodes/${lost}`)).status === 200);
  for (const role of ROLES)
    assert(
      `a copy of ${role} stays`,
      (await seen.nodesOf(role)).some((node) => node !== lost),
    );
  await spread(seen, lost);
}

/** A product beside the cluster, and a client of it as docs/how-to/workloads-without-secrets.md has it. */
async function signInByToken({ ask }: Cluster): Promise<void> {
  // As root, Postgres runs as another user, who must be able to pass through.
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'product');
  ensureDataDir(dataDir);
  const [postgres, redis] = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  try {
    const [port, mcp, metrics] = await Promise.all(Array.from({ length: 3 }, () => randomFreePort()));
    const url = `http://127.0.0.1:${port}`;
    const ports = { PORT: `${port}`, MCP_PORT: `${mcp}`, METRICS_PORT: `${metrics}`, BETTER_AUTH_URL: url };
    const env = { ...ports, SALLYPORT_DATA_DIR: dataDir, DATABASE_URL: postgres.url, REDIS_URL: redis.url };
    const migration = startRole(children, 'migrate', 'migrate', env);
    await eventually('the database to be ready', () => migration.process.exitCode === 0, migration);
    const api = startRole(children, 'api', 'api', env);
    await eventually('the API to be ready', () => fetch(`${url}/readyz`).then(({ ok }) => ok), api);

    const accounts = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`;
    const tokenOf = async (name: string, audience = url): Promise<string> => {
      await ask('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } });
      const spec = { audiences: [audience], expirationSeconds: 3_600 };
      const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
      return (await ask<{ status: { token: string } }>('POST', `${accounts}/${name}/token`, asked)).body.status.token;
    };
    const { issuer } = (await ask<{ issuer: string }>('GET', '/.well-known/openid-configuration')).body;
    const [jwks, workload] = [join(folder, 'jwks.json'), join(folder, 'workload.json')];
    writeFileSync(jwks, (await ask<string>('GET', '/openid/v1/jwks')).body);
    const subject = `system:serviceaccount:${NAMESPACE}:builder`;
    writeFileSync(workload, JSON.stringify({ issuer, subject, reusable: true }));
    const keys = ['--auth-method', 'private_key_jwt', '--jwks', jwks, '--workload', workload];
    const words = ['clients', 'create', 'Builder', ...keys, '--reason', 'no secret', '--yes', '--json'];
    const made = spawnSync(process.execPath, ['deploy/container/entry.mjs', ...words], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, ...env, SALLYPORT_ENV_FILE: '' },
    });
    assert('the client is made', made.status === 0, `${made.stdout}${made.stderr}`);
    const { client_id, client_secret } = JSON.parse(made.stdout) as Readonly<Record<string, string | null>>;
    assert('it has no secret', client_secret === null);
    const statusFor = async (token: string): Promise<number> => {
      const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
      const form = { client_id: String(client_id), client_assertion_type: type, client_assertion: token };
      const body = new URLSearchParams({ grant_type: 'client_credentials', ...form });
      return (await fetch(`${url}/oauth2/token`, { method: 'POST', body })).status;
    };
    const token = await tokenOf('builder');
    for (const time of ['first', 'second'])
      assert(`a token of the service account is accepted the ${time} time`, (await statusFor(token)) === 200);
    const evil = await statusFor(await tokenOf('builder-evil'));
    assert('one of another service account is not', evil === 401, String(evil));
    const forCluster = await statusFor(await tokenOf('builder', issuer));
    assert('nor one for the API server', forCluster === 401, String(forCluster));
  } finally {
    await Promise.all([postgres.stop(), redis.stop()]);
  }
}

async function test(cluster: Cluster): Promise<void> {
  const [program, seen] = [helm(say), look(cluster)];
  for (const name of ['one', 'two', 'three']) await cluster.addNode(name);
  const restricted = {
    'pod-security.kubernetes.io/enforce': 'restricted',
    'pod-security.kubernetes.io/warn': 'restricted',
  };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: restricted } };
  assert('the namespace is made', (await cluster.ask('POST', '/api/v1/namespaces', namespace)).status === 201);
  await defineServiceMonitor(cluster);
  say('etcd, API server, controllers, scheduler and three nodes are up; Pod Security enforces restricted');
  say(`${await admitAll(cluster)} objects of ${Object.keys(renders).length} renders are admitted, strictly`);

  await signInByToken(cluster);
  say('a token by TokenRequest signs the client of its service account in, and no other token does');

  run(program, cluster.kubeconfig, 'install', 'sallyport', chart);
  const firstJob = await checkOrder(seen);
  await spread(seen);
  say('helm install: the migration ended before anything else began; two copies of each role, on two nodes');
  await evictBoth(cluster, seen);
  say('an eviction takes one copy of each role; the second at once is refused by the disruption budget');

  const template = (things: readonly Thing[]) => JSON.stringify(things.map(({ spec }) => spec.template));
  const [services, deployments] = [placeOf('Service'), placeOf('Deployment')];
  const before = [template(await seen.list(deployments)), namesOf(await seen.list(services))];
  run(program, cluster.kubeconfig, 'upgrade', 'sallyport', chart, ...renders.all);
  const [secondJob] = await seen.list(placeOf('Job'));
  assert('the upgrade migrated again', secondJob?.status?.succeeded === 1 && secondJob.metadata.uid !== firstJob);
  const scaled = namesOf(await seen.list(placeOf('HorizontalPodAutoscaler')));
  assert('each role has an autoscaler', scaled === 'sallyport-api sallyport-mcp sallyport-worker', scaled);
  assert('it is scraped', (await seen.list(placeOf('ServiceMonitor'))).length === 1);
  assert('the pods are new', template(await seen.list(deployments)) !== before[0]);
  await spread(seen);
  say('helm upgrade, with every option on: migrated again, autoscalers and ServiceMonitor are there, pods replaced');

  run(program, cluster.kubeconfig, 'rollback', 'sallyport', '1');
  assert('the pods are as at first', template(await seen.list(deployments)) === before[0]);
  assert('the services are as at first', namesOf(await seen.list(services)) === before[1]);
  assert('no autoscaler is left', (await seen.list(placeOf('HorizontalPodAutoscaler'))).length === 0);
  await spread(seen);
  say('helm rollback: pods and services are as at first');

  await loseNode(cluster, seen);
  say('a lost node left a copy of each role, and two run again on the others');
  run(program, cluster.kubeconfig, 'uninstall', 'sallyport');
  assert('nothing that runs is left', (await seen.list(deployments)).length === 0);
  say('all is well');
}

const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
const folder = mkdtempSync(join(tmpdir(), 'sallyport-kubernetes-'));
const children = createChildren(() => undefined);
const stopRequest = new Promise<never>((_, stop) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(new Error('stopped')));
});
try {
  await Promise.race([startCluster(children, folder, say).then(test), stopRequest]);
} catch (err) {
  process.stderr.write(`kubernetes: ${(err as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await children.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
