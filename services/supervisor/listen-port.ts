import { StartError } from '../platform/local/errors.ts';
import { isPortFree, randomFreePort } from '../platform/local/ports.ts';
import { httpUrl, tellMove } from './addresses.ts';

const TRIES = 200;

/** `wanted` (0: any), or the next free port above it that is not in `except`. @throws StartError */
export async function freePortFrom(wanted: number, host: string, except: readonly number[] = []): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = wanted === 0 ? await randomFreePort(host) : wanted + attempt;
    if (port > 65_535) break;
    if (!except.includes(port) && (await isPortFree(port, host))) return port;
  }
  throw new StartError('no_free_port', `no free port from ${wanted} on (${host})`, 'free one, or set PORT to another');
}

/** The port on which a process will listen. It was free when it was chosen. */
export type ListenPort = {
  readonly port: number;
  readonly url: string;
  /**
   * Moves to the next free port that is not in `except`, and logs it. @throws StartError where the port was set
   * explicitly
   */
  move(except: readonly number[]): Promise<void>;
};

/** Which port to choose, and how messages name it. */
export type WantedPort = {
  /** 0: any. */
  readonly wanted: number;
  readonly host: string;
  /** The name of this machine in URLs, where the host names no single address. */
  readonly loopback: string;
  /** The setting of the port, and whether it is set. A port that is set is used or refused. */
  readonly setting: 'PORT' | 'MCP_PORT' | 'TASKS_PORT';
  readonly isSet: boolean;
  readonly say: (text: string) => void;
  readonly except?: readonly number[];
};

const portTaken = ({ wanted: port, host, setting }: WantedPort): StartError =>
  new StartError(
    'port_taken',
    `port ${port} of ${host}, which ${setting} asks for, is taken by another program`,
    `end that program (ss -ltnp 'sport = :${port}' names it), or set ${setting} to another port; without ${setting} the next free one is used`,
  );

const NAMES = { PORT: 'port', MCP_PORT: 'MCP port', TASKS_PORT: 'tasks port' } as const;

/**
 * Chooses the wanted port, or the next free one above it, and logs a change; an explicitly set port is used or refused.
 * @throws StartError
 */
export async function chooseListenPort(asked: WantedPort): Promise<ListenPort> {
  const { wanted, host, loopback, setting, isSet, say } = asked;
  const mayMove = !isSet || wanted === 0;
  let port = await freePortFrom(wanted, host, asked.except);
  if (port !== wanted && !mayMove) throw portTaken(asked);
  tellMove(say, NAMES[setting], wanted, port);
  return {
    get port() {
      return port;
    },
    get url() {
      return httpUrl(host, port, loopback);
    },
    async move(except) {
      if (!mayMove) throw portTaken(asked);
      const next = await freePortFrom(port + 1, host, except);
      tellMove(say, NAMES[setting], port, next);
      port = next;
    },
  };
}
