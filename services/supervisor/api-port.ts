import { StartError } from '../platform/local/errors.ts';
import { httpUrl, tellMove } from './addresses.ts';
import { claimPort } from './port-claim.ts';

/** The port that all copies of the API share, claimed for this start. */
export type ApiPort = {
  readonly port: number;
  readonly url: string;
  /**
   * Moves to the next free port that is not in `except`, and logs it. @throws StartError where the port was set
   * explicitly
   */
  move(except: readonly number[]): Promise<void>;
  release(): void;
};

const portTaken = (port: number, host: string): StartError =>
  new StartError(
    'port_taken',
    `port ${port} of ${host}, which PORT asks for, is taken by another program`,
    `end that program (ss -ltnp 'sport = :${port}' names it), or set PORT to another port; without PORT the next free one is used`,
  );

/**
 * Claims `wanted` (0: any), or the next free port above it, and logs a change; an explicitly set port is claimed or
 * refused.
 * @throws StartError
 */
export async function claimApiPort(
  wanted: number,
  host: string,
  say: (text: string) => void,
  isAskedFor = false,
): Promise<ApiPort> {
  const mayMove = !isAskedFor || wanted === 0;
  let claim = await claimPort(wanted, host);
  if (claim.port !== wanted && !mayMove) {
    claim.release();
    throw portTaken(wanted, host);
  }
  tellMove(say, 'port', wanted, claim.port);
  return {
    get port() {
      return claim.port;
    },
    get url() {
      return httpUrl(host, claim.port);
    },
    async move(except) {
      if (!mayMove) throw portTaken(wanted, host);
      const next = await claimPort(claim.port + 1, host, except);
      claim.release();
      tellMove(say, 'port', claim.port, next.port);
      claim = next;
    },
    release: () => claim.release(),
  };
}
