import { useId, useRef, useState } from 'preact/hooks';
import { visibleText } from '../data/visible-text.ts';
import { Foreign, useNumber } from '../parts/format.tsx';
import { common } from '../texts/common.ts';
import { fill, useTexts } from '../texts/languages.ts';
import type { TypedMembers } from './form.ts';
import type { Members, Shape } from './operation.ts';
import { useWords } from './words.ts';

/** What the API found wrong with a member, by its path in the body: `map/columns`. */
type ProblemAt = (path: string) => string | undefined;

type Typed = TypedMembers[string];

type FieldProps = {
  readonly name: string;
  readonly path: string;
  readonly shape: Shape;
  readonly typed: Typed;
  readonly within: readonly string[];
  readonly problemAt: ProblemAt;
  readonly onChange: (typed: Typed) => void;
};

/** From this many characters on a text has several lines. */
const LONG = 300;
/** With more members than this, those that may be left out are folded away. */
const MANY = 8;

const typeOf = ({ kind, max = 0 }: Shape, name: string): string => {
  if (kind === 'number') return 'number';
  if (kind === 'time') return 'datetime-local';
  if (/(?:^|_)(?:email|to)$/.test(name) && max > 0) return 'email';
  return /(?:^|_)ur[il]$/.test(name) ? 'url' : 'text';
};

/**
 * Reads a chosen file as its text, in UTF-8 or in UTF-16 with its mark, or a picture as a data address.
 * @throws RangeError for one that is too large, TypeError for bytes that are no text: they would become other characters
 */
async function contentOf(file: File, { file: as, max = 0 }: Shape): Promise<string> {
  if (as === 'png')
    return new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(String(reader.result));
      reader.readAsDataURL(file);
    });
  if (file.size > max) throw new RangeError(file.name);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const encoding = bytes[0] === 0xff ? 'utf-16le' : bytes[0] === 0xfe ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding, { fatal: true }).decode(bytes);
}

function Control({
  id,
  name,
  shape,
  typed,
  within,
  described,
  onChange,
}: Omit<FieldProps, 'path' | 'problemAt'> & {
  readonly id: string;
  readonly described: Readonly<Record<string, string | boolean | undefined>>;
}) {
  const words = useWords(...within);
  const texts = useTexts(common);
  const [fileName, setFileName] = useState('');
  const [fault, setFault] = useState('');
  const number = useNumber();
  const latest = useRef(onChange);
  latest.current = onChange;
  const required = shape.required === true;
  if (shape.kind === 'choice')
    return (
      <select
        id={id}
        required={required}
        {...described}
        value={String(typed)}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {required || shape.initially === undefined || shape.nullable ? <option value="">–</option> : null}
        {(shape.choices ?? []).map((choice) => (
          <option key={choice} value={choice}>
            {words.value(choice)}
          </option>
        ))}
      </select>
    );
  if (shape.file !== undefined)
    return (
      <>
        <input
          id={id}
          type="file"
          required={required && fileName === ''}
          {...(shape.file === 'png' ? { accept: 'image/png' } : {})}
          {...described}
          onChange={({ currentTarget: chosen }) => {
            const [file] = chosen.files ?? [];
            const isChosen = (): boolean => chosen.files?.[0] === file;
            setFileName(file?.name ?? '');
            setFault('');
            onChange('');
            if (file !== undefined)
              void contentOf(file, shape).then(
                (content) => isChosen() && latest.current(content),
                (error: unknown) => {
                  if (!isChosen()) return;
                  const why = error instanceof RangeError ? texts.fileTooLarge : texts.fileNoText;
                  setFault(`${file.name}: ${fill(why, { count: number(shape.max ?? 0) })}`);
                  setFileName('');
                  chosen.value = '';
                },
              );
          }}
        />
        {fault === '' ? null : (
          <span class="problem small" role="alert">
            <Foreign>{visibleText(fault)}</Foreign>
          </span>
        )}
      </>
    );
  if (
    shape.kind === 'list' ||
    shape.kind === 'any' ||
    (shape.kind === 'text' && (shape.max ?? 0) > LONG && !/ur[il]$/.test(name))
  )
    return (
      <textarea
        id={id}
        class={shape.kind === 'text' ? undefined : 'code'}
        rows={3}
        required={required && (shape.min ?? 0) > 0}
        spellcheck={false}
        {...described}
        value={String(typed)}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    );
  const bounds =
    shape.kind === 'number' ? { min: shape.min, max: shape.max } : { minLength: shape.min, maxLength: shape.max };
  return (
    <input
      id={id}
      type={typeOf(shape, name)}
      required={required}
      autoComplete="off"
      {...bounds}
      {...described}
      value={String(typed)}
      onInput={(event) => onChange(event.currentTarget.value)}
    />
  );
}

