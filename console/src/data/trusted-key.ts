import { call } from './api.ts';
import { followRotations } from './notes.ts';

const storedAs = (origin: string): string => `console.log-key.${origin}`;
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

type TrustedKeys = {
  readonly vkeys: readonly string[];
  /** Whether this browser trusted them, or keys that lead to them, before. */
  readonly isKnown: boolean;
};

/** The number by which the addresses of a log name it; undefined for a log of another installation. */
export async function numberOfLog(origin: string): Promise<number | undefined> {
  const { origins } = await call('GET /v1/audit/log/origins');
  return origins.find((log) => log.origin === origin)?.number;
}

/**
 * The keys of a log: those that this browser saw first, followed through signed notes of rotation, so that a server which
 * shows another log cannot bring its own key. Undefined for a log of another installation.
 * @throws ProofError `key_replaced` if the log shows keys that no note leads to; Refusal, TransportError
 */
export async function trustedKeys(origin: string): Promise<TrustedKeys | undefined> {
  const number = await numberOfLog(origin);
  if (number === undefined) return undefined;
  const path = { origin: number };
  const shown = linesOf(await call('GET /v1/audit/log/origins/{origin}/vkey', { path }));
  const known = localStorage.getItem(storedAs(origin));
  const isNews = known === null || !shown.every((vkey) => linesOf(known).includes(vkey));
  const vkeys =
    known === null
      ? shown
      : isNews
        ? await followRotations(
            linesOf(known),
            shown,
            await call('GET /v1/audit/log/origins/{origin}/key-rotations', { path }),
          )
        : linesOf(known);
  localStorage.setItem(storedAs(origin), vkeys.join('\n'));
  return { vkeys, isKnown: known !== null };
}
