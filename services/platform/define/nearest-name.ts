/** In a short name, one other letter makes another word: PORT and HOST are not misspelt PORTS and HOSTS. */
const SHORTEST_NAME = 5;
const LETTERS_PER_MISTAKE = 5;
const MISTAKES_MAX = 2;

const mistakesAllowed = (name: string): number =>
  name.length < SHORTEST_NAME ? 0 : Math.min(MISTAKES_MAX, Math.floor(name.length / LETTERS_PER_MISTAKE));

/** The known name that differs least from a given one; empty if none is known. */
export function nearestName(given: string, known: readonly string[]): string {
  let nearest = { name: '', mistakes: Number.POSITIVE_INFINITY };
  for (const name of known) {
    const mistakes = editDistance(given, name);
    if (mistakes < nearest.mistakes) nearest = { name, mistakes };
  }
  return nearest.name;
}

/** Whether a text is a known name with a letter or two wrong, and not the name itself. */
export const isMisspelling = (given: string, known: string): boolean =>
  given !== known && editDistance(given, known) <= mistakesAllowed(known);

const SHARED_LEAST = 4;
const SHARED_PART = 0.4;
/** `redirectUris`, `redirect-uris` and `redirect_uris` are one name. */
const folded = (name: string): string => name.toLowerCase().replaceAll(/[-_.]/g, '');

function lettersShared(one: string, other: string): number {
  let count = 0;
  while (count < one.length && one[count] === other[count]) count += 1;
  return count;
}

/** The known name that a given one probably stands for: spelt otherwise, misspelt, or one that begins like it. */
export function likelyName(given: string, known: readonly string[]): string | undefined {
  const respelt = known.find((name) => name !== given && folded(name) === folded(given));
  if (respelt !== undefined) return respelt;
  const nearest = nearestName(given, known);
  if (isMisspelling(given, nearest)) return nearest;
  let likely: { readonly name?: string; readonly shared: number } = {
    shared: Math.max(SHARED_LEAST, given.length * SHARED_PART) - 1,
  };
  for (const name of known) {
    const shared = name === given ? 0 : lettersShared(given, name);
    if (shared > likely.shared) likely = { name, shared };
  }
  return likely.name;
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
