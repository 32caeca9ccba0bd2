type Members = Readonly<Record<string, string>>;
/** The address of a page with these members; those are left out that are what they begin with, by default empty. */
export function addressWith(path: string, members: Members, begins: Members = {}): string {
  const given = Object.entries(members).filter(([name, value]) => value !== (begins[name] ?? ''));
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** Shows only what has one of these values, or everything (`''`). */
export function Filter({
  label,
  every,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  /** Text of the choice of everything. */
  readonly every: string;
  readonly value: string;
  /** Values with their names. */
  readonly options: readonly (readonly [value: string, name: string])[];
  readonly onChange: (value: string) => void;
}) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      <option value="">{every}</option>
      {options.map(([option, name]) => (
        <option key={option} value={option}>
          {name}
        </option>
      ))}
    </select>
  );
}
