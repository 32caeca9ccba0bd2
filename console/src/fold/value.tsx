import type { ComponentChildren } from 'preact';
import { visibleText } from '../data/visible-text.ts';
import { CopyId } from '../parts/copy.tsx';
import { Badge, Foreign, Id, Time, type Tone, useDuration, useNumber } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Facts } from '../parts/page.tsx';
import { refTo } from '../parts/ref.tsx';
import { common } from '../texts/common.ts';
import { fill, useTexts } from '../texts/languages.ts';
import type { Item, Members, Shape } from './operation.ts';
import type { Resource } from './resource.ts';
import { useWords } from './words.ts';

/** How loud a value is; the usual one is no badge at all. */
const TONES: Readonly<Record<string, Tone | null>> = {
  acknowledged: 'accent',
  active: 'good',
  admin: null,
  applied: 'good',
  approved: 'accent',
  'audit-events.counted': 'plain',
  'audit-events.ok': 'plain',
  collecting: 'accent',
  completed: 'good',
  compromised: 'bad',
  critical: 'bad',
  dead: 'bad',
  denied: 'bad',
  disabled: 'bad',
  document: 'warn',
  done: 'good',
  enabled: 'good',
  error: 'warn',
  fail: 'bad',
  failed: 'bad',
  firing: 'bad',
  given_up: 'bad',
  high: 'bad',
  interrupted: 'bad',
  'keys.pending': 'accent',
  killed: 'bad',
  live: 'good',
  medium: 'warn',
  no_user: 'warn',
  open: 'bad',
  paused: 'warn',
  pass: 'good',
  pending: 'warn',
  queued: 'accent',
  registration: 'warn',
  retiring: 'warn',
  revoked: 'bad',
  running: 'accent',
  sealing: 'accent',
  sent: 'good',
  silent: 'warn',
  waiting: 'accent',
};
/** How loud other values are. */
const USUAL: Readonly<Record<string, Tone>> = { 'audit-events': 'warn' };
/** Members that are loud when they are set. */
const LOUD: Readonly<Record<string, Tone>> = {
  altered: 'bad',
  behind: 'warn',
  dead: 'bad',
  disabled: 'bad',
  disabled_at: 'bad',
  failure: 'bad',
  given_up: 'bad',
  is_active: 'warn',
  is_down: 'bad',
  late: 'warn',
  overdue: 'bad',
  stale: 'bad',
  waiting: 'accent',
};

/** Texts that are times, and those that are words of ours though their contract names no choice. */
const IS_TIME = /_(?:at|until)$/;
const IS_WORD = /^(?:detection|outcome|notice)$/;
/** What the API says in English alone. */
const IS_ENGLISH = /^(?:cause|fix|meaning)$/;

/** A number that has a word of its own, such as none at all. */
const numberWord = (name: string, value: unknown, word: (value: string) => string): string | undefined => {
  const key = `${name}.${value}`;
  const found = word(key);
  return found === key ? undefined : found;
};

const isNothing = (value: unknown): boolean => value === null || value === undefined || value === '';

/** The state of an item at a glance: a word for a choice, the name of the member for what is set. */
function StateBadge({ name, shape, item, segment }: Of & { readonly name: string; readonly item: Item }) {
  const words = useWords(segment);
  const number = useNumber();
  const value = item[name];
  const none = value === 0 ? numberWord(name, value, words.value) : undefined;
  if (none !== undefined) return <Badge tone="good">{none}</Badge>;
  if (isNothing(value) || value === false || value === 0) return null;
  if (shape.kind === 'number')
    return <Badge tone={LOUD[name] ?? 'plain'}>{`${words.member(name)}: ${number(Number(value))}`}</Badge>;
  if (shape.kind === 'yes' || shape.kind === 'time')
    return <Badge tone={LOUD[name] ?? 'plain'}>{words.member(name)}</Badge>;
  const tone = LOUD[name] ?? TONES[`${segment}.${value}`] ?? TONES[String(value)];
  return tone === null ? null : <Badge tone={tone ?? USUAL[segment] ?? 'plain'}>{words.value(String(value))}</Badge>;
}