function Problem({ id, text }: { readonly id: string; readonly text: string | undefined }) {
  return text === undefined ? null : (
    <span id={id} class="problem small" lang="en">
      {text}
    </span>
  );
}

/** The field of a member: a control of its kind, its name, what helps, and what the API found wrong with it. */
function Field(props: FieldProps) {
  const { name, path, shape, typed, within, problemAt, onChange } = props;
  const id = useId();
  const words = useWords(...within);
  const texts = useTexts(common);
  const problem = problemAt(path);
  const isData =
    shape.kind === 'any' || (shape.kind === 'list' && !['text', 'id', 'choice'].includes(shape.of?.kind ?? ''));
  const help = words.help(name) ?? (isData ? texts.asJson : undefined);
  const ids = [...(help === undefined ? [] : [`${id}-help`]), ...(problem === undefined ? [] : [`${id}-problem`])];
  const described = {
    'aria-describedby': ids.length === 0 ? undefined : ids.join(' '),
    'aria-invalid': problem === undefined ? undefined : true,
  };
  if (shape.kind === 'yes')
    return (
      <div class="field">
        <label class="check">
          <input
            type="checkbox"
            checked={typed === true}
            {...described}
            onChange={(event) => onChange(event.currentTarget.checked)}
          />
          {words.member(name)}
        </label>
        <Problem id={`${id}-problem`} text={problem} />
      </div>
    );
  if (shape.kind === 'object')
    return (
      <fieldset class="nested">
        <legend>{words.member(name)}</legend>
        <Fields
          members={shape.members ?? {}}
          typed={typed as TypedMembers}
          within={within}
          problemAt={problemAt}
          at={`${path}/`}
          onChange={onChange}
        />
      </fieldset>
    );
  if (shape.kind === 'list' && shape.of?.kind === 'choice') {
    const chosen = typed as readonly string[];
    const choices = shape.of.choices ?? [];
    return (
      <fieldset class="checks">
        <legend>{words.member(name)}</legend>
        {choices.map((choice) => (
          <label key={choice} class="check">
            <input
              type="checkbox"
              checked={chosen.includes(choice)}
              onChange={({ currentTarget: { checked } }) =>
                onChange(choices.filter((each) => (each === choice ? checked : chosen.includes(each))))
              }
            />
            {words.value(choice)}
          </label>
        ))}
        <Problem id={`${id}-problem`} text={problem} />
      </fieldset>
    );
  }
  return (
    <div class="field">
      <label htmlFor={id}>{words.member(name)}</label>
      <Control
        id={id}
        name={name}
        shape={shape}
        typed={typed}
        within={within}
        described={described}
        onChange={onChange}
      />
      {help === undefined ? null : (
        <span id={`${id}-help`} class="dim small">
          {help}
        </span>
      )}
      <Problem id={`${id}-problem`} text={problem} />
    </div>
  );
}

/** Fields of all members; with many, those that may be left out are folded away. @param first those that stay in sight */
export function Fields({
  members,
  typed,
  within,
  problemAt,
  at = '',
  first = [],
  onChange,
}: {
  readonly members: Members;
  readonly typed: TypedMembers;
  readonly within: readonly string[];
  readonly problemAt: ProblemAt;
  readonly at?: string;
  readonly first?: readonly string[];
  readonly onChange: (typed: TypedMembers) => void;
}) {
  const texts = useTexts(common);
  const entries = Object.entries(members);
  const isSeen = ([name, shape]: readonly [string, Shape]): boolean =>
    entries.length <= MANY ||
    shape.required === true ||
    first.includes(name) ||
    problemAt(`${at}${name}`) !== undefined;
  const field = ([name, shape]: readonly [string, Shape]) => (
    <Field
      key={name}
      name={name}
      path={`${at}${name}`}
      shape={shape}
      typed={typed[name] ?? ''}
      within={within}
      problemAt={problemAt}
      onChange={(value) => onChange({ ...typed, [name]: value })}
    />
  );
  const folded = entries.filter((entry) => !isSeen(entry));
  return (
    <>
      {entries.filter(isSeen).map(field)}
      {folded.length === 0 ? null : (
        <details class="more">
          <summary>{texts.moreFields}</summary>
          <div class="more-fields">{folded.map(field)}</div>
        </details>
      )}
    </>
  );
}
