import { call } from './api.ts';
import { followRotations } from './inclusion.ts';

const storedAs = (origin: string): string => `console.log-key.${origin}`;

export type TrustedKey = {
  readonly vkey: string;
  /** Whether this browser trusted it, or a key that leads to it, before. */
  readonly isKnown: boolean;
};

/**
 * The key of a log: the one that this browser saw first, followed through signed notes of rotation, so that a server
 * which shows another log cannot bring its own key.
 * @throws NotIncluded `key_replaced` if the log shows a key that no note leads to; Refusal, TransportError
 */
export async function trustedKey(origin: string): Promise<TrustedKey> {
  const { origins } = await call('GET /v1/audit/log/origins');
  const number = origins.find((log) => log.origin === origin)?.number ?? 0;
  const path = { origin: number };
  const shown = (await call('GET /v1/audit/log/origins/{origin}/vkey', { path })).trim();
  const known = localStorage.getItem(storedAs(origin));
  const vkey =
    known === null || known === shown
      ? shown
      : await followRotations(known, shown, await call('GET /v1/audit/log/origins/{origin}/key-rotations', { path }));
  localStorage.setItem(storedAs(origin), vkey);
  return { vkey, isKnown: known !== null };
}