/** The badges of an item: how many of how many, and its states. */
export function StateBadges({
  special: { counted },
  names,
  members,
  item,
  segment,
}: {
  readonly special: Resource;
  readonly names: readonly string[];
  readonly members: Members;
  readonly item: Item;
  readonly segment: string;
}) {
  const texts = useTexts(common);
  const [count, all] = counted?.(item as never) ?? [];
  return (
    <>
      {all === undefined ? null : <Badge>{fill(texts.counted, { count: Number(count), all })}</Badge>}
      {names.map((name) => (
        <StateBadge key={name} name={name} shape={members[name] ?? { kind: 'choice' }} item={item} segment={segment} />
      ))}
    </>
  );
}

type Of = { readonly shape: Shape; readonly segment: string };

/** As RFC 5952 writes it: `::1` for one of eight groups. */
function shortAddress(address: string): string {
  const url = `ws://[${address}]`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : visibleText(address);
}

export function Value({
  name,
  shape,
  value,
  segment,
  isInline = false,
}: Of & { readonly name: string; readonly value: unknown; readonly isInline?: boolean }) {
  const words = useWords(segment);
  const texts = useTexts(common);
  const number = useNumber();
  const duration = useDuration();
  if (isNothing(value)) return shape.kind === 'time' ? <Time at={null} /> : <>–</>;
  const ref = shape.kind === 'any' ? undefined : refTo(name, value);
  if (ref !== undefined) return ref;
  switch (shape.kind) {
    case 'time':
      return <Time at={String(value)} />;
    case 'number':
      if (name.endsWith('_seconds')) return <>{duration(Number(value))}</>;
      return <>{numberWord(name, value, words.value) ?? number(Number(value))}</>;
    case 'yes':
      return <>{value === true ? texts.yes : texts.no}</>;
    case 'choice':
      return <Foreign>{words.value(String(value))}</Foreign>;
    case 'text':
    case 'id':
      if (name === 'ip_address') return <Foreign>{shortAddress(String(value))}</Foreign>;
      if (IS_TIME.test(name)) return <Time at={String(value)} />;
      if (IS_ENGLISH.test(name)) return <Foreign lang="en">{visibleText(String(value))}</Foreign>;
      return <Foreign>{visibleText(IS_WORD.test(name) ? words.value(String(value)) : String(value))}</Foreign>;
    case 'list':
      return isInline && shape.of?.kind !== 'object' ? (
        <Foreign>
          {(value as readonly unknown[]).map((each) => visibleText(wordOf(shape.of, each, words.value))).join(', ')}
        </Foreign>
      ) : (
        <Listed shape={shape} items={value as readonly unknown[]} segment={segment} />
      );
    case 'object':
      return <MemberFacts members={shape.members ?? {}} item={value as Item} segment={segment} />;
    case 'any':
      return isEmpty(value) ? <>–</> : <Json value={value} />;
  }
}

/** A choice is a word of ours, and any other text what it is. */
const wordOf = (shape: Shape | undefined, value: unknown, word: (value: string) => string): string =>
  shape?.kind === 'choice' ? word(String(value)) : String(value);

const isEmpty = (value: unknown): boolean => typeof value === 'object' && Object.keys(value as object).length === 0;

function Listed({ shape, items, segment }: Of & { readonly items: readonly unknown[] }) {
  const words = useWords(segment);
  if (items.length === 0) return <>–</>;
  const { of } = shape;
  return (
    <ul class="listed">
      {items.map((item, at) => (
        <li key={`${at} ${JSON.stringify(item)}`}>
          {of?.kind === 'object' ? (
            <MemberFacts members={of.members ?? {}} item={item as Item} segment={segment} />
          ) : typeof item === 'object' ? (
            <Json value={item} />
          ) : (
            <Foreign>{visibleText(wordOf(of, item, words.value))}</Foreign>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Names and values of members; what is not set is left out. @param idName the member that is an id to copy */
export function MemberFacts({
  members,
  item,
  segment,
  idName,
}: {
  readonly members: Members;
  readonly item: Item;
  readonly segment: string;
  readonly idName?: string;
}) {
  const words = useWords(segment);
  const shown = Object.entries(members).filter(([name]) => !isNothing(item[name]));
  return (
    <Facts
      items={shown.map(([name, shape]): readonly [string, ComponentChildren] => [
        words.member(name),
        name === idName ? (
          <CopyId>{String(item[name])}</CopyId>
        ) : shape.kind === 'id' ? (
          <Id>{String(item[name])}</Id>
        ) : (
          <Value name={name} shape={shape} value={item[name]} segment={segment} />
        ),
      ])}
    />
  );
}
