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

/** The shape of a gate: facts, and what it finds of each of them. */
export const gateOf = <T>(
  name: string,
  facts: readonly T[],
  find: (fact: T) => Finding | readonly Finding[] | undefined,
): Gate => ({ name, checked: facts.length, findings: facts.flatMap((fact) => find(fact) ?? []) });

/** A gate over facts of several kinds. */
export const oneOf = (gates: readonly Gate[]): Gate => ({
  name: gates[0]!.name,
  checked: gates.reduce((sum, { checked }) => sum + checked, 0),
  findings: gates.flatMap(({ findings }) => findings),
});

/** A revoked token is refused everywhere this soon. */
export const REVOCATION_BOUND_MS = 2_000;

/** A time of the run, for a reader. */
export const secondsOf = (atMs: number): string => `${(atMs / 1_000).toFixed(3)} s`;

/** What is said of an access token that no copy accepts again. */
export const REFUSED_FOR_GOOD: ReadonlySet<string> = new Set([
  'revoked',
  'session_ended',
  'family_reused',
  'key_compromised',
]);

const causeOf = (ledger: Ledger, { access }: TokenCheck): string =>
  revocationsOf(ledger, access)
    .filter(({ ackedAtMs }) => ackedAtMs !== undefined)
    .map(({ cause, ackedAtMs }) => `${cause} acknowledged at ${secondsOf(ackedAtMs!)}`)
    .join(', ');

/** No token is accepted that was ended more than two seconds before it was shown, and no refresh succeeds after the end. */
export function acceptedRevokedTokens(ledger: Ledger): Gate {
  const name = 'wrong accepts';
  const shown = ledger.tokenChecks.filter(
    ({ access, sentAtMs }) => sentAtMs >= revokedSince(revocationsOf(ledger, access)) + REVOCATION_BOUND_MS,
  );
  const presented = ledger.refreshes.filter(
    ({ family, sentAtMs }) => sentAtMs >= revokedSince(revocationsOfFamily(ledger, family)),
  );
  return oneOf([
    gateOf(name, shown, (check) => {
      const { access, copy, sentAtMs, result } = check;
      if (result !== 'active') return undefined;
      const text = `${access.jti} active at ${copy}, shown at ${secondsOf(sentAtMs)}: ${causeOf(ledger, check)}`;
      return { text, subject: access.family };
    }),
    gateOf(name, presented, ({ family, generation, copy, sentAtMs, status }) => {
      if (status !== 200) return undefined;
      const text = `refresh token ${generation} of ended family ${family.id} answered 200 at ${copy}, sent at ${secondsOf(sentAtMs)}`;
      return { text, subject: family };
    }),
  ]);
}

/** A refresh token has one successor, however often and wherever it is presented. */
export function doubleSuccessors({ refreshes }: Ledger): Gate {
  const first = new Map<string, string>();
  const keyOf = ({ family, generation }: Refresh): string => `${family.id} ${generation}`;
  const repeated = refreshes.filter((refresh) => {
    if (refresh.successor === undefined) return false;
    const isKnown = first.has(keyOf(refresh));
    if (!isKnown) first.set(keyOf(refresh), refresh.successor);
    return isKnown;
  });
  return gateOf('double successors', repeated, (refresh) => {
    const { family, generation, successor } = refresh;
    if (successor === first.get(keyOf(refresh))) return undefined;
    return { text: `refresh token ${generation} of ${family.id} has two successors`, subject: family };
  });
}

/** An honest family is refused only after something ended it. */
export function wrongfulRefusals(ledger: Ledger): Gate {
  const name = 'wrongful ends of families';
  const seen = new Set<TokenFamily>();
  const isHonest = ({ userId }: TokenFamily): boolean => !ledger.exposedUsers.has(userId);
  /** Of a family the first. */
  const found = (family: TokenFamily, ends: readonly Revocation[], atMs: number, text: string): Finding | undefined => {
    if (family.isAbandoned || mayBeRevoked(ends, atMs) || seen.has(family)) return undefined;
    seen.add(family);
    return { text: `${text}, ${secondsOf(atMs)}`, subject: family };
  };
  const presented = ledger.refreshes.filter(({ family }) => isHonest(family));
  const shown = ledger.tokenChecks.filter(({ access }) => isHonest(access.family));
  return oneOf([
    gateOf(name, presented, ({ family, status, code, copy, answeredAtMs, generation }) => {
      if (status !== 400 && status !== 401) return undefined;
      const text = `honest family ${family.id} refused ${code} with refresh token ${generation} at ${copy}`;
      return found(family, revocationsOfFamily(ledger, family), answeredAtMs, text);
    }),
    gateOf(name, shown, ({ access, result, copy, answeredAtMs }) => {
      if (!REFUSED_FOR_GOOD.has(result)) return undefined;
      const text = `good token ${access.jti} refused ${result} at ${copy}`;
      return found(access.family, revocationsOf(ledger, access), answeredAtMs, text);
    }),
  ]);
}

