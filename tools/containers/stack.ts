/** The containers of docker-compose.yml: by Docker's compose, or one by one by podman. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../image/engine.ts';
import { type ComposeFile, readComposeFile, type Service } from './compose-file.ts';

type Say = (text: string) => void;
const PATIENCE_MS = 300_000;
const ROUND_MS = 1_000;

type State = {
  readonly id: string;
  readonly isRunning: boolean;
  readonly exitCode: number;
  readonly pid: number;
  readonly restarts: number;
  /** Empty without a health check. */
  readonly health: string;
};

export type Stack = {
  readonly file: ComposeFile;
  /** Starts what is not left out, in order; returns when all that was begun has begun. */
  up(leaveOut: readonly string[]): Promise<void>;
  /** Stops services as an orchestrator does: TERM, and KILL after the grace of each. */
  stop(services: readonly string[]): void;
  /** Stops and removes containers and networks, and volumes only if told. */
  down(options?: { readonly volumes: boolean }): void;
  states(service: string): readonly State[];
  logOf(service: string): string;
};

/** States of containers by their ids or names. */
function inspect(engine: Engine, containers: readonly string[]): readonly State[] {
  if (containers.length === 0) return [];
  const found = JSON.parse(engine.run('inspect', '--type=container', ...containers)) as {
    Id: string;
    RestartCount: number;
    State: {
      Running: boolean;
      ExitCode: number;
      Pid: number;
      Health?: { Status: string };
      Healthcheck?: { Status: string };
    };
  }[];
  return found.map(({ Id, RestartCount, State }) => ({
    id: Id,
    isRunning: State.Running,
    exitCode: State.ExitCode,
    pid: State.Pid,
    restarts: RestartCount,
    health: (State.Health ?? State.Healthcheck)?.Status ?? '',
  }));
}

const logs = (engine: Engine, containers: readonly string[]): string =>
  containers
    .map((container) => {
      const { stdout, stderr } = engine.ask('logs', '--tail=20', container);
      return `${stdout}${stderr}`;
    })
    .join('\n');

function byDocker(engine: Engine, file: ComposeFile): Stack {
  const idsOf = (service: string): readonly string[] =>
    engine.run('compose', 'ps', '-a', '-q', service).split('\n').filter(Boolean);
  return {
    file,
    async up(leaveOut) {
      const services = file.services.map(({ name }) => name).filter((name) => !leaveOut.includes(name));
      engine.show('compose', 'up', '-d', ...services);
    },
    stop: (services) => engine.show('compose', 'stop', ...services),
    down: ({ volumes } = { volumes: false }) => engine.show('compose', 'down', ...(volumes ? ['--volumes'] : [])),
    states: (service) => inspect(engine, idsOf(service)),
    logOf: (service) => logs(engine, idsOf(service)),
  };
}

/** Asks for the health of each container again and again, because no systemd does. */
function keepAskingForHealth(engine: Engine, namesOf: (service: Service) => readonly string[]) {
  const asked = new Set<string>();
  let isOver = false;
  async function ask(container: string): Promise<void> {
    while (!isOver) {
      await engine.askBeside('healthcheck', 'run', container);
      await sleep(ROUND_MS, undefined, { ref: false });
    }
  }
  return {
    begin(service: Service): void {
      for (const container of namesOf(service).filter((name) => !asked.has(name))) {
        asked.add(container);
        void ask(container);
      }
    },
    restart(): void {
      asked.clear();
      isOver = false;
    },
    stop(): void {
      isOver = true;
    },
  };
}

