// For tests only: a Redis Cluster of three masters, each with a replica, of the binary of this machine.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { ensureRedisBinary } from '#services/platform/local/redis-binary.ts';
import { eventually } from '../eventually.ts';

const MASTERS = 3;
const SLOTS = 16_384;
/** A master that is silent for this long is replaced. */
const NODE_TIMEOUT_MS = 600;

export type RedisCluster = {
  readonly ports: readonly number[];
  /** Nodes as `host:port`. */
  readonly nodes: readonly string[];
  /** The node that serves a key now. */
  masterOf(key: string): Promise<number>;
  kill(port: number): Promise<void>;
  /** Starts a killed node with what it remembers of the cluster. */
  revive(port: number): Promise<void>;
  /** A command at one node, as the user who may do anything. */
  ask(port: number, command: string, ...words: readonly (string | number)[]): Promise<unknown>;
  stop(): Promise<void>;
};

export type RedisClusterOptions = {
  readonly folder: string;
  /** Who may do anything, also between the nodes. */
  readonly operator: { readonly user: string; readonly password: string };
  /** An ACL file that has the operator. */
  readonly usersFile: string;
};

export async function startRedisCluster({ folder, operator, usersFile }: RedisClusterOptions): Promise<RedisCluster> {
  const binary = await ensureRedisBinary(() => {});
  const free = await Promise.all(Array.from({ length: 4 * MASTERS }, () => randomFreePort()));
  const ports = free.slice(0, 2 * MASTERS);
  const buses = new Map(ports.map((port, at) => [port, free[2 * MASTERS + at] as number]));
  const servers = new Map<number, ChildProcess>();
  const clients = new Map<number, Redis>();

  const start = (port: number): void => {
    const own = join(folder, `node-${port}`);
    mkdirSync(own, { recursive: true });
    const settings = {
      port,
      bind: '127.0.0.1',
      dir: own,
      save: '',
      'cluster-enabled': 'yes',
      'cluster-port': buses.get(port),
      'cluster-node-timeout': NODE_TIMEOUT_MS,
      'cluster-config-file': 'nodes.conf',
      aclfile: usersFile,
      masteruser: operator.user,
      masterauth: operator.password,
    };
    const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    servers.set(port, spawn(binary, words, { stdio: 'ignore' }));
  };
  const client = (port: number): Redis => {
    let known = clients.get(port);
    if (known === undefined) {
      known = new Redis(port, '127.0.0.1', { username: operator.user, password: operator.password });
      known.on('error', () => {});
      clients.set(port, known);
    }
    return known;
  };
  const ask: RedisCluster['ask'] = (port, command, ...words) => client(port).call(command, ...words);
  const isWhole = async (port: number): Promise<boolean> =>
    String(await ask(port, 'CLUSTER', 'INFO')).includes('cluster_state:ok');

  for (const port of ports) start(port);
  const [first, ...others] = ports as [number, ...number[]];
  const masters = ports.slice(0, MASTERS);
  for (const [at, port] of masters.entries()) {
    const from = Math.ceil((SLOTS / MASTERS) * at);
    await ask(port, 'CLUSTER', 'ADDSLOTSRANGE', from, Math.ceil((SLOTS / MASTERS) * (at + 1)) - 1);
    // Nodes with the same epoch would settle that only by and by.
    await ask(port, 'CLUSTER', 'SET-CONFIG-EPOCH', at + 1);
  }
  for (const port of others) await ask(first, 'CLUSTER', 'MEET', '127.0.0.1', port, buses.get(port) as number);
  for (const [at, master] of masters.entries()) {
    const id = String(await ask(master, 'CLUSTER', 'MYID'));
    const replica = ports[MASTERS + at] as number;
    await eventually('a replica to know its master', () =>
      ask(replica, 'CLUSTER', 'REPLICATE', id).then(
        () => true,
        () => undefined,
      ),
    );
  }
  await eventually('the cluster to be whole', async () => {
    const whole = await Promise.all(ports.map(isWhole));
    const links = await Promise.all(ports.slice(MASTERS).map((port) => ask(port, 'INFO', 'replication')));
    return (whole.every(Boolean) && links.every((text) => String(text).includes('master_link_status:up'))) || undefined;
  });

  return {
    ports,
    nodes: ports.map((port) => `127.0.0.1:${port}`),
    masterOf: async (key) => {
      for (const port of ports) {
        const slot = Number(await ask(port, 'CLUSTER', 'KEYSLOT', key).catch(() => -1));
        if (slot < 0) continue;
        const ranges = (await ask(port, 'CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
        const range = ranges.find(([from, to]) => from <= slot && slot <= to);
        if (range) return Number(range[2][1]);
      }
      throw new Error(`no master has ${key}`);
    },
    kill: async (port) => {
      const server = servers.get(port) as ChildProcess;
      clients.get(port)?.disconnect();
      clients.delete(port);
      const ended = once(server, 'exit');
      server.kill('SIGKILL');
      await ended;
    },
    revive: async (port) => {
      start(port);
      await eventually('the node to follow', async () => {
        const text = String(await ask(port, 'INFO', 'replication').catch(() => ''));
        return /role:slave[\s\S]*master_link_status:up/.test(text) || undefined;
      });
    },
    ask,
    stop: async () => {
      for (const each of clients.values()) each.disconnect();
      for (const server of servers.values()) server.kill('SIGKILL');
    },
  };
}
