import { Fragment } from 'preact';
import { useLocation } from 'preact-iso';
import { callByName, Refusal, useReadBy } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { DownloadButton } from '../parts/download.tsx';
import { PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { type Fold, hrefOf, type Place, placeOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { useLanguage, useTexts } from '../texts/languages.ts';
import { actsOfRows, keyOf } from './group.ts';
import type { Item, Members, Operation, Shape } from './operation.ts';
import { resources } from './resources.ts';
import { ItemActs, Rows, titleOfItem } from './rows.tsx';
import { SectionShown, Sections } from './shown-sections.tsx';
import { MemberFacts, StateBadges } from './value.tsx';
import { placeText, useWords } from './words.ts';

/** An item of a list without an operation for one is looked for on this many pages. */
const PAGES_MAX = 20;
/** What is more than a line; a kind with an id is less. */
const isLong = ({ kind, members = {} }: Shape): boolean =>
  ['list', 'object', 'any'].includes(kind) && Object.keys(members).join() !== 'kind,id';

/** What was removed is no failure. */
const unlessGone = (error: unknown): null => {
  if (error instanceof Refusal && error.status === 404) return null;
  throw error;
};

/** Reads one item by its own operation, or finds it in the list. */
async function readItem(
  { group: { list, detail, ...group } }: Fold,
  params: Readonly<Record<string, string>>,
): Promise<Item | null> {
  if (detail !== undefined) return (await callByName(detail.name, { path: params }).catch(unlessGone)) as Item | null;
  let cursor: unknown;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = { ...(list.answer?.paged ? { limit: 100 } : {}), ...(cursor ? { cursor } : {}) };
    const answer = (await callByName(list.name, { query })) as Item;
    const items = answer[list.answer?.list ?? ''] as readonly Item[];
    const found = items.find(
      (item) => JSON.stringify(keyOf({ list, detail, ...group }, item)) === JSON.stringify(params),
    );
    if (found !== undefined) return found;
    cursor = answer.next;
    if (!cursor) return null;
  }
  return null;
}

/** `/v1/admin/users` → `user`, as the target of events is called. */
const kindOf = ({ path }: Operation): string => (path.split('/').at(-1) ?? '').replace(/s$/, '').replaceAll('-', '_');

/** A list of the item alone, such as the deliveries of a target. */
function Related({ operation, segment, ...rows }: Omit<Parameters<typeof Rows>[0], 'label' | 'empty'>) {
  const language = useLanguage();
  const can = useCan();
  const title = placeText(segment, 'many', language);
  if (!can(operation.permission)) return null;
  return (
    <Section title={title}>
      <Rows operation={operation} segment={segment} {...rows} label={title} />
    </Section>
  );
}

function FileButton({
  operation,
  params,
  segment,
}: {
  readonly operation: Operation;
  readonly params: Readonly<Record<string, string>>;
  readonly segment: string;
}) {
  const language = useLanguage();
  const label = operation.says?.[language]?.[0] ?? '';
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  return (
    <DownloadButton
      path={path as `/v1/${string}`}
      name={`${segment}-${Object.values(params).join('-')}-${path.split('/').at(-1)}.${operation.file}`}
      label={label}
    >
      {label}
    </DownloadButton>
  );
}

/** Loads the page of an item: what it is, what may be done to it, and what belongs to it. */
export async function detailOf(fold: Fold) {
  const { group, special } = fold;
  const { segment, list, detail } = group;
  const members: Members = (detail ?? list).answer?.members ?? {};
  const parts = (await special.parts?.())?.parts;
  const Around = (await special.around?.())?.Around ?? Fragment;
  function Page({ params, title }: PageProps) {
    const texts = useTexts(common);
    const words = useWords(segment);
    const can = useCan();
    const { route } = useLocation();
    const place = placeOf(segment) as Place;
    const query = useReadBy([(detail ?? list).name, params], () => readItem(fold, params), special.every);
    const item = query.data;
    const name = item == null ? title : titleOfItem(special, members, item, words.value);
    const id = Object.values(params)[0] ?? '';
    const split = (isKind: boolean): Members =>
      Object.fromEntries(
        Object.entries(members).filter(
          ([name, shape]) => isLong(shape) === isKind && !special.elsewhere?.includes(name),
        ),
      );
    const back = hrefOf(place);
    const readAgain = async (): Promise<Item | undefined> => (await readItem(fold, params)) ?? undefined;
    const onDone = (operation: Operation): void => {
      if (operation.method === 'DELETE' && operation.path.endsWith('}') && operation.params.length === group.key.length)
        route(back, true);
      else if (operation.ends && /\/(?:remove|discard)$/.test(operation.name)) route(back, true);
    };
    return (
      <div class="page">
        <p class="crumb">
          <a href={back}>{words.place('many')}</a>
        </p>
        <PageHead
          title={name}
          badges={
            item == null ? undefined : (
              <StateBadges
                special={special}
                names={special.badges ?? []}
                members={members}
                item={item}
                segment={segment}
              />
            )
          }
        >
          {item == null ? undefined : (
            <>
              <ItemActs
                key={JSON.stringify(params)}
                group={group}
                special={special}
                item={item}
                members={members}
                readAgain={readAgain}
                onDone={onDone}
              />
              {group.files
                .filter((file) => can(file.permission) && special.when?.[file.name]?.(item as never) !== false)
                .map((file) => (
                  <FileButton key={file.name} operation={file} params={params} segment={segment} />
                ))}
            </>
          )}
        </PageHead>
        <Shown query={query} lines={5}>
          {(shown) =>
            shown === null ? (
              <Empty title={texts.gone} why={texts.goneWhy} />
            ) : (
              <>
                {parts === undefined ? null : <Sections parts={parts} at="above" item={shown} segment={segment} />}
                <Around item={shown}>
                  <div class="grid">
                    <Section title={texts.about}>
                      <MemberFacts members={split(false)} item={shown} segment={segment} idName={group.key[0] ?? ''} />
                    </Section>
                    {Object.keys(split(true)).some((each) => shown[each] != null) ? (
                      <Section title={texts.settings}>
                        <MemberFacts members={split(true)} item={shown} segment={segment} />
                      </Section>
                    ) : null}
                  </div>
                </Around>
                {group.lists.map((each) => (
                  <Related
                    key={each.name}
                    operation={each}
                    segment={`${segment}.${each.path.split('/').at(-1)}`}
                    special={resources.find(({ list: of }) => of === each.name) ?? { list: each.name }}
                    path={params}
                    acts={actsOfRows(group, each)}
                  />
                ))}
                {Object.entries(special.lists ?? {}).map(([of, filter]) => (
                  <SectionShown key={of} section={{ list: { of, by: { [filter]: id } } }} />
                ))}
                {parts === undefined ? null : <Sections parts={parts} at="below" item={shown} segment={segment} />}
                {special.events === undefined ? null : can('audit:read') ? (
                  <SectionShown
                    section={{
                      title: texts.happened,
                      list: {
                        of: 'audit-events',
                        by: { [special.events]: special.events === 'client' ? id : `${kindOf(list)}:${id}` },
                      },
                    }}
                  />
                ) : (
                  <p class="dim">{texts.noAudit}</p>
                )}
              </>
            )
          }
        </Shown>
      </div>
    );
  }
  return { Page };
}
