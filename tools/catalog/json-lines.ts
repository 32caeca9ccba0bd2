/**
 * JSON in which a value takes a line of its own down to a depth, and what is deeper stays in that line: a change of one
 * entry of a list is one line of a diff.
 */
export function jsonLines(value: unknown, depth: number, indent = ''): string {
  if (depth === 0 || typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = `${indent} `;
  const [open, close, parts] = Array.isArray(value)
    ? ['[', ']', value.map((part) => jsonLines(part, depth - 1, inner))]
    : ['{', '}', membersOf(value, depth, inner)];
  if (parts.length === 0) return `${open}${close}`;
  return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${indent}${close}`;
}

const membersOf = (value: object, depth: number, inner: string): string[] =>
  Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}: ${jsonLines(member, depth - 1, inner)}`);
