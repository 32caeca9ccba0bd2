const DEPTH_MAX = 64;
const VALUES_MAX = 100_000;

/**
 * Why a value cannot be encrypted as JSON; undefined when it can. Does not recurse, so nesting cannot exhaust the stack.
 * Never names a part of the value.
 */
export function jsonProblem(root: unknown): string | undefined {
  const waiting: (readonly [value: unknown, depth: number])[] = [[root, 0]];
  let count = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [value, depth] = next;
    count += 1;
    if (count > VALUES_MAX) return `has more than ${VALUES_MAX} values`;
    if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) continue;
    if (typeof value !== 'object' || !isPlain(value)) return 'is not a JSON value';
    if (depth === DEPTH_MAX) return `is nested more than ${DEPTH_MAX} levels deep`;
    for (const member of Object.values(value)) waiting.push([member, depth + 1]);
  }
  return undefined;
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
