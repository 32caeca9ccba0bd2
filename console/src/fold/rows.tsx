import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { readAhead, usePagesByName, useReadBy } from '../data/api.ts';
import { useSession } from '../data/session.tsx';
import { Foreign, useNumber } from '../parts/format.tsx';
import { Row } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { type Fold, hrefOf, isOpen, type Place, placeOf } from '../places.ts';
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

const LIMIT = 50;
/** On the page of something else. */
const FEW = 20;
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

export function titleOfItem(special: Resource, members: Members, item: Item, word: (value: string) => string): string {
  if (special.title !== undefined) return special.title(item as never, word);
  const { title, meta } = rowOf(special, members);
  const value = [title, ...meta].map((name) => valueAt(item, name)).find(isShown);
  const text = Array.isArray(value) ? value.join(' ') : String(value ?? '');
  return title === 'detection' || members[title]?.kind === 'choice' ? word(text) : text;
}

/** Words before a value that does not explain itself. */
const isNamed = ({ kind }: Shape, name: string): boolean =>
  ['number', 'time', 'yes', 'list'].includes(kind) || /_(?:at|until|by)$|^until$|^reason$|^fix$/.test(name);

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
  const params = keyOf(group, item);
  const { reach, blast = [], first } = special;
  const ofRows = group.lists.flatMap((list) => actsOfRows(group, list));
  return (
    <>
      {group.acts
        .filter((act) => !ofRows.includes(act) && special.when?.[act.name]?.(item as never) !== false)
        .map((operation) => (
          <OperationAct
            key={operation.name}
            operation={operation}
            params={params}
            item={item}
            of={members}
            name={titleOfItem(special, members, item, words.value)}
            blast={blast}
            first={first}
            reach={reach === undefined ? undefined : { [reach]: Object.values(params)[0] ?? '' }}
            readAgain={readAgain}
            onDone={() => onDone?.(operation)}
          />
        ))}
      {Object.entries(special.also ?? {}).map(([name, begins]) => {
        const operation = operations.find((each) => each.name === name);
        return operation && <OperationAct key={name} operation={operation} begins={begins(item as never)} />;
      })}
    </>
  );
}

/** Loads the next page of a list, which is read ahead when the end of this one is in sight, and before a click. */
function More({ pages, ahead }: { readonly pages: ReturnType<typeof usePagesByName>; readonly ahead: () => void }) {
  const texts = useTexts(common);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const watching = new IntersectionObserver(([seen]) => seen?.isIntersecting && ahead());
    watching.observe(button.current as HTMLButtonElement);
    return () => watching.disconnect();
  }, [pages.data?.pages.length]);
  const [disabled, more] = [pages.isFetchingNextPage, () => void pages.fetchNextPage()];
  return (
    <button ref={button} type="button" disabled={disabled} onClick={more} onPointerEnter={ahead} onFocus={ahead}>
      {texts.loadMore}
    </button>
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
  readonly only?: (item: Item) => boolean;
  readonly above?: Above | undefined;
  readonly empty?: ComponentChildren;
}) {
  const words = useWords(segment);
  const texts = useTexts(common);
  const number = useNumber();
  const { inRow, asRow } = special;
  const inside = async () => ({ ...(await inRow?.()), ...(await asRow?.()) });
  const { InRow, AsRow } = useReadBy([special.list, 'in a row'], inside).data ?? {};
  const { answer } = operation;
  const members = answer?.members ?? {};
  const row = rowOf(special, members);
  const place = group === undefined ? undefined : placeOf(group.segment);
  const isPage = group !== undefined && place !== undefined && hasPage(group, special);
  const asked = queryOf(operation, query, limit);
  const pages = usePagesByName<Item>(operation.name, asked, {
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
          const ahead = () => void readAhead(operation.name, asked, path, String(read.at(-1)?.next));
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
                      title={
                        <Foreign lang={'fix' in item ? 'en' : undefined}>
                          {titleOfItem(special, members, item, words.value)}
                        </Foreign>
                      }
                      meta={row.meta
                        .map((name) => [name, shapeAt(members, name) as Shape, valueAt(item, name)] as const)
                        .filter(([, , value]) => isShown(value))
                        .map(([name, shape, value]) => (
                          <span key={name}>
                            {isNamed(shape, name) ? `${words.member(name)}${name === 'fix' ? ':' : ''} ` : null}
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
                {pages.hasNextPage ? <More pages={pages} ahead={ahead} /> : null}
              </div>
            </>
          );
        }}
      </Shown>
    </>
  );
}

/** Whether the reader may see the list of a page, and whether any of its items needs attention, once that is known. */
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
