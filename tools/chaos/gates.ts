import {
  isLost,
  type Ledger,
  mayBeRevoked,
  type Refresh,
  type Revocation,
  revocationsOf,
  revocationsOfFamily,
  revokedSince,
  type TokenCheck,
  type TokenFamily,
} from './ledger.ts';

export type Finding = { readonly text: string; readonly subject?: { readonly history: readonly string[] } };
export type Gate = {
  readonly name: string;
  /** How many facts the gate checked: one that checked none shows nothing, and fails. */
  readonly checked: number;
  readonly findings: readonly Finding[];
  /** The option of the run that left it without facts, by name. */
  readonly excludedBy?: string;
};

export const isFailed = ({ checked, findings, excludedBy }: Gate): boolean =>
  findings.length > 0 || (checked === 0 && excludedBy === undefined);

/** A revoked token is refused everywhere this soon. */
export const REVOCATION_BOUND_MS = 2_000;

/** A time of the run, for a reader. */
export const secondsOf = (atMs: number): string => `${(atMs / 1_000).toFixed(3)} s`;

const REFUSED_FOR_GOOD = new Set(['revoked', 'session_ended', 'family_reused', 'key_compromised']);

const causeOf = (ledger: Ledger, { access }: TokenCheck): string =>
  revocationsOf(ledger, access)
    .filter((revocation) => revocation.ackedAtMs !== undefined)
    .map((revocation) => `${revocation.cause} acknowledged at ${secondsOf(revocation.ackedAtMs!)}`)
    .join(', ');

/** No token is accepted that was ended more than two seconds before it was shown, and no refresh succeeds after the end. */
export function acceptedRevokedTokens(ledger: Ledger): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  for (const tokenCheck of ledger.tokenChecks) {
    const endedAtMs = revokedSince(revocationsOf(ledger, tokenCheck.access));
    if (tokenCheck.sentAtMs < endedAtMs + REVOCATION_BOUND_MS) continue;
    checked += 1;
    if (tokenCheck.result !== 'active') continue;
    const text = `${tokenCheck.access.jti} active at ${tokenCheck.copy}, shown at ${secondsOf(tokenCheck.sentAtMs)}: ${causeOf(ledger, tokenCheck)}`;
    findings.push({ text, subject: tokenCheck.access.family });
  }
  for (const { family, copy, sentAtMs, status, generation } of ledger.refreshes) {
    const endedAtMs = revokedSince(revocationsOfFamily(ledger, family));
    if (sentAtMs < endedAtMs) continue;
    checked += 1;
    if (status !== 200) continue;
    const text = `refresh token ${generation} of ended family ${family.id} answered 200 at ${copy}, sent at ${secondsOf(sentAtMs)}`;
    findings.push({ text, subject: family });
  }
  return { name: 'wrong accepts', checked, findings };
}

/** A refresh token has one successor, however often and wherever it is presented. */
export function doubleSuccessors(ledger: Ledger): Gate {
  const findings: Finding[] = [];
  const known = new Map<string, string>();
  let checked = 0;
  for (const { family, generation, successor } of ledger.refreshes) {
    if (successor === undefined) continue;
    const key = `${family.id} ${generation}`;
    const first = known.get(key);
    if (first === undefined) {
      known.set(key, successor);
      continue;
    }
    checked += 1;
    if (first !== successor)
      findings.push({ text: `refresh token ${generation} of ${family.id} has two successors`, subject: family });
  }
  return { name: 'double successors', checked, findings };
}

/** An honest family is refused only after something ended it. */
export function wrongfulRefusals(ledger: Ledger): Gate {
  const findings: Finding[] = [];
  const seen = new Set<TokenFamily>();
  let checked = 0;
  const check = (family: TokenFamily, isRefused: boolean, isExplained: boolean, text: string): void => {
    if (ledger.exposedUsers.has(family.userId)) return;
    checked += 1;
    if (!isRefused || isExplained || seen.has(family)) return;
    seen.add(family);
    findings.push({ text, subject: family });
  };
  for (const { family, status, code, copy, answeredAtMs, generation } of ledger.refreshes) {
    const isExplained = family.isAbandoned || mayBeRevoked(revocationsOfFamily(ledger, family), answeredAtMs);
    const text = `honest family ${family.id} refused ${code} with refresh token ${generation} at ${copy}, ${secondsOf(answeredAtMs)}`;
    check(family, status === 400 || status === 401, isExplained, text);
  }
  for (const tokenCheck of ledger.tokenChecks) {
    const { access, result, copy, answeredAtMs } = tokenCheck;
    const isExplained = access.family.isAbandoned || mayBeRevoked(revocationsOf(ledger, access), answeredAtMs);
    const text = `good token ${access.jti} refused ${result} at ${copy}, ${secondsOf(answeredAtMs)}`;
    check(access.family, REFUSED_FOR_GOOD.has(result), isExplained, text);
  }
  return { name: 'wrongful ends of families', checked, findings };
}

