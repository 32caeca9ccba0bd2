import { useEffect, useId, useState } from 'preact/hooks';
import { useNamed } from '../data/refs.ts';
import { useSearch, withoutSecret } from '../data/search.ts';
import { visibleText } from '../data/visible-text.ts';

export type Option = readonly [value: string, called: string];

export type Picked = { readonly label: string; readonly value: string; readonly onChange: (value: string) => void };

/**
 * Chooses a value by any part of what it is called. What is typed stands for the only option that has it in its name; else,
 * where `read` says so, it is a value itself.
 */
export function Picker({
  label,
  value,
  called = value,
  options,
  read,
  onType,
  onChange,
}: Picked & {
  readonly called?: string | undefined;
  readonly options: readonly Option[];
  readonly read: (text: string) => string | undefined;
  readonly onType?: (text: string) => void;
}) {
  const id = useId();
  const [typed, setTyped] = useState(called);
  useEffect(() => setTyped(called), [called]);
  const type = (text: string): void => {
    setTyped(text);
    onType?.(text);
    const chosen = options.find(([, each]) => each === text);
    if (text === '' || chosen !== undefined) onChange(chosen?.[0] ?? '');
  };
  /** At Enter, and when the field is left. */
  const take = (text: string): void => {
    if (text === '' || text === called || options.some(([, each]) => each === text)) return;
    const near = options.filter(([, each]) => each.toLowerCase().includes(text.toLowerCase()));
    const taken = near.length === 1 ? near[0]?.[0] : read(text);
    if (taken === undefined || taken === value) setTyped(called);
    else onChange(taken);
  };
  return (
    <>
      <input
        type="search"
        list={id}
        aria-label={label}
        placeholder={label}
        value={typed}
        maxLength={512}
        autoComplete="off"
        spellcheck={false}
        onInput={(event) => type(event.currentTarget.value)}
        onChange={(event) => take(event.currentTarget.value.trim())}
      />
      <datalist id={id}>
        {options.map(([each, name]) => (
          <option key={each} value={name} />
        ))}
      </datalist>
    </>
  );
}

/** Chooses a person or thing by its name, address or id. @param kind of what is chosen; any, as `kind:id`, without it */
export function RefPicker({ kind, value, ...picked }: Picked & { readonly kind: string | undefined }) {
  const [text, setText] = useState('');
  const search = useSearch(text);
  const [of = '', ...id] = kind === undefined ? value.split(':') : [kind, value];
  const ref = useNamed(of, value === '' ? null : id.join(':'));
  const hits = search.hits.filter((hit) =>
    kind === undefined ? hit.kind !== 'event' && hit.kind !== 'trace' : hit.kind === kind,
  );
  const options = hits.map(
    (hit): Option => [
      kind === undefined ? `${hit.kind}:${hit.id}` : hit.id,
      hits.some((other) => other !== hit && other.called === hit.called) ? `${hit.called} · ${hit.id}` : hit.called,
    ],
  );
  return (
    <Picker
      {...picked}
      value={value}
      called={ref?.exists === true ? visibleText(ref.label.trim() || ref.id) : value}
      options={options}
      read={(given) => {
        if (withoutSecret(given) !== given) return undefined;
        // As at the command line: an id alone is that of a user.
        return kind !== undefined || /^[a-z_]{1,32}:./.test(given) ? given : `user:${given}`;
      }}
      onType={setText}
    />
  );
}
