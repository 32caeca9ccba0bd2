import { httpUrl, tellMove } from './addresses.ts';
import { claimPort } from './port-claim.ts';

/** The port that all copies of the API share, held for this start. */
export interface ApiPort {
  readonly port: number;
  readonly url: string;
  /** On to the next free port that is not in `except`, said aloud. */
  move(except: readonly number[]): Promise<void>;
  release(): void;
}

/** Claims `wanted` (0: any), or the next free port above it, said aloud. */
export async function claimApiPort(wanted: number, host: string, say: (text: string) => void): Promise<ApiPort> {
  let claim = await claimPort(wanted, host);
  tellMove(say, 'port', wanted, claim.port);
  return {
    get port() {
      return claim.port;
    },
    get url() {
      return httpUrl(host, claim.port);
    },
    async move(except) {
      const next = await claimPort(claim.port + 1, host, except);
      claim.release();
      tellMove(say, 'port', claim.port, next.port);
      claim = next;
    },
    release: () => claim.release(),
  };
}
