type Members = Readonly<Record<string, string>>;
/** The address of a page with these members; those are left out that are what they begin with, by default empty. */
export function addressWith(path: string, members: Members, begins: Members = {}): string {
  const given = Object.entries(members).filter(([name, value]) => value !== (begins[name] ?? ''));
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