/** An older database gives nothing before an operator begins to accept its loss. */
export function answersOfOlderDatabase(ledger: Ledger): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  for (const { startedAtMs, acceptingAtMs = Number.POSITIVE_INFINITY } of ledger.rewinds) {
    const isWithin = (sentAtMs: number): boolean => sentAtMs >= startedAtMs && sentAtMs < acceptingAtMs;
    for (const { family, sentAtMs, answeredAtMs, status, copy } of ledger.refreshes) {
      if (!isWithin(sentAtMs) || answeredAtMs >= acceptingAtMs) continue;
      checked += 1;
      if (status === 200)
        findings.push({
          text: `family ${family.id} refreshed at ${copy} by the older database, ${secondsOf(sentAtMs)}`,
          subject: family,
        });
    }
    for (const { kind, sentAtMs, ackedAtMs, subject } of ledger.acts) {
      if (kind === 'refresh' || !isWithin(sentAtMs)) continue;
      checked += 1;
      if (ackedAtMs !== undefined && ackedAtMs < acceptingAtMs)
        findings.push({
          text: `${kind} acknowledged by the older database, sent at ${secondsOf(sentAtMs)}`,
          ...(subject === null ? {} : { subject }),
        });
    }
  }
  return { name: 'answers of an older database', checked, findings };
}

/** A copy that cannot serve says 503, with a code and when to come again. */
export function serverErrors(ledger: Ledger): Gate {
  const findings = ledger.serverErrors
    .filter(({ status, code, hasRetryAfter }) => status !== 503 || code === undefined || !hasRetryAfter)
    .map(({ status, code, path, copy, traceId, atMs }) => ({
      text: `${status} ${code ?? 'without a code'} for ${path} at ${copy}, ${secondsOf(atMs)}, trace ${traceId}`,
    }));
  return { name: '5xx other than a documented 503', checked: ledger.exchanges.length, findings };
}

/** Two heads of one log and size have one root, and it is the root of the leaves. */
export function forks(ledger: Ledger, rootAt: (origin: string, size: number) => string | undefined): Gate {
  const findings: Finding[] = [];
  const known = new Map<string, string>();
  let checked = 0;
  for (const { origin, size, root, copy, atMs } of ledger.heads) {
    if (isLost(ledger, atMs)) continue;
    const key = `${origin} ${size}`;
    const first = known.get(key);
    if (first === root) continue;
    checked += 1;
    if (first !== undefined)
      findings.push({ text: `two roots of ${origin} at ${size}, ${copy} at ${secondsOf(atMs)}` });
    known.set(key, root);
    if (rootAt(origin, size) !== root)
      findings.push({
        text: `head of ${origin} at ${size} (${copy}, ${secondsOf(atMs)}) is not the root of its leaves`,
      });
  }
  return { name: 'heads that fork', checked, findings };
}

/**
 * An end that was acknowledged and did not happen shows when all is well again: as an access token that is active, or a
 * refresh token that is exchanged. Whatever was ended counts: a token, its family, session, user or signing key.
 */
export function ineffectiveRevocations(ledger: Ledger): Gate {
  const isOver = (revocations: readonly Revocation[], sentAtMs: number): boolean =>
    revocations.some(
      ({ ackedAtMs }) =>
        ackedAtMs !== undefined && sentAtMs > ackedAtMs + REVOCATION_BOUND_MS && !isLost(ledger, ackedAtMs),
    );
  const lastShown = new Map<string, TokenCheck>();
  for (const check of ledger.tokenChecks) lastShown.set(`${check.access.jti} ${check.copy}`, check);
  const shown = [...lastShown.values()].filter(({ access, sentAtMs }) =>
    isOver(revocationsOf(ledger, access), sentAtMs),
  );
  const lastPresented = new Map<TokenFamily, Refresh>();
  for (const refresh of ledger.refreshes) if (refresh.status !== 0) lastPresented.set(refresh.family, refresh);
  const presented = [...lastPresented.values()].filter(({ family, sentAtMs }) =>
    isOver(revocationsOfFamily(ledger, family), sentAtMs),
  );
  return {
    name: 'acknowledged ends that did not happen',
    checked: shown.length + presented.length,
    findings: [
      ...shown
        .filter(({ result }) => result === 'active')
        .map((check) => ({
          text: `${check.access.jti} is still active at ${check.copy}: ${causeOf(ledger, check)}`,
          subject: check.access.family,
        })),
      ...presented
        .filter(({ status }) => status === 200)
        .map(({ family, copy }) => ({ text: `family ${family.id} is still refreshed at ${copy}`, subject: family })),
    ],
  };
}
