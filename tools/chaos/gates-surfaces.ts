import { type Finding, type Gate, REVOCATION_BOUND_MS, secondsOf } from './gates.ts';
import { isLost, type Ledger, mayBeRevoked, revocationsOfUsable, revokedSince } from './ledger.ts';
import type { Entry, SurfaceName, Use } from './surface-facts.ts';

const usesOf = (ledger: Ledger, surface: SurfaceName): Use[] => ledger.uses.filter(({ of }) => of.surface === surface);

/** What was ended is accepted by no copy two seconds after its end was acknowledged. */
export function acceptedAfterEnd(ledger: Ledger, surface: SurfaceName): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  for (const { of, copy, sentAtMs, isAccepted, said } of usesOf(ledger, surface)) {
    const endedAtMs = revokedSince(revocationsOfUsable(ledger, of));
    if (sentAtMs < endedAtMs + REVOCATION_BOUND_MS) continue;
    checked += 1;
    if (!isAccepted) continue;
    const late = ((sentAtMs - endedAtMs) / 1_000).toFixed(1);
    const text = `${of.kind} ${of.id} accepted (${said}) at ${copy}, shown at ${secondsOf(sentAtMs)}, ${late} s after its end was acknowledged`;
    findings.push({ text, subject: of });
  }
  return { name: `${surface}: what was ended is refused`, checked, findings };
}

/** A copy learns this soon of what another one made. */
const LEARNING_MS = 1_000;

/** What nothing ended is refused by no copy that had the time to learn of it. */
export function refusedWithoutEnd(ledger: Ledger, surface: SurfaceName): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  for (const { of, copy, sentAtMs, answeredAtMs, isAccepted, said } of usesOf(ledger, surface)) {
    const isExplained =
      sentAtMs < of.madeAtMs + LEARNING_MS ||
      mayBeRevoked(revocationsOfUsable(ledger, of), answeredAtMs) ||
      isLost(ledger, of.madeAtMs);
    if (isExplained) continue;
    checked += 1;
    if (isAccepted) continue;
    const text = `${of.kind} ${of.id} refused (${said}) at ${copy}, shown at ${secondsOf(sentAtMs)}, made at ${secondsOf(of.madeAtMs)}`;
    findings.push({ text, subject: of });
  }
  return { name: `${surface}: what is good is accepted`, checked, findings };
}

/** A challenge of a second factor opens one session at most, however many answers come at once. */
export function openedOnce({ openings }: Pick<Ledger, 'openings'>): Gate {
  const findings = openings
    .filter(({ sessions }) => sessions > 1)
    .map(({ challenge, sessions }) => ({ text: `challenge ${challenge.slice(0, 8)}… opened ${sessions} sessions` }));
  return { name: 'second factors: a challenge opens one session', checked: openings.length, findings };
}

/** A passkey whose answer was lost is there whole or not at all: with the challenge for a password, and with codes. */
export function registeredWhole({ passkeyAccounts }: Pick<Ledger, 'passkeyAccounts'>): Gate {
  const findings: Finding[] = [];
  for (const { id, opening, isChallenged, isCodeTaken } of passkeyAccounts) {
    if (opening > 0 !== isChallenged)
      findings.push({
        text: `${opening} passkeys of ${id} open a session, and its password alone ${isChallenged ? 'opens none' : 'opens one'}`,
      });
    if (isCodeTaken === false) findings.push({ text: `a recovery code that came with a passkey of ${id} is refused` });
  }
  return {
    name: 'second factors: a passkey is registered whole or not at all',
    checked: passkeyAccounts.length,
    findings,
  };
}

/** How often each key of a kind is in the database. */
export type Rows = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** What was acknowledged is in the database once; what was not is there once at most. */
export function keptOnce(ledger: Ledger, surface: SurfaceName, rows: Rows): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  const said = ({ kind, key, sentAtMs, ackedAtMs }: Entry): string =>
    `${kind} ${key}, asked for at ${secondsOf(sentAtMs)}, ${ackedAtMs === undefined ? 'not acknowledged' : `acknowledged at ${secondsOf(ackedAtMs)}`}`;
  for (const entry of ledger.entries) {
    if (
      entry.surface !== surface ||
      isLost(ledger, entry.ackedAtMs ?? entry.sentAtMs) ||
      isLost(ledger, entry.sentAtMs)
    )
      continue;
    checked += 1;
    const found = rows.get(entry.kind)?.get(entry.key) ?? 0;
    if (found > 1) findings.push({ text: `${found} times: ${said(entry)}` });
    if (found === 0 && entry.ackedAtMs !== undefined) findings.push({ text: `missing: ${said(entry)}` });
  }
  return { name: `${surface}: what was acknowledged is there once`, checked, findings };
}

/** An import as the database has it, and how many of its batches are in the sealed log. */
export type ImportRow = {
  readonly id: string;
  readonly state: string;
  /** Records that made a user, or were another row of one. */
  readonly users: number;
  readonly rejected: number;
  readonly batches: number;
};

/** What each file of the run comes to: its one batch is written once, however often its worker died. */
export const isImportedOnce = ({ state, users, rejected, batches }: ImportRow, usersOfFile: number): boolean =>
  state === 'done' && users === usersOfFile && rejected === 1 && batches === 1;

/** Every import ends, and nothing in it was done twice or left out. */
export function importedOnce(ledger: Ledger, rows: readonly ImportRow[], usersOfFile: number): Gate {
  const acked = new Map(ledger.entries.map(({ key, ackedAtMs }) => [key, ackedAtMs]));
  const kept = rows.filter(({ id }) => !isLost(ledger, acked.get(id) ?? Number.NEGATIVE_INFINITY));
  const findings = kept
    .filter((row) => !isImportedOnce(row, usersOfFile))
    .map(({ id, state, users, rejected, batches }) => ({
      text: `${id} is ${state} with ${users} users, ${rejected} rejected and ${batches} batches in the log`,
    }));
  return { name: 'imports: every import ends, and was done once', checked: kept.length, findings };
}
