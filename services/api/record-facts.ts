import { setTimeout as sleep } from 'node:timers/promises';
import { recordInstallation } from '../core/health/installation/record-installation.ts';
import type { Log, Ports } from '../core/ports.ts';
import { factsOf } from '../platform/config/facts.ts';
import { systemCaller } from '../platform/define/system-caller.ts';

const STARTING = systemCaller('start');
const AGAIN_MS = 10_000;

type Input = {
  readonly publicUrl: string;
  readonly tokens: { readonly issuer: string; readonly audience: string };
  readonly log: Log;
  readonly signal: AbortSignal;
};

/** Records what commands need to know of this API. It serves meanwhile, also on a database that takes no writes yet. */
export async function recordFacts(
  ports: Pick<Ports, 'transact'>,
  { publicUrl, tokens, log, signal }: Input,
): Promise<void> {
  const effective = { BETTER_AUTH_URL: publicUrl, JWT_ISSUER: tokens.issuer, JWT_AUDIENCE: tokens.audience };
  for (let tries = 1; !signal.aborted; tries += 1)
    try {
      return await recordInstallation(ports, factsOf(process.env, effective), STARTING);
    } catch (err) {
      if (tries === 1) log.warn({ err }, 'the facts of the installation are not recorded yet; trying again');
      await sleep(AGAIN_MS, undefined, { signal, ref: false }).catch(() => {});
    }
}
