/**
 * What podman runs for each service of docker-compose.yml. podman 4 has no compose of its own, and podman-compose waits
 * for no health check with it; so the file is read here, and a key that is not understood stops the run.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { root } from '../image/engine.ts';

type Condition = 'service_started' | 'service_healthy' | 'service_completed_successfully';

export type Service = {
  readonly name: string;
  readonly image: string;
  readonly replicas: number;
  readonly needs: Readonly<Record<string, Condition>>;
  readonly isOneShot: boolean;
  readonly networks: readonly string[];
  readonly ports: readonly string[];
  /** Log driver of Docker that podman does not have. */
  readonly logDriver: string | undefined;
  /** Options of `podman run`, without name, networks and ports. */
  readonly options: readonly string[];
  readonly command: readonly string[];
};

type Network = { readonly isInternal: boolean; readonly subnet: string | undefined };

export type ComposeFile = {
  readonly project: string;
  readonly services: readonly Service[];
  readonly networks: Readonly<Record<string, Network>>;
  readonly volumes: readonly string[];
};

type Entry = Readonly<Record<string, unknown>>;

/** `${NAME}`, `${NAME:-default}` and `$$`, as compose replaces them. */
export const interpolate = (text: string, env: NodeJS.ProcessEnv): string =>
  text.replaceAll(/\$\$|\$\{(\w+)(?::-([^}]*))?\}/g, (all, name?: string, otherwise = '') =>
    all === '$$' ? '$' : env[name as string] || otherwise,
  );

function interpolateAll(value: unknown, env: NodeJS.ProcessEnv): unknown {
  if (typeof value === 'string') return interpolate(value, env);
  if (Array.isArray(value)) return value.map((each) => interpolateAll(each, env));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, interpolateAll(each, env)]));
}

const seconds = (duration: string): number => Number.parseFloat(duration) * (duration.endsWith('m') ? 60 : 1);

/** A volume of the file gets the name that compose gives it; a folder becomes absolute. */
function mount(project: string, text: string): string {
  const [source = '', ...rest] = text.split(':');
  const place = source.startsWith('.') ? join(root, source) : `${project}_${source}`;
  return `--volume=${[place, ...rest].join(':')}`;
}

/** podman takes a command without its first word CMD. */
function healthOptions(health: Entry): readonly string[] {
  if (health.disable === true) return ['--no-healthcheck'];
  const [kind, ...words] = health.test as string[];
  const times = ['interval', 'timeout', 'retries', 'start_period'] as const;
  return [
    `--health-cmd=${JSON.stringify(kind === 'CMD' ? words : health.test)}`,
    ...times.flatMap((key) =>
      health[key] === undefined ? [] : [`--health-${key.replace('_', '-')}=${String(health[key])}`],
    ),
  ];
}

const each = (value: unknown, word: (text: string) => string): readonly string[] =>
  ((value ?? []) as readonly string[]).map(word);

/** Options by key of a service. What is not here is not understood. */
const OPTIONS: Readonly<Record<string, (value: never, project: string) => readonly string[]>> = {
  restart: (value: string) => [`--restart=${value}`],
  init: (value: boolean) => (value ? ['--init'] : []),
  read_only: (value: boolean) => (value ? ['--read-only', '--read-only-tmpfs=false'] : []),
  tmpfs: (value: string[]) => each(value, (path) => `--tmpfs=${path}`),
  cap_drop: (value: string[]) => each(value, (name) => `--cap-drop=${name}`),
  security_opt: (value: string[]) => each(value, (name) => `--security-opt=${name}`),
  environment: (value: Record<string, string>) => Object.entries(value).map(([key, text]) => `--env=${key}=${text}`),
  volumes: (value: string[], project) => each(value, (text) => mount(project, text)),
  stop_grace_period: (value: string) => [`--stop-timeout=${seconds(value)}`],
  entrypoint: (value: string[]) => [`--entrypoint=${JSON.stringify(value)}`],
  healthcheck: (value: Entry) => healthOptions(value),
  network_mode: (value: string) => [`--network=${value}`],
};
/** Read apart from the options. */
const OTHERS = ['image', 'build', 'command', 'deploy', 'depends_on', 'logging', 'networks', 'ports'];

function readService(name: string, entry: Entry, project: string): Service {
  const unknown = Object.keys(entry).filter((key) => !(key in OPTIONS) && !OTHERS.includes(key));
  if (unknown.length > 0)
    throw new Error(`docker-compose.yml: ${name} has ${unknown.join(', ')}, which is not understood here`);
  const needs = (entry.depends_on ?? {}) as Record<string, { condition: Condition }>;
  return {
    name,
    image: entry.image as string,
    replicas: ((entry.deploy as Entry | undefined)?.replicas as number | undefined) ?? 1,
    needs: Object.fromEntries(Object.entries(needs).map(([needed, { condition }]) => [needed, condition])),
    isOneShot: entry.restart === 'no',
    networks: (entry.networks ?? []) as string[],
    ports: (entry.ports ?? []) as string[],
    logDriver: (entry.logging as { driver?: string } | undefined)?.driver,
    options: Object.entries(OPTIONS).flatMap(([key, words]) =>
      entry[key] === undefined ? [] : words(entry[key] as never, project),
    ),
    command: (entry.command ?? []) as string[],
  };
}

export function readComposeFile(env: NodeJS.ProcessEnv = process.env, text?: string): ComposeFile {
  const file = parse(text ?? readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as Entry;
  const { name, services, networks, volumes } = interpolateAll(file, env) as {
    name: string;
    services: Record<string, Entry>;
    networks: Record<string, { internal?: boolean; ipam?: { config: { subnet: string }[] } }>;
    volumes: Record<string, unknown>;
  };
  return {
    project: name,
    services: Object.entries(services).map(([service, entry]) => readService(service, entry, name)),
    networks: Object.fromEntries(
      Object.entries(networks ?? {}).map(([network, { internal, ipam }]) => [
        network,
        { isInternal: internal === true, subnet: ipam?.config[0]?.subnet },
      ]),
    ),
    volumes: Object.keys(volumes ?? {}),
  };
}
