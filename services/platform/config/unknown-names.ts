/** Names that the product reads from the environment besides its settings. */
const READ_ELSEWHERE = [
  'SALLYPORT_API',
  'SALLYPORT_CRASHES',
  'SALLYPORT_ENV_FILE',
  'SALLYPORT_PARENT_CHANNEL',
  'SALLYPORT_PROCESS',
  'SALLYPORT_REUSE_PORT',
  'SALLYPORT_TEST_FOLDER',
  'SALLYPORT_TOKEN',
];

/** No other program is known to use names that begin with one of these. */
const OWN_PREFIXES = ['SALLYPORT_', 'JWT_', 'RATE_LIMIT_', 'REVOCATION_', 'KEY_ENCRYPTION_', 'UNVETTED_CLIENT_'];

/** In a short name, one other letter makes another word: PORT and HOST are not misspelt PORTS and HOSTS. */
const SHORTEST_NAME = 5;
const LETTERS_PER_MISTAKE = 5;
const MISTAKES_MAX = 2;

export type UnknownName = { readonly name: string; readonly nearest: string };

/**
 * Names in the environment that are meant as settings and are none: those that begin as only settings do, and those
 * that differ from the name of an unset setting by a letter or two.
 */
export function unknownNames(
  env: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
): UnknownName[] {
  const known = new Set([...settings, ...READ_ELSEWHERE]);
  return Object.keys(env).flatMap((name) => {
    if (known.has(name) || env[name] === undefined) return [];
    const nearest = nearestOf(name, settings);
    // DATABASE_URI beside DATABASE_URL is another program's.
    const isMisspelt = nearest.mistakes <= mistakesAllowed(nearest.name) && env[nearest.name] === undefined;
    if (isMisspelt) return [{ name, nearest: nearest.name }];
    if (!OWN_PREFIXES.some((prefix) => name.startsWith(prefix))) return [];
    return [{ name, nearest: sameWords(name, settings) ?? nearest.name }];
  });
}

const mistakesAllowed = (name: string): number =>
  name.length < SHORTEST_NAME ? 0 : Math.min(MISTAKES_MAX, Math.floor(name.length / LETTERS_PER_MISTAKE));

/** The setting with most of the name's words, such as JWT_ACCESS_EXPIRY for JWT_EXPIRY. */
function sameWords(name: string, settings: readonly string[]): string | undefined {
  const words = name.split('_').slice(1);
  const shared = (setting: string): number => setting.split('_').filter((word) => words.includes(word)).length;
  const [first = '', ...others] = settings.filter((setting) => setting.startsWith(`${name.split('_')[0]}_`));
  const best = others.reduce((one, other) => (shared(other) > shared(one) ? other : one), first);
  return shared(best) > 0 ? best : undefined;
}

function nearestOf(name: string, settings: readonly string[]): { name: string; mistakes: number } {
  let nearest = { name: '', mistakes: Number.POSITIVE_INFINITY };
  for (const setting of settings) {
    const mistakes = editDistance(name, setting);
    if (mistakes < nearest.mistakes) nearest = { name: setting, mistakes };
  }
  return nearest;
}

/** Letters to insert, remove, replace or swap with the next one to make one word of the other. */
function editDistance(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let row = 1; row <= one.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1];
      let least = Math.min(
        (last[column] as number) + 1,
        (next[column - 1] as number) + 1,
        (last[column - 1] as number) + (isSame ? 0 : 1),
      );
      if (row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1])
        least = Math.min(least, (before[column - 2] as number) + 1);
      next.push(least);
    }
    before = last;
    last = next;
  }
  return last[other.length] as number;
}
