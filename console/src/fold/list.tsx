import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { usePagesByName, useReadBy } from '../data/api.ts';
import { useCan, useSession } from '../data/session.tsx';
import { Bookmarks } from '../parts/bookmarks.tsx';
import { addressWith } from '../parts/filter.tsx';
import { Foreign, useNumber } from '../parts/format.tsx';
import { PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Picker, RefPicker } from '../parts/picker.tsx';
import { KINDS } from '../parts/ref.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Views } from '../parts/views.tsx';
import { hrefOf, isOpen, type Place, placeOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { operations } from '../texts/generated/operations.ts';
import { fill, useLanguage, useTexts } from '../texts/languages.ts';
import { OperationAct } from './act.tsx';
import { actsOfRows, addressOf, type Group, hasPage, keyOf } from './group.ts';
import type { Item, Members, Operation, Shape } from './operation.ts';
import type { Above, Choices, Resource } from './resource.ts';
import type { Section } from './sections.ts';
import { StateBadges, Value } from './value.tsx';
import { useWords } from './words.ts';

type Fold = NonNullable<Place['fold']>;

const LIMIT = 50;
/** On the page of something else. */
const FEW = 20;
const WAIT_MS = 250;
/** With more filters than this they are narrow. */
const MANY = 4;
const SCALAR = ['text', 'number', 'time', 'id'];
const NAMES = ['name', 'title', 'summary', 'email', 'kind'];

const queryOf = ({ answer }: Operation, query: object, limit = LIMIT) => ({
  ...(answer?.paged ? { limit } : {}),
  ...query,
});

/** What a row names in an item: a member, or `check.ended_at` of one. */
const valueAt = (item: Item, path: string): unknown =>
  path.split('.').reduce<unknown>((at, name) => (at as Item | null | undefined)?.[name], item);
const shapeAt = (members: Members, path: string): Shape | undefined => {
  const [name = '', of] = path.split('.');
  return of === undefined ? members[name] : members[name]?.members?.[of];
};
const isShown = (value: unknown): boolean =>
  !(value == null || value === '' || (Array.isArray(value) && value.length === 0));

/** The members of a row: those that are chosen, else what names the item and the first of the simple ones. */
function rowOf({ row, badges }: Resource, members: Members) {
  const simple = Object.entries(members)
    .filter(([, { kind }]) => SCALAR.includes(kind))
    .map(([name]) => name);
  const title = NAMES.find((name) => name in members) ?? simple[0] ?? '';
  const [first = title, ...rest] = row ?? [title, ...simple.filter((name) => name !== title).slice(0, 4)];
  const states = Object.entries(members)
    .filter(([, { kind }]) => kind === 'choice' || kind === 'yes')
    .map(([name]) => name);
  return { title: first, meta: rest.filter((name) => shapeAt(members, name) !== undefined), badges: badges ?? states };
}

/** What an item is called. */
export function titleOfItem(special: Resource, members: Members, item: Item, word: (value: string) => string): string {
  if (special.title !== undefined) return special.title(item as never, word);
  const { title, meta } = rowOf(special, members);
  const value = [title, ...meta].map((name) => valueAt(item, name)).find(isShown);
  const text = Array.isArray(value) ? value.join(' ') : String(value ?? '');
  return title === 'detection' || members[title]?.kind === 'choice' ? word(text) : text;
}

/** Words before a value that does not explain itself. */
const isNamed = ({ kind }: Shape, name: string): boolean =>
  ['number', 'time', 'yes', 'list'].includes(kind) || /_(?:at|until|by)$|^until$|^reason$/.test(name);

/** The acts that an item allows now, and those of others that begin at it. */
export function ItemActs({
  group,
  special,
  item,
  members,
  readAgain,
  onDone,
}: {
  readonly group: Group;
  readonly special: Resource;
  readonly item: Item;
  readonly members: Members;
  readonly readAgain?: () => Promise<Item | undefined>;
  readonly onDone?: (operation: Operation) => void;
}) {
  const words = useWords(group.segment);
  const name = titleOfItem(special, members, item, words.value);
  const params = keyOf(group, item);
  const { reach, blast = [], first } = special;
  const id = Object.values(params)[0] ?? '';
  const ofRows = group.lists.flatMap((list) => actsOfRows(group, list));
  const allowed = group.acts.filter(
    (act) => !ofRows.includes(act) && special.when?.[act.name]?.(item as never) !== false,
  );
  return (
    <>
      {allowed.map((operation) => (
        <OperationAct
          key={operation.name}
          operation={operation}
          params={params}
          item={item}
          of={members}
          name={name}
          blast={blast}
          first={first}
          reach={reach === undefined ? undefined : { [reach]: id }}
          {...(readAgain === undefined ? {} : { readAgain })}
          {...(onDone === undefined ? {} : { onDone: () => onDone(operation) })}
        />
      ))}
      {Object.entries(special.also ?? {}).map(([other, begins]) => {
        const operation = operations.find(({ name: each }) => each === other);
        return operation === undefined ? null : (
          <OperationAct key={other} operation={operation} begins={begins(item as never)} />
        );
      })}
    </>
  );
}

/** The rows of a list, read page by page. It says how many are shown, never how many there are. */
export function Rows({
  operation,
  special,
  segment,
  group,
  path,
  acts = [],
  label,
  limit = LIMIT,
  query = {},
  only = () => true,
  above: Top,
  empty,
}: {
  readonly operation: Operation;
  readonly special: Resource;
  readonly segment: string;
  /** Where its items have pages or acts. */
  readonly group?: Group;
  readonly path?: Readonly<Record<string, string>>;
  /** What may be done to a row of a list of one item, whose parameters are in `path`. */
  readonly acts?: readonly Operation[];
  readonly label: string;
  readonly limit?: number;
  readonly query?: Readonly<Record<string, string>>;
  /** Which of its items are shown. */
  readonly only?: (item: Item) => boolean;
  readonly above?: Above | undefined;
  readonly empty?: ComponentChildren;
}) {
  const words = useWords(segment);
  const texts = useTexts(common);
  const number = useNumber();
  const { inRow, asRow } = special;
  const loaded = useReadBy([special.list, 'in a row'], async () => ({
    ...(await inRow?.()),
    ...(await asRow?.()),
  })).data;
  const { InRow, AsRow } = loaded ?? {};
  const { answer } = operation;
  const members = answer?.members ?? {};
  const row = rowOf(special, members);
  const place = group === undefined ? undefined : placeOf(group.segment);
  const isPage = group !== undefined && place !== undefined && hasPage(group, special);
  const pages = usePagesByName<Item>(operation.name, queryOf(operation, query, limit), {
    ...(path === undefined ? {} : { path }),
    ...(special.every === undefined ? {} : { refetchInterval: special.every }),
  });
  const [answered] = pages.data?.pages ?? [];
  return (
    <>
      {Top === undefined || answered === undefined ? null : <Top answer={answered} />}
      <Shown query={pages} lines={5}>
        {({ pages: read }) => {
          const items = read.flatMap((page) => (page[answer?.list ?? ''] ?? []) as readonly Item[]).filter(only);
          if (items.length === 0) return empty ?? <Empty title={words.place('none')} why={words.place('why')} />;
          return (
            <>
              <ul class="rows" aria-label={label}>
                {items.map((item, at) =>
                  asRow !== undefined ? (
                    AsRow && <AsRow key={at} item={item} />
                  ) : (
                    <Row
                      key={group === undefined ? JSON.stringify(item) : addressOf(group, item) || at}
                      href={isPage ? `${hrefOf(place)}/${addressOf(group, item)}` : special.leads?.(item as never)}
                      title={<Foreign>{titleOfItem(special, members, item, words.value)}</Foreign>}
                      meta={row.meta
                        .map((name) => [name, shapeAt(members, name) as Shape, valueAt(item, name)] as const)
                        .filter(([, , value]) => isShown(value))
                        .map(([name, shape, value]) => (
                          <span key={name}>
                            {isNamed(shape, name) ? `${words.member(name)} ` : null}
                            <Value name={name} shape={shape} value={value} segment={segment} isInline />
                          </span>
                        ))}
                      below={InRow === undefined ? undefined : <InRow item={item} />}
                      side={
                        <>
                          <StateBadges
                            special={special}
                            names={row.badges}
                            members={members}
                            item={item}
                            segment={segment}
                          />
                          {group === undefined || isPage ? null : (
                            <ItemActs group={group} special={special} item={item} members={members} />
                          )}
                          {acts.map((act) => (
                            <OperationAct
                              key={act.name}
                              operation={act}
                              params={Object.fromEntries(
                                act.params.map((param) => [param, path?.[param] ?? String(item[param])]),
                              )}
                              name={titleOfItem(special, members, item, words.value)}
                            />
                          ))}
                        </>
                      }
                    />
                  ),
                )}
              </ul>
              <div class="list-foot">
                <span class="dim small" role="status">
                  {fill(pages.hasNextPage ? texts.shownMore : texts.shown, { count: number(items.length) })}
                </span>
                {pages.hasNextPage ? (
                  <button type="button" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
                    {texts.loadMore}
                  </button>
                ) : null}
              </div>
            </>
          );
        }}
      </Shown>
    </>
  );
}

/** Whether the reader may see the list of a page, and whether any of its items needs somebody, once that is known. */
export function useNeeds({ of, by = {}, only = () => true }: NonNullable<Section['list']>) {
  const { permissions, left_out: leftOut } = useSession();
  const place = placeOf(of) as Place;
  const { list } = (place.fold as Fold).group;
  const enabled = isOpen(place, permissions, leftOut);
  const { data, error } = usePagesByName<Item>(list.name, queryOf(list, by), { enabled, refetchInterval: 15_000 });
  const isBad =
    data?.pages.some((page) => (page[list.answer?.list ?? ''] as readonly Item[]).some(only)) ?? error !== null;
  return { place, isOpen: enabled, isBad, isWell: !isBad && data !== undefined && error === null };
}

/** Items that the page of another list shows too. */
export function Listed({
  of,
  by = {},
  ...rows
}: NonNullable<Section['list']> & Pick<Parameters<typeof Rows>[0], 'label' | 'empty'>) {
  const { group, special } = (placeOf(of) as Place).fold as Fold;
  const row = special.row?.filter((name) => !(name in by)) ?? [];
  return (
    <Rows
      {...rows}
      operation={group.list}
      special={{ ...special, row }}
      segment={group.segment}
      group={group}
      limit={FEW}
      query={by}
    />
  );
}

/** Bounds that are days; others are to the minute. */
const IS_DAY = /_(?:from|to)$/;

/** A text to search by, kept in the address a moment after it was typed. */
function Search({
  name,
  label,
  shape,
  value,
  onChange,
}: {
  readonly name: string;
  readonly label: string;
  readonly shape: Shape;
  readonly value: string;
  readonly onChange: (value: string) => void;
}) {
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

/** Loads the page of a list. */
export async function listOf({ group, special }: Fold) {
  const { list, segment, creates } = group;
  const above = (await special.above?.())?.Above;
  const choices = (await special.choices?.())?.choices ?? {};
  const { begins = {}, ended = [] } = special;
  function Page({ title }: PageProps) {
    const words = useWords(segment);
    const texts = useTexts(common);
    const { query, route } = useLocation();
    const { permissions, left_out: leftOut } = useSession();
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
    const makes = creates.filter(({ permission }) => isOpen({ name: '', path: '/', permission }, permissions, leftOut));
    return (
      <div class="page">
        <PageHead title={title} lead={words.place('lead')}>
          {makes.length === 0
            ? undefined
            : makes.map((operation) => (
                <OperationAct key={operation.name} operation={operation} first={special.first} onDone={onCreated} />
              ))}
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
              isFiltered ? (
                <Empty title={texts.noMatch} why={texts.noMatchWhy} />
              ) : (
                <Empty
                  title={(asked.length < Object.keys(begins).length ? '' : words.place('none')) || texts.nothingHere}
                  why={words.place('why')}
                  command={special.firstCommand}
                />
              )
            }
          />
        </div>
      </div>
    );
  }
  return { Page };
}
