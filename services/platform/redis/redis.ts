import type { Cluster, Command, RedisOptions } from 'ioredis';
import { endStoreSpanWith, startStoreSpan } from '#observability/store-call-span.ts';
import type { Redis } from '#services/core/ports.ts';
import { patient } from '../process/patience.ts';
import { type RedisClient as Client, openClient } from './open-client.ts';

/** Deadline of a command: a slow Redis is of no use as a cache. */
const COMMAND_TIMEOUT_MS = 500;
const CONNECT_TIMEOUT_MS = 1_000;

/** Interval of the probe that tests whether Redis still answers. */
const BEAT_MS = 1_000;

const common: RedisOptions = {
  lazyConnect: false,
  enableOfflineQueue: false,
  retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
};

/** A connection for an adapter with its own commands: it queues none while disconnected, and reconnects by itself. */
export function connectClient(url: string, options: RedisOptions): Client {
  const client = openClient(url, { ...common, connectTimeout: patient(CONNECT_TIMEOUT_MS), ...options });
  recordCommands(client);
  return client;
}

/** Gives each command a span in recorded requests, by its name alone: keys and values are not recorded. */
function recordCommands(client: Client): void {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command: Command, ...rest: []) => {
    const span = startStoreSpan('redis', command.name, command.name);
    if (span !== undefined) endStoreSpanWith(span, command.promise);
    return send(command, ...rest);
  };
}

const INCREMENT = `local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n`;

/** Rejects unless Redis answers; of a cluster, every master, and each must see all slots served. */
async function assertServing(client: Client): Promise<void> {
  if (!client.isCluster) return void (await client.ping());
  const masters = (client as Cluster).nodes('master');
  const states = await Promise.all(masters.map((master) => master.cluster('INFO')));
  if (states.length === 0 || !states.every((state) => state.includes('cluster_state:ok')))
    throw new Error('a master of the cluster is missing');
}

const SET_MANY = `for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[2 * i - 1], 'EX', ARGV[2 * i]) end`;

export type RedisConnection = Redis & {
  /** True if Redis is connected and answers within the deadline of a command: a frozen server keeps its connections. */
  readonly isReady: () => boolean;
  close(): Promise<void>;
};

/** Readers of streams, each with a connection of its own. */
function createFollowers(url: string, onError: (err: Error) => void): Pick<Redis, 'follow'> & { close(): void } {
  const readers = new Set<Client>();

  const follow: Redis['follow'] = (stream, onEntry) => {
    // A blocking read occupies its connection, so it gets a separate one without the command deadline.
    const reader = openClient(url, { ...common, connectTimeout: patient(CONNECT_TIMEOUT_MS), maxRetriesPerRequest: 0 });
    reader.on('error', onError);
    readers.add(reader);
    let ended = false;
    let last = '$';
    const loop = async (): Promise<void> => {
      while (!ended) {
        try {
          const reply = await reader.xread('COUNT', 256, 'BLOCK', 5_000, 'STREAMS', stream, last);
          for (const [id, fields] of reply?.[0]?.[1] ?? []) {
            last = id;
            onEntry(Object.fromEntries(pairs(fields)));
          }
        } catch {
          // The caller's own poll finds entries that were appended meanwhile.
          last = '$';
          if (!ended) await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    };
    const running = loop();
    return async () => {
      ended = true;
      readers.delete(reader);
      reader.disconnect();
      await running;
    };
  };

  return {
    follow,
    close: () => {
      for (const reader of readers) reader.disconnect();
    },
  };
}

/** Connects in the background; commands reject immediately while there is no connection. */
export function connectRedis(
  url: string,
  onError: (err: Error) => void,
  commandTimeoutMs = patient(COMMAND_TIMEOUT_MS),
): RedisConnection {
  const client = connectClient(url, { maxRetriesPerRequest: 1, commandTimeout: commandTimeoutMs });
  client.on('error', onError);
  let isAnswering = true;
  client.on('ready', () => {
    isAnswering = true;
  });
  const beat = setInterval(async () => {
    isAnswering = await assertServing(client).then(
      () => true,
      () => false,
    );
  }, BEAT_MS).unref();
  const followers = createFollowers(url, onError);

  return {
    isReady: () => client.status === 'ready' && isAnswering,
    get: (key) => client.get(key),
    getMany: (keys) => {
      // In a cluster, keys of one command must share a slot, and these have nothing in common.
      if (client.isCluster) return Promise.all(keys.map((key) => client.get(key)));
      return keys.length === 0 ? Promise.resolve([]) : client.mget([...keys]);
    },
    set: async (key, value, ttlSeconds) => {
      await client.set(key, value, 'EX', ttlSeconds);
    },
    setMany: async (entries) => {
      if (client.isCluster) {
        await Promise.all(entries.map(({ key, value, ttlSeconds }) => client.set(key, value, 'EX', ttlSeconds)));
        return;
      }
      const keys = entries.map(({ key }) => key);
      const values = entries.flatMap(({ value, ttlSeconds }) => [value, ttlSeconds]);
      await client.eval(SET_MANY, keys.length, ...keys, ...values);
    },
    setIfAbsent: async (key, value, ttlSeconds) => (await client.set(key, value, 'EX', ttlSeconds, 'NX')) === 'OK',
    delete: async (...keys) => {
      await (client.isCluster ? Promise.all(keys.map((key) => client.del(key))) : client.del(keys));
    },
    getAndDelete: (key) => client.getdel(key),
    increment: async (key, ttlSeconds) => (await client.eval(INCREMENT, 1, key, ttlSeconds)) as number,
    append: async (stream, fields, maxLength) => {
      await client.xadd(stream, 'MAXLEN', '~', maxLength, '*', ...Object.entries(fields).flat());
    },
    follow: followers.follow,
    ping: () => assertServing(client),
    close: async () => {
      clearInterval(beat);
      followers.close();
      client.disconnect();
    },
  };
}

function* pairs(flat: readonly string[]): Generator<[string, string]> {
  for (let index = 0; index + 1 < flat.length; index += 2) yield [flat[index] as string, flat[index + 1] as string];
}
