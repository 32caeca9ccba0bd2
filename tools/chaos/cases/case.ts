import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { REVOCATION_BOUND_MS } from '../gates.ts';
import type { Access, CopyName, TokenFamily } from '../ledger.ts';
import { issue, validate } from '../load/tokens.ts';
import type { Scene } from '../rewinds.ts';

/** A fault and a promise, in a fixed order, before the load begins. */
export type Case = {
  /** The guarantee. */
  readonly name: string;
  readonly needsClock?: boolean;
  run(scene: Scene): Promise<void>;
};

/** Ends a case: a guarantee was violated. */
export class GuaranteeViolated extends Error {
  /** What had happened to the family until then. */
  readonly history: readonly string[];
  constructor(message: string, subject?: TokenFamily) {
    super(message);
    this.history = subject === undefined ? [] : [...subject.history];
  }
}

/** A new family of a user that no other part of the run touches. */
export async function newFamily({ clients, load }: Scene, copy: CopyName = 'A'): Promise<TokenFamily> {
  const family = await issue(clients, load.caseUser().id, copy);
  if (!family) throw new Error('no copy gave a family');
  return family;
}

export const newest = (family: TokenFamily): Access => family.access.at(-1)!;

/** B's clock as its answers show it. */
async function isAt(url: string, offsetSeconds: number): Promise<boolean> {
  const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) });
  const dated = Date.parse(answer.headers.get('date') ?? '');
  return Math.abs(dated - Date.now() - offsetSeconds * 1_000) < 120_000;
}

/** Does the work while B's clock is off, and sets it right again. */
export async function withClock<T>({ system }: Scene, offsetSeconds: number, work: () => Promise<T>): Promise<T> {
  const { url } = system.copies.B;
  system.clock?.set(offsetSeconds);
  try {
    await eventually('the leap of the clock', () => isAt(url, offsetSeconds).catch(() => false));
    return await work();
  } finally {
    system.clock?.set(0);
    await eventually('the clock to be right', () => isAt(url, 0).catch(() => false));
  }
}

/** Waits until both copies answer for a good token. */
export const bothServe = async ({ clients }: Scene, access: Access): Promise<void> => {
  for (const copy of ['A', 'B'] as const) {
    const serves = async () => (await validate(clients, access, copy)) !== 'revocation_state_stale';
    await eventually(`${copy} to serve`, serves);
  }
};

/** An acknowledged end is an end: shown at both copies once the bound is over. */
export async function expectRevoked({ clients }: Pick<Scene, 'clients'>, ended: readonly Access[]): Promise<void> {
  await sleep(REVOCATION_BOUND_MS);
  for (const access of ended)
    for (const copy of ['A', 'B'] as const) {
      // A copy that is behind says so; it serves again by itself.
      const result = await eventually(`a result of ${copy}`, async () => {
        const said = await validate(clients, access, copy);
        return !/^\d+$|stale|unavailable|behind/.test(said) && said;
      });
      if (result === 'active')
        throw new GuaranteeViolated(`active at ${copy} after its revocation was acknowledged`, access.family);
    }
}