/** An older database gives nothing before an operator begins to accept its loss. */
export function answersOfOlderDatabase(ledger: Ledger): Gate {
  const name = 'answers of an older database';
  const ofRewinds = ledger.rewinds.flatMap(({ startedAtMs, acceptingAtMs = Number.POSITIVE_INFINITY }) => {
    const isWithin = ({ sentAtMs }: { readonly sentAtMs: number }): boolean =>
      sentAtMs >= startedAtMs && sentAtMs < acceptingAtMs;
    const presented = ledger.refreshes.filter((each) => isWithin(each) && each.answeredAtMs < acceptingAtMs);
    const acts = ledger.acts.filter((act) => act.kind !== 'refresh' && isWithin(act));
    return [
      gateOf(name, presented, ({ family, status, copy, sentAtMs }) => {
        if (status !== 200) return undefined;
        const text = `family ${family.id} refreshed at ${copy} by the older database, ${secondsOf(sentAtMs)}`;
        return { text, subject: family };
      }),
      gateOf(name, acts, ({ kind, sentAtMs, ackedAtMs, subject }) => {
        if (ackedAtMs === undefined || ackedAtMs >= acceptingAtMs) return undefined;
        const text = `${kind} acknowledged by the older database, sent at ${secondsOf(sentAtMs)}`;
        return { text, ...(subject === null ? {} : { subject }) };
      }),
    ];
  });
  return oneOf([gateOf(name, [], () => undefined), ...ofRewinds]);
}

/** A copy that cannot serve says 503, with a code and when to come again. */
export const serverErrors = ({ exchanges, serverErrors: errors }: Ledger): Gate => ({
  name: '5xx other than a documented 503',
  checked: exchanges.length,
  findings: errors
    .filter(({ status, code, hasRetryAfter }) => status !== 503 || code === undefined || !hasRetryAfter)
    .map(({ status, code, path, copy, traceId, atMs }) => ({
      text: `${status} ${code ?? 'without a code'} for ${path} at ${copy}, ${secondsOf(atMs)}, trace ${traceId}`,
    })),
});

/** Two heads of one log and size have one root, and it is the root of the leaves. */
export function forks(ledger: Ledger, rootAt: (origin: string, size: number) => string | undefined): Gate {
  const known = new Map<string, string>();
  const kept = ledger.heads.filter(({ atMs }) => !isLost(ledger, atMs));
  const distinct = new Map(kept.map((head) => [`${head.origin} ${head.size} ${head.root}`, head]));
  return gateOf('heads that fork', [...distinct.values()], ({ origin, size, root, copy, atMs }) => {
    const findings: Finding[] = [];
    const place = `${origin} at ${size}`;
    if (known.has(place)) findings.push({ text: `two roots of ${place}, ${copy} at ${secondsOf(atMs)}` });
    known.set(place, root);
    if (rootAt(origin, size) !== root)
      findings.push({ text: `head of ${place} (${copy}, ${secondsOf(atMs)}) is not the root of its leaves` });
    return findings;
  });
}

/**
 * An end that was acknowledged and did not happen shows when all is well again: as an access token that is active, or a
 * refresh token that is exchanged. Whatever was ended counts: a token, its family, session, user or signing key.
 */
export function ineffectiveRevocations(ledger: Ledger): Gate {
  const name = 'acknowledged ends that did not happen';
  const isOver = (ends: readonly Revocation[], sentAtMs: number): boolean =>
    ends.some(
      ({ ackedAtMs }) =>
        ackedAtMs !== undefined && sentAtMs > ackedAtMs + REVOCATION_BOUND_MS && !isLost(ledger, ackedAtMs),
    );
  const lastShown = new Map(ledger.tokenChecks.map((check) => [`${check.access.jti} ${check.copy}`, check]));
  const shown = [...lastShown.values()].filter(({ access, sentAtMs }) =>
    isOver(revocationsOf(ledger, access), sentAtMs),
  );
  const answered = ledger.refreshes.filter(({ status }) => status !== 0);
  const lastPresented = new Map(answered.map((refresh) => [refresh.family, refresh]));
  const presented = [...lastPresented.values()].filter(({ family, sentAtMs }) =>
    isOver(revocationsOfFamily(ledger, family), sentAtMs),
  );
  return oneOf([
    gateOf(name, shown, (check) => {
      const { access, copy, result } = check;
      if (result !== 'active') return undefined;
      return { text: `${access.jti} is still active at ${copy}: ${causeOf(ledger, check)}`, subject: access.family };
    }),
    gateOf(name, presented, ({ family, copy, status }) =>
      status === 200 ? { text: `family ${family.id} is still refreshed at ${copy}`, subject: family } : undefined,
    ),
  ]);
}
