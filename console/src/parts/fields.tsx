import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

type Field = { readonly label: string; readonly help?: string };

/** A label, its control, and a line of help below it. */
function Labelled({
  id,
  label,
  help,
  children,
}: Field & { readonly id: string; readonly children: ComponentChildren }) {
  return (
    <div class="field">
      <label htmlFor={id}>{label}</label>
      {children}
      {help === undefined ? null : (
        <span id={`${id}-help`} class="dim small">
          {help}
        </span>
      )}
    </div>
  );
}

/** One line of text. */
export function TextField({
  type = 'text',
  value,
  max,
  isRequired = false,
  onChange,
  ...field
}: Field & {
  readonly type?: 'text' | 'url' | 'email' | 'time' | 'number';
  readonly value: string;
  /** Characters, as the contract of the operation allows; of a number, the highest. */
  readonly max: number;
  readonly isRequired?: boolean;
  readonly onChange: (value: string) => void;
}) {
  const id = useId();
  return (
    <Labelled id={id} {...field}>
      <input
        id={id}
        type={type}
        value={value}
        {...(type === 'number' ? { min: 0, max } : { maxLength: max })}
        required={isRequired}
        autoComplete="off"
        aria-describedby={field.help === undefined ? undefined : `${id}-help`}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </Labelled>
  );
}

/** One of a few values. */
export function SelectField<T extends string>({
  value,
  options,
  onChange,
  ...field
}: Field & {
  readonly value: T;
  /** Values with their names. */
  readonly options: readonly (readonly [T, string])[];
  readonly onChange: (value: T) => void;
}) {
  const id = useId();
  return (
    <Labelled id={id} {...field}>
      <select
        id={id}
        value={value}
        onChange={({ currentTarget }) => {
          const [chosen] = options.find(([option]) => option === currentTarget.value) ?? [];
          if (chosen !== undefined) onChange(chosen);
        }}
      >
        {options.map(([option, name]) => (
          <option key={option} value={option}>
            {name}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

/** Yes or no. */
export const CheckField = ({
  label,
  isChecked,
  onChange,
}: {
  readonly label: string;
  readonly isChecked: boolean;
  readonly onChange: (isChecked: boolean) => void;
}) => (
  <label class="check">
    <input type="checkbox" checked={isChecked} onChange={(event) => onChange(event.currentTarget.checked)} />
    {label}
  </label>
);
