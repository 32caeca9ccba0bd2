/** A Kubernetes without machines: etcd, the real API server, controllers and scheduler, and nodes played by kwok. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { ensureProgram } from '../checks/debian-package.ts';
import { type Child, type Children, eventually } from '../stack/children.ts';
import { kubernetesPrograms, kwok } from './tools.ts';

export type Answer<T> = { readonly status: number; readonly body: T };

export type Cluster = {
  /** For helm. */
  readonly kubeconfig: string;
  /** Asks the API server. */
  ask<T>(method: string, path: string, body?: object): Promise<Answer<T>>;
  /** A node of kwok, as the kubelet would register it. */
  addNode(name: string): Promise<void>;
};

/** @param folder for data, keys and the kubeconfig; removed by the caller, who also stops the children */
export async function startCluster(children: Children, folder: string, say: (text: string) => void): Promise<Cluster> {
  const etcd = ensureProgram({ package: 'etcd-server', name: 'etcd', path: 'usr/bin/etcd' });
  const [programs, kwokProgram] = [kubernetesPrograms(say), kwok(say)];
  const [clients, peers, secure, controllers, scheduler, kwokPort] = (await Promise.all(
    Array.from({ length: 6 }, () => randomFreePort()),
  )) as [number, number, number, number, number, number];
  const store = `http://127.0.0.1:${clients}`;
  const own = [
    '--name=one',
    `--data-dir=${join(folder, 'etcd')}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peers}`,
  ];
  const urls = [`--listen-client-urls=${store}`, `--advertise-client-urls=${store}`];
  const peer = [`--listen-peer-urls=http://127.0.0.1:${peers}`, `--initial-cluster=one=http://127.0.0.1:${peers}`];
  children.start('etcd', etcd, [...own, ...urls, ...peer]);

  // Any key signs the tokens of service accounts; the certificate is the server's own.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const key = join(folder, 'service-accounts.pem');
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const token = randomBytes(24).toString('hex');
  writeFileSync(join(folder, 'tokens.csv'), `${token},operator,1,system:masters\n`, { mode: 0o600 });
  const server = children.start('kube-apiserver', join(programs, 'kube-apiserver'), [
    `--etcd-servers=${store}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${secure}`,
    `--cert-dir=${folder}`,
    '--endpoint-reconciler-type=none',
    '--service-cluster-ip-range=10.96.0.0/24',
    '--authorization-mode=RBAC',
    // Debian's etcd 3.4 cannot begin a watch with a list, and kwok would then wait for long.
    '--feature-gates=WatchList=false',
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
  ]);

  const address = { host: '127.0.0.1', port: secure };
  const ask = <T>(method: string, path: string, body?: object): Promise<Answer<T>> =>
    new Promise((done, fail) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const headers = { authorization: `Bearer ${token}`, ...(text === undefined ? {} : { 'content-type': type }) };
      const ca = readFileSync(join(folder, 'apiserver.crt'));
      const asked = request({ ...address, method, path, headers, ca }, (answer) => {
        let said = '';
        answer.setEncoding('utf8').on('data', (part) => (said += part));
        answer.once('error', fail).once('end', () => {
          const isJson = answer.headers['content-type']?.startsWith('application/json');
          done({ status: answer.statusCode ?? 0, body: (isJson ? JSON.parse(said) : said) as T });
        });
      });
      asked.once('error', fail).end(text);
    });
  await eventually('the API server', async () => (await ask('GET', '/readyz')).status === 200, server);

  const kubeconfig = join(folder, 'kubeconfig');
  const named = <T extends object>(member: string, value: T) => [{ name: 'test', [member]: value }];
  const cluster = {
    server: `https://127.0.0.1:${secure}`,
    'certificate-authority-data': readFileSync(join(folder, 'apiserver.crt')).toString('base64'),
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: named('cluster', cluster),
    users: named('user', { token }),
    contexts: named('context', { cluster: 'test', user: 'test' }),
  };
  writeFileSync(kubeconfig, stringify(config), { mode: 0o600 });
  const common = [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    `--cert-dir=${folder}`,
  ];
  const started: Child[] = [
    children.start('kube-controller-manager', join(programs, 'kube-controller-manager'), [
      ...common,
      `--secure-port=${controllers}`,
      `--service-account-private-key-file=${key}`,
    ]),
    children.start('kube-scheduler', join(programs, 'kube-scheduler'), [...common, `--secure-port=${scheduler}`]),
    children.start('kwok', kwokProgram, [
      `--kubeconfig=${kubeconfig}`,
      '--manage-all-nodes=true',
      // Else a node is late with its sign of life, and its pods become unready.
      '--node-lease-duration-seconds=40',
      `--server-address=127.0.0.1:${kwokPort}`,
    ]),
  ];
  await eventually(
    'the default service account',
    async () => {
      const { status } = await ask('GET', '/api/v1/namespaces/default/serviceaccounts/default');
      return status === 200;
    },
    started[0],
  );

  const room = { cpu: '8', memory: '16Gi', pods: '110' };
  return {
    kubeconfig,
    ask,
    async addNode(name) {
      const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
      const node = {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels, annotations: { 'kwok.x-k8s.io/node': 'fake' } },
        status: { capacity: room, allocatable: room },
      };
      const { status, body } = await ask('POST', '/api/v1/nodes', node);
      if (status !== 201) throw new Error(`the node ${name} was refused: ${JSON.stringify(body)}`);
    },
  };
}
