import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { REVOCATION_BOUND_MS } from '../gates.ts';
import type { Answer } from '../http.ts';
import type { Access, CopyName, TokenFamily } from '../ledger.ts';
import { RETRIED } from '../load/clients.ts';
import { issue, present, validate } from '../load/tokens.ts';
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

/** What a copy says of a refresh token, once it can say anything. */
export const answered = (
  { clients }: Pick<Scene, 'clients'>,
  family: TokenFamily,
  copy: CopyName,
  refreshToken = family.refreshToken,
): Promise<Answer> =>
  eventually(`an answer of ${copy}`, async () => {
    const answer = await present(clients, family, refreshToken, copy);
    return !RETRIED.has(answer.status) && answer;
  });

/** What a copy says of an access token. One that is behind says so; it serves again by itself. */
export const verdict = ({ clients }: Pick<Scene, 'clients'>, access: Access, copy: CopyName): Promise<string> =>
  eventually(`a result of ${copy}`, async () => {
    const said = await validate(clients, access, copy);
    return !/^\d+$|stale|unavailable|behind|wrong|rewound/.test(said) && said;
  });

/** An acknowledged end is an end: shown at both copies once the bound is over. */
export async function expectRevoked(scene: Pick<Scene, 'clients'>, ended: readonly Access[]): Promise<void> {
  await sleep(REVOCATION_BOUND_MS);
  for (const access of ended)
    for (const copy of ['A', 'B'] as const)
      if ((await verdict(scene, access, copy)) === 'active')
        throw new GuaranteeViolated(`active at ${copy} after its revocation was acknowledged`, access.family);
}
