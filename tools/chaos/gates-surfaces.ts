import { type Gate, gateOf, REVOCATION_BOUND_MS, secondsOf } from './gates.ts';
import { isLost, type Ledger, mayBeRevoked, revocationsOfUsable, revokedSince, type SurfaceName } from './ledger.ts';

/** What was ended is accepted by no copy two seconds after its end was acknowledged. */
export function acceptedAfterEnd(ledger: Ledger, surface: SurfaceName): Gate {
  const uses = ledger.uses
    .filter(({ of }) => of.surface === surface)
    .map((use) => ({ ...use, endedAtMs: revokedSince(revocationsOfUsable(ledger, use.of)) }))
    .filter(({ sentAtMs, endedAtMs }) => sentAtMs >= endedAtMs + REVOCATION_BOUND_MS);
  return gateOf(
    `${surface}: what was ended is refused`,
    uses,
    ({ of, copy, sentAtMs, endedAtMs, isAccepted, said }) => {
      if (!isAccepted) return undefined;
      const late = secondsOf(sentAtMs - endedAtMs);
      const text = `${of.kind} ${of.id} accepted (${said}) at ${copy}, shown at ${secondsOf(sentAtMs)}, ${late} after its end was acknowledged`;
      return { text, subject: of };
    },
  );
}

/** What nothing ended is refused by no copy that had the time to learn of it: as much as to learn of an end. */
export function refusedWithoutEnd(ledger: Ledger, surface: SurfaceName): Gate {
  const uses = ledger.uses.filter(
    ({ of, sentAtMs, answeredAtMs }) =>
      of.surface === surface &&
      sentAtMs >= of.madeAtMs + REVOCATION_BOUND_MS &&
      !isLost(ledger, of.madeAtMs) &&
      !mayBeRevoked(revocationsOfUsable(ledger, of), answeredAtMs),
  );
  return gateOf(`${surface}: what is good is accepted`, uses, ({ of, copy, sentAtMs, isAccepted, said }) => {
    if (isAccepted) return undefined;
    const text = `${of.kind} ${of.id} refused (${said}) at ${copy}, shown at ${secondsOf(sentAtMs)}, made at ${secondsOf(of.madeAtMs)}`;
    return { text, subject: of };
  });
}

/** How often each key of a kind is in the database. */
export type Rows = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** What was acknowledged is in the database once; what was not is there once at most. */
export function keptOnce(ledger: Ledger, surface: SurfaceName, rows: Rows): Gate {
  const entries = ledger.entries.filter(
    ({ surface: of, sentAtMs, ackedAtMs = sentAtMs }) =>
      of === surface && !isLost(ledger, ackedAtMs) && !isLost(ledger, sentAtMs),
  );
  const name = `${surface}: what was acknowledged is there once`;
  return gateOf(name, entries, ({ kind, key, sentAtMs, ackedAtMs }) => {
    const found = rows.get(kind)?.get(key) ?? 0;
    if (found === 1 || (found === 0 && ackedAtMs === undefined)) return undefined;
    const end = ackedAtMs === undefined ? 'not acknowledged' : `acknowledged at ${secondsOf(ackedAtMs)}`;
    return { text: `${found === 0 ? 'missing' : `${found} times`}: ${kind} ${key}, ${secondsOf(sentAtMs)}, ${end}` };
  });
}