function byPodman(engine: Engine, file: ComposeFile, say: Say): Stack {
  const { project } = file;
  const serviceOf = (name: string): Service => {
    const found = file.services.find((each) => each.name === name);
    if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
    return found;
  };
  const namesOf = ({ name, replicas }: Service): readonly string[] =>
    Array.from({ length: replicas }, (_, at) => `${project}-${name}-${at + 1}`);
  const states = (name: string): readonly State[] => inspect(engine, namesOf(serviceOf(name)));
  const health = keepAskingForHealth(engine, namesOf);
  const logOf = (name: string): string => logs(engine, namesOf(serviceOf(name)));

  async function until(what: string, service: string, isTrue: (state: State) => boolean): Promise<void> {
    for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline; await sleep(ROUND_MS / 4)) {
      if (states(service).every(isTrue)) return;
      const failed = serviceOf(service).isOneShot && states(service).some(({ exitCode }) => exitCode !== 0);
      if (failed) break;
    }
    throw new Error(`never came: ${service} ${what}\n${logOf(service)}`);
  }
  const conditions = {
    service_started: async () => undefined,
    service_healthy: (service: string) => until('to be healthy', service, (state) => state.health === 'healthy'),
    service_completed_successfully: (service: string) =>
      until('to end well', service, ({ isRunning, exitCode }) => !isRunning && exitCode === 0),
  };

  function start(service: Service): void {
    for (const container of namesOf(service))
      engine.run(
        'run',
        '-d',
        '--pull=never',
        `--name=${container}`,
        `--hostname=${container}`,
        `--label=com.docker.compose.project=${project}`,
        ...service.networks.map((network) => `--network=${project}_${network}:alias=${service.name}`),
        ...service.ports.map((port) => `--publish=${port}`),
        ...service.options,
        service.image,
        ...service.command,
      );
    if (states(service.name).some((state) => state.health !== '')) health.begin(service);
  }

  return {
    file,
    logOf,
    states,
    async up(leaveOut) {
      health.restart();
      const wanted = file.services.filter(({ name }) => !leaveOut.includes(name));
      const strange = new Set(wanted.flatMap(({ logDriver, name }) => (logDriver === 'fluentd' ? [name] : [])));
      if (strange.size > 0)
        say(`podman has no log driver fluentd: lines of ${[...strange].join(', ')} stay with podman`);
      for (const [network, { isInternal, subnet }] of Object.entries(file.networks)) {
        const words = [...(isInternal ? ['--internal'] : []), ...(subnet === undefined ? [] : [`--subnet=${subnet}`])];
        engine.run('network', 'create', ...words, `${project}_${network}`);
      }
      const kept = engine.run('volume', 'ls', '-q').split('\n');
      for (const volume of file.volumes.map((each) => `${project}_${each}`))
        if (!kept.includes(volume)) engine.run('volume', 'create', volume);
      const begun = new Map<string, Promise<void>>();
      const begin = (service: Service): Promise<void> => {
        const already = begun.get(service.name);
        if (already !== undefined) return already;
        const beginning = (async () => {
          for (const [needed, condition] of Object.entries(service.needs)) {
            await begin(serviceOf(needed));
            await conditions[condition](needed);
          }
          start(service);
        })();
        begun.set(service.name, beginning);
        return beginning;
      };
      await Promise.all(wanted.map(begin));
    },
    stop: (services) => void engine.run('stop', ...services.flatMap((name) => namesOf(serviceOf(name)))),
    down({ volumes } = { volumes: false }) {
      health.stop();
      const filter = `--filter=label=com.docker.compose.project=${project}`;
      const containers = engine.run('ps', '-a', '-q', filter).split('\n').filter(Boolean);
      if (containers.length > 0) {
        engine.ask('stop', ...containers);
        engine.run('rm', '-f', ...containers);
      }
      for (const network of Object.keys(file.networks)) engine.ask('network', 'rm', '-f', `${project}_${network}`);
      if (volumes) for (const volume of file.volumes) engine.ask('volume', 'rm', '-f', `${project}_${volume}`);
    },
  };
}

export function makeStack(engine: Engine, say: Say): Stack {
  const file = readComposeFile();
  return engine.name === 'docker' ? byDocker(engine, file) : byPodman(engine, file, say);
}
