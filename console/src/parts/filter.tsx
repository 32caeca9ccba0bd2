/** The address of a page with these members; empty ones are left out. */
export function addressWith(path: string, members: Readonly<Record<string, string>>): string {
  const given = Object.entries(members).filter(([, value]) => value !== '');
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
