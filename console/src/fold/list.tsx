import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useCan } from '../data/session.tsx';
import { Bookmarks } from '../parts/bookmarks.tsx';
import { addressWith } from '../parts/filter.tsx';
import { PageHead, type PageProps } from '../parts/page.tsx';
import { type Picked, Picker, RefPicker } from '../parts/picker.tsx';
import { KINDS } from '../parts/ref.tsx';
import { Empty } from '../parts/states.tsx';
import { Views } from '../parts/views.tsx';
import { type Fold, hrefOf, type Place, placeOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { fill, useLanguage, useTexts } from '../texts/languages.ts';
import { OperationAct } from './act.tsx';
import { addressOf, hasPage } from './group.ts';
import type { Item, Operation, Shape } from './operation.ts';
import type { Choices } from './resource.ts';
import { Rows } from './rows.tsx';
import { useWords } from './words.ts';

const WAIT_MS = 250;
/** With more filters than this they are narrow. */
const MANY = 4;
/** Bounds that are days; others are to the minute. */
const IS_DAY = /_(?:from|to)$/;

/** A text to search by, kept in the address a moment after it was typed. */
function Search({ name, label, shape, value, onChange }: Picked & { readonly name: string; readonly shape: Shape }) {
  const texts = useTexts(common);
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const { min = 0 } = shape;
  const isShort = typed.length > 0 && typed.length < min;
  useEffect(() => {
    if (typed.trim() === value || isShort) return;
    const timer = setTimeout(() => onChange(typed.trim()), WAIT_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <span class="search">
      {shape.kind === 'time' ? <span class="dim small">{label}</span> : null}
      <input
        type={shape.kind !== 'time' ? 'search' : IS_DAY.test(name) ? 'date' : 'datetime-local'}
        aria-label={label}
        placeholder={label}
        value={typed}
        maxLength={shape.max}
        autoComplete="off"
        spellcheck={false}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
      {isShort ? (
        <span class="dim small" role="status">
          {fill(texts.shortest, { count: min })}
        </span>
      ) : null}
    </span>
  );
}

/** Filters by the members of the query, kept in the address. */
function Filters({
  operation,
  segment,
  path,
  begins,
  choices,
}: {
  readonly operation: Operation;
  readonly segment: string;
  readonly path: string;
  readonly begins: Readonly<Record<string, string>>;
  readonly choices: Choices;
}) {
  const words = useWords(segment);
  const texts = useTexts(common);
  const language = useLanguage();
  const { query, route } = useLocation();
  const members = Object.entries(operation.members);
  if (members.length === 0) return null;
  const given = Object.fromEntries(members.map(([name]) => [name, query[name] ?? begins[name] ?? '']));
  const go = (name: string, value: string): void => route(addressWith(path, { ...given, [name]: value }, begins), true);
  const filterOf = (name: string, shape: Shape) => {
    const value = given[name] ?? '';
    const shared = { label: words.member(name), value, onChange: (next: string) => go(name, next) };
    const options = choices[name]?.(language);
    if (options !== undefined) {
      const known = (text: string) => options.find(([each]) => each === text)?.[0];
      const called = options.find(([each]) => each === value)?.[1];
      return <Picker key={name} {...shared} called={called} options={options} read={known} />;
    }
    if (name in KINDS) return <RefPicker key={name} {...shared} kind={KINDS[name]} />;
    return shape.kind === 'choice' ? (
      <select
        key={name}
        aria-label={shared.label}
        value={value}
        onChange={(event) => go(name, event.currentTarget.value)}
      >
        <option value="">{`${shared.label}: ${texts.every}`}</option>
        {(shape.choices ?? []).map((choice) => (
          <option key={choice} value={choice}>
            {words.value(choice)}
          </option>
        ))}
      </select>
    ) : (
      <Search key={name} {...shared} name={name} shape={shape} />
    );
  };
  return (
    <Bookmarks path={path}>
      <search class={members.length > MANY ? 'toolbar fields' : 'toolbar'}>
        {members.map(([name, shape]) => filterOf(name, shape))}
      </search>
    </Bookmarks>
  );
}

/** A chosen day is its first instant, or its last where a filter ends; undefined for what is no time. */
function toWire({ kind }: Shape, name: string, value: string): string | undefined {
  if (kind !== 'time') return value;
  const at = new Date(IS_DAY.test(name) ? `${value}T${name.endsWith('_to') ? '23:59:59.999' : '00:00:00'}` : value);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

export async function listOf({ group, special }: Fold) {
  const { list, segment, creates } = group;
  const above = (await special.above?.())?.Above;
  const choices = (await special.choices?.())?.choices ?? {};
  const { begins = {}, ended = [] } = special;
  function Page({ title }: PageProps) {
    const words = useWords(segment);
    const texts = useTexts(common);
    const { query, route } = useLocation();
    const can = useCan();
    const place = placeOf(segment) as Place;
    const path = hrefOf(place);
    const asked = Object.entries(list.members).flatMap(([name, shape]): [string, string][] => {
      const value = query[name] ?? begins[name] ?? '';
      const wire = value === '' ? undefined : toWire(shape, name, value);
      return wire === undefined ? [] : [[name, wire]];
    });
    const isFiltered = asked.some(([name, value]) => value !== begins[name]);
    const onCreated = (answer: unknown): void => {
      const made = addressOf(group, answer as Item);
      if (hasPage(group, special) && group.detail !== undefined && made !== '') route(`${path}/${made}`);
    };
    const makes = creates
      .filter(({ permission }) => can(permission))
      .map((each) => <OperationAct key={each.name} operation={each} first={special.first} onDone={onCreated} />);
    const none = asked.length < Object.keys(begins).length ? '' : words.place('none');
    return (
      <div class="page">
        <PageHead title={title} lead={words.place('lead')}>
          {makes.length === 0 ? undefined : makes}
        </PageHead>
        <Views of={place} />
        <Filters operation={list} segment={segment} path={path} begins={begins} choices={choices} />
        {ended
          .filter(() => can('audit:read'))
          .map((type) => (
            <a key={type} href={`/console/audit?${new URLSearchParams({ type })}`}>
              {words.value(type)}
            </a>
          ))}
        <div>
          <Rows
            operation={list}
            special={special}
            segment={segment}
            group={group}
            label={title}
            query={Object.fromEntries(asked)}
            above={above}
            empty={
              <Empty
                title={isFiltered ? texts.noMatch : none || texts.nothingHere}
                why={isFiltered ? texts.noMatchWhy : words.place('why')}
                command={isFiltered ? undefined : special.firstCommand}
              />
            }
          />
        </div>
      </div>
    );
  }
  return { Page };
}
