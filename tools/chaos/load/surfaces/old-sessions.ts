import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import type { LegacyProvider } from '../../../testing/fakes/legacy-provider.ts';
import { REVOCATION_BOUND_MS } from '../../gates.ts';
import { now } from '../../ledger.ts';
import { importUsers, PATIENCE_MS } from './imports.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  keep,
  kept,
  newToken,
  newUsable,
  pickShown,
  type RowStatements,
  type Surface,
  showToken,
  type TokenUsable,
  type Tools,
} from './surface.ts';

export const oldSessionRows: RowStatements = {
  'exchange of an old session': 'SELECT session_id AS key FROM legacy_sessions',
};

const SURFACE = 'old sessions';
/** The API says where its pages are; a session is ended from there. */
const ORIGIN = 'http://auth.chaos.test';
/** Fewer than end the oldest session of an account. */
const PER_USER_MOST = 5;
/** As long as a run. */
const TOKEN_SECONDS = 7_200;

/** A session of the old provider, and what it became here. */
type OldSession = { readonly madeAtMs: number; readonly shown: readonly TokenUsable[]; readonly cookie: string };

/** Users whose provider is being replaced: their old tokens are accepted, and their sessions go on here, until they end. */
export function createOldSessions(tools: Tools, provider: LegacyProvider): Surface {
  const { random, ledger } = tools;
  const sessions: OldSession[] = [];
  let users: readonly string[] = [];
  let exchanged = 0;
  const shown = (): TokenUsable[] => kept(tools, sessions).flatMap((session) => session.shown);
  const ended = ({ shown: [first] }: OldSession): boolean => (first?.revocations.length ?? 0) > 0;

  const exchange = async (): Promise<void> => {
    const sub = users[exchanged % users.length];
    if (sub === undefined || exchanged >= users.length * PER_USER_MOST) return;
    exchanged += 1;
    const sid = `old-session-${exchanged}`;
    const token = await provider.token({ sub, sid, exp: Math.floor(Date.now() / 1_000) + TOKEN_SECONDS });
    const made = await keep(
      tools,
      { surface: SURFACE, kind: 'exchange of an old session', events: ['legacy.session_exchanged'] },
      () => ({ path: '/v1/legacy/sessions', json: { token } }),
      ({ status }) => status === 200,
      ({ body }) => String(decodeJwt(body.tokens.access_token).sid),
    );
    if (!made) return;
    const old = { ...newUsable({ surface: SURFACE, kind: 'old token', id: sid }), token };
    const own = newToken(SURFACE, 'token of a carried session', made.answer.body.tokens.access_token, old.revocations);
    const session = { madeAtMs: old.madeAtMs, shown: [old, own], cookie: made.answer.cookie };
    sessions.push(session);
    // Both copies know it when it ends.
    await atBothCopies(session.shown, show);
  };

  const signOut = async (session: OldSession | undefined): Promise<void> => {
    const [old] = session?.shown ?? [];
    if (!session || !old || ended(session)) return;
    const isEnded = await end(
      tools,
      old,
      { surface: SURFACE, kind: 'end of a carried session', events: ['session.ended'] },
      { path: '/api/auth/signout', json: {}, headers: { cookie: session.cookie, origin: ORIGIN } },
      ({ status }) => status === 200,
    );
    if (!isEnded) return;
    await sleep(REVOCATION_BOUND_MS);
    await atBothCopies(session.shown, show);
  };

  /** An old token needs the row of its user, and an end is a row: neither is known after a loss that was accepted. */
  const show = async (of: TokenUsable | undefined, copy = anyCopy(tools)): Promise<void> => {
    if (of && !(of.kind === 'old token' && ledger.rewinds.length > 0)) await showToken(tools, of, copy);
  };

  const goAway = (isGone: boolean): void => {
    const last = ledger.absences.at(-1);
    const isAway = last !== undefined && last.endedAtMs === undefined;
    if (isGone === isAway) return;
    if (isGone) ledger.absences.push({ startedAtMs: now() });
    provider.goAway(isGone);
    if (isAway) last.endedAtMs = now();
  };

  return {
    acts: [
      [0.2, exchange],
      [0.1, () => signOut(random.pick(kept(tools, sessions).filter((session) => !ended(session))))],
      [1, () => show(pickShown(tools, shown()))],
      // Keys that were read are kept: its users and ours notice nothing, but at a copy that starts meanwhile.
      [0.1, async () => goAway(random.chance(0.5))],
    ],
    prepare: async () => {
      const { ids, isOver } = await importUsers(tools);
      for (const deadline = now() + PATIENCE_MS; !(await isOver()) && now() < deadline; ) await sleep(500);
      users = ids;
      for (let at = 0; at < 3; at += 1) await exchange();
      await signOut(sessions[0]);
    },
    settle: async () => {
      goAway(false);
      await atBothCopies(shown().slice(-60), show);
    },
  };
}
