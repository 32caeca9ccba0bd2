/** Fields that several policies permit together; null without a policy. */
export function mergeFields(policies: readonly (readonly string[])[]): readonly string[] | null {
  if (policies.length === 0) return null;
  const fields = [...new Set(policies.flat())];
  return fields.includes('*') ? ['*'] : fields.sort();
}

/** Whether a policy permits a path: it names the path, or one above it. */
export const permitsField = (fields: readonly string[], path: string): boolean =>
  fields.some((field) => field === '*' || field === path || path.startsWith(`${field}.`));

/**
 * The part of a JSON value that a policy permits (45 CFR 164.502(b)). Members that are not named are left out; a value
 * that is not an object or a list has no fields, so only `*` permits it.
 */
export const applyMinimumNecessary = (data: unknown, fields: readonly string[]): unknown =>
  fields.includes('*') ? data : (keep(data, fields) ?? null);

/** Undefined where nothing is permitted. Bounded by the depth of paths, not of the value. */
function keep(value: unknown, fields: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => keep(item, fields)).filter((item) => item !== undefined);
  if (typeof value !== 'object' || value === null) return undefined;
  const kept: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (fields.includes(name)) {
      Object.defineProperty(kept, name, { value: member, enumerable: true, configurable: true, writable: true });
      continue;
    }
    const below = fields.flatMap((field) => (field.startsWith(`${name}.`) ? [field.slice(name.length + 1)] : []));
    const part = below.length === 0 ? undefined : keep(member, below);
    if (part !== undefined)
      Object.defineProperty(kept, name, { value: part, enumerable: true, configurable: true, writable: true });
  }
  return kept;
}
