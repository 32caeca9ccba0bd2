/**
 * What becomes of a name in a request that the caller does not get. The names that are forms (`openid  email`, a list
 * where a text belongs) are wrong and are refused everywhere.
 */
export type Tolerance = {
  /** A name that means nothing here. */
  readonly unknown: 'ignored' | 'refused';
  /** A name that means something here, and that this caller may not have. */
  readonly forbidden: 'left out' | 'refused';
};

const REDUCED = { unknown: 'ignored', forbidden: 'left out' } as const;
const STRICT = { unknown: 'refused', forbidden: 'refused' } as const;

/** The whole rule, by what a request names; `docs/reference/specifications.md` shows this table with its clauses. */
export const TOLERANCE = {
  'scopes of a vetted client': { unknown: 'ignored', forbidden: 'refused' },
  'scopes of an unvetted client': REDUCED,
  'scopes in our own API': STRICT,
  'claims in the parameter claims': REDUCED,
  'redirect addresses at registration': REDUCED,
  'metadata at registration': REDUCED,
  'parameters and members of a protocol': REDUCED,
  'parameters and members of our own API': STRICT,
} as const satisfies Readonly<Record<string, Tolerance>>;

export type Standing = 'allowed' | 'forbidden' | 'unknown';

type Sifted<Name> = {
  readonly kept: readonly Name[];
  /** Ignored or left out; the answer says what was kept. */
  readonly dropped: readonly Name[];
  readonly refused: readonly Name[];
};

/** Sorts the names of a request by the rule. Each name is kept, dropped or refused, once. */
export function sift<Name>(
  { unknown, forbidden }: Tolerance,
  names: readonly Name[],
  standingOf: (name: Name) => Standing,
): Sifted<Name> {
  const kept: Name[] = [];
  const dropped: Name[] = [];
  const refused: Name[] = [];
  for (const name of new Set(names)) {
    const standing = standingOf(name);
    if (standing === 'allowed') kept.push(name);
    else if ((standing === 'unknown' ? unknown : forbidden) === 'refused') refused.push(name);
    else dropped.push(name);
  }
  return { kept, dropped, refused };
}
