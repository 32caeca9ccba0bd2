import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { usePagesByName, useReadBy } from '../data/api.ts';
import { useCan, useSession } from '../data/session.tsx';
import { addressWith, Filter } from '../parts/filter.tsx';
import { Foreign } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { Views } from '../parts/views.tsx';
import { hrefOf, isOpen, type Place, placeOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { operations } from '../texts/generated/operations.ts';
import { fill, useTexts } from '../texts/languages.ts';
import { OperationAct } from './act.tsx';
import { actsOfRows, addressOf, type Group, hasPage, keyOf } from './group.ts';
import type { Item, Members, Operation, Shape } from './operation.ts';
import type { Above, Resource } from './resource.ts';
import type { Section } from './sections.ts';
import { StateBadges, Value } from './value.tsx';
import { useWords } from './words.ts';

type Fold = NonNullable<Place['fold']>;

const LIMIT = 50;
const WAIT_MS = 250;
const SCALAR = ['text', 'number', 'time', 'id'];
const NAMES = ['name', 'title', 'summary', 'email', 'kind'];

const queryOf = ({ answer }: Operation, query: object) => ({ ...(answer?.paged ? { limit: LIMIT } : {}), ...query });

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

/** The rows of a list. */
export function Rows({
  operation,
  special,
  segment,
  group,
  path,
  acts = [],
  label,
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
  readonly query?: Readonly<Record<string, string>>;
  /** Which of its items are shown. */
  readonly only?: (item: Item) => boolean;
  readonly above?: Above | undefined;
  readonly empty?: ComponentChildren;
}) {
  const words = useWords(segment);
  const { inRow } = special;
  const InRow = useReadBy([special.list, 'in a row'], async () => (await inRow?.())?.InRow ?? null).data;
  const { answer } = operation;
  const members = answer?.members ?? {};
  const row = rowOf(special, members);
  const place = group === undefined ? undefined : placeOf(group.segment);
  const isPage = group !== undefined && place !== undefined && hasPage(group, special);
  const pages = usePagesByName<Item>(operation.name, queryOf(operation, query), {
    ...(path === undefined ? {} : { path }),
    ...(special.every === undefined ? {} : { refetchInterval: special.every }),
  });
  const [answered] = pages.data?.pages ?? [];
  return (
    <>
      {Top === undefined || answered === undefined ? null : <Top answer={answered} />}
      <PagedList
        label={label}
        pages={pages}
        itemsOf={(page) => ((page[answer?.list ?? ''] ?? []) as readonly Item[]).filter(only)}
        empty={
          empty ?? (
            <Empty title={words.place('none')}>
              <p>{words.place('why')}</p>
            </Empty>
          )
        }
      >
        {(item: Item, at) => (
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
            below={InRow == null ? undefined : <InRow item={item} />}
            side={
              <>
                <StateBadges special={special} names={row.badges} members={members} item={item} segment={segment} />
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
        )}
      </PagedList>
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
      query={by}
    />
  );
}

/** A text to search by, kept in the address a moment after it was typed. */
function Search({
  name,
  shape,
  value,
  segment,
  onChange,
}: {
  readonly name: string;
  readonly shape: Shape;
  readonly value: string;
  readonly segment: string;
  readonly onChange: (value: string) => void;
}) {
  const words = useWords(segment);
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
      <input
        type={shape.kind === 'time' ? 'date' : 'search'}
        aria-label={words.member(name)}
        placeholder={words.member(name)}
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
}: {
  readonly operation: Operation;
  readonly segment: string;
  readonly path: string;
  readonly begins: Readonly<Record<string, string>>;
}) {
  const words = useWords(segment);
  const texts = useTexts(common);
  const { query, route } = useLocation();
  const members = Object.entries(operation.members);
  if (members.length === 0) return null;
  const given = Object.fromEntries(members.map(([name]) => [name, query[name] ?? begins[name] ?? '']));
  const go = (name: string, value: string): void => route(addressWith(path, { ...given, [name]: value }, begins), true);
  return (
    <search class="toolbar">
      {members.map(([name, shape]) =>
        shape.kind === 'choice' ? (
          <Filter
            key={name}
            label={words.member(name)}
            every={`${words.member(name)}: ${texts.every}`}
            value={given[name] ?? ''}
            options={(shape.choices ?? []).map((choice) => [choice, words.value(choice)] as const)}
            onChange={(value) => go(name, value)}
          />
        ) : (
          <Search
            key={name}
            name={name}
            shape={shape}
            value={given[name] ?? ''}
            segment={segment}
            onChange={(value) => go(name, value)}
          />
        ),
      )}
    </search>
  );
}

/** A chosen day is its first instant, or its last where a filter ends; undefined for what is no day. */
function toWire({ kind }: Shape, name: string, value: string): string | undefined {
  if (kind !== 'time') return value;
  const at = new Date(`${value}T${/_to$/.test(name) ? '23:59:59.999' : '00:00:00'}`);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** Loads the page of a list. */
export async function listOf({ group, special }: Fold) {
  const { list, segment, creates } = group;
  const above = (await special.above?.())?.Above;
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
        <Filters operation={list} segment={segment} path={path} begins={begins} />
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
                <Empty title={texts.noMatch}>
                  <p>{texts.noMatchWhy}</p>
                </Empty>
              ) : (
                <Empty
                  title={(asked.length < Object.keys(begins).length ? '' : words.place('none')) || texts.nothingHere}
                  command={special.firstCommand}
                >
                  <p>{words.place('why')}</p>
                </Empty>
              )
            }
          />
        </div>
      </div>
    );
  }
  return { Page };
}
