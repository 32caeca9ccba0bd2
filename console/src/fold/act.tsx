import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { callByName, queries, Refusal, Told } from '../data/api.ts';
import { useCan, useSession } from '../data/session.tsx';
import { type Act, ActDialog } from '../parts/act.tsx';
import { CopyButton } from '../parts/copy.tsx';
import { Reach } from '../parts/reach.tsx';
import { common } from '../texts/common.ts';
import { fill, useLanguage, useTexts } from '../texts/languages.ts';
import { Fields } from './fields.tsx';
import { changesOf, commandOf, isFilled, startAll, type TypedMembers } from './form.ts';
import type { Item, Members, Operation, Shape } from './operation.ts';
import { MemberFacts } from './value.tsx';
import { useWords } from './words.ts';

type ActProps = {
  readonly operation: Operation;
  /** The parameters of its path that are known; the others are fields. */
  readonly params?: Readonly<Record<string, string>>;
  /** What it is done to, with the members of that. */
  readonly item?: Item;
  readonly of?: Members;
  /** What it is called in the title of the dialog. */
  readonly name?: string;
  /** Members of the item that say what it affects. */
  readonly blast?: readonly string[];
  readonly reach?: Readonly<Record<string, string>> | undefined;
  /** Fields that stay in sight, and values that they begin with. */
  readonly first?: readonly string[] | undefined;
  readonly begins?: Item;
  /** Reads the item again, to see whether it was changed meanwhile. */
  readonly readAgain?: (() => Promise<Item | undefined>) | undefined;
  readonly onDone?: (answer: unknown) => void;
};

const isChangeOf = (operation: Operation): boolean => ['PUT', 'PATCH'].includes(operation.method);
const same = (one: unknown, other: unknown): boolean => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

/** A secret and the like, which only this answer shows. */
function Once({
  names,
  answer,
  segment,
}: {
  readonly names: readonly string[];
  readonly answer: Item;
  readonly segment: string;
}) {
  const texts = useTexts(common);
  const words = useWords(segment);
  return (
    <>
      {names.map((name) => (
        <div key={name} class="note good" role="status">
          <strong>
            {words.member(name)}: {texts.shownOnce}
          </strong>
          <p>
            <code class="secret">{String(answer[name])}</code>
          </p>
          <CopyButton text={String(answer[name])} />
        </div>
      ))}
    </>
  );
}

/** What an act would do. It has the focus when it comes, because it is to be read before the reason is given. */
function Report({ label, ...found }: Parameters<typeof MemberFacts>[0] & { readonly label: string }) {
  const section = useRef<HTMLElement>(null);
  useLayoutEffect(() => section.current?.focus(), []);
  return (
    <section ref={section} class="blast" tabIndex={-1} aria-label={label}>
      <strong>{label}</strong>
      <MemberFacts {...found} />
    </section>
  );
}

/** The state of a form: what is typed, what it sends, and the key by which a repetition is done once. */
function useForm({ operation, params = {}, item, begins, readAgain }: ActProps) {
  const texts = useTexts(common);
  const { segment } = operation;
  const words = useWords(operation.path.split('/').at(-1) ?? '', segment);
  const isChange = isChangeOf(operation);
  const asked = operation.params.filter((param) => !(param in params));
  const members: Members = {
    ...Object.fromEntries(asked.map((param) => [param, { kind: 'text', required: true } as const])),
    ...operation.members,
  };
  const before = useRef<Item>({ ...(isChange ? item : {}), ...begins });
  const [start] = useState(() => startAll(members, before.current));
  const [typed, setTyped] = useState<TypedMembers>(start);
  const kept = useRef({ of: '', key: '' });

  /** @throws Told for data that is not JSON */
  const sent = (): Item => {
    try {
      return changesOf(members, start, typed, isChange);
    } catch (error) {
      throw new Told(fill(texts.notJson, { name: error instanceof Error ? error.message : '' }));
    }
  };
  const shown = (): Item => {
    try {
      return sent();
    } catch {
      return {};
    }
  };
  /** @throws Told if another administrator changed members that this changes, once for each change */
  const assertUnchanged = async (changes: Item): Promise<void> => {
    const now = await readAgain?.();
    if (now === undefined) return;
    const changed = Object.keys(changes).filter((name) => name in now && !same(now[name], before.current[name]));
    before.current = { ...before.current, ...now };
    if (changed.length === 0) return;
    void queries.invalidateQueries();
    const shown = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value));
    const what = changed.map((name) => `${words.member(name)}: ${shown(now[name] ?? '–')}`);
    throw new Told(fill(texts.changedMeanwhile, { what: what.join('; ') }));
  };
  /** Sends a change with the ETag that was read; one that meets another change is sent again if they do not touch. */
  const send = async (input: Parameters<typeof callByName>[1], changes: Item): Promise<unknown> => {
    const { etag } = before.current;
    try {
      return await callByName(operation.name, { ...input, ...(isChange && etag ? { ifMatch: String(etag) } : {}) });
    } catch (error) {
      if (!(error instanceof Refusal && error.code === 'changed_meanwhile')) throw error;
      await assertUnchanged(changes);
      if (before.current.etag === etag) throw error;
      return send(input, changes);
    }
  };
  const run = async (reason: string): Promise<unknown> => {
    const changes = sent();
    if (isChange && before.current.etag === undefined) await assertUnchanged(changes);
    const own = Object.entries(changes);
    const path = { ...params, ...Object.fromEntries(own.filter(([name]) => asked.includes(name))) };
    const rest = Object.fromEntries(own.filter(([name]) => !asked.includes(name)));
    const said = operation.reason === undefined ? {} : { reason };
    const input = {
      path,
      ...(operation.sends === 'body' ? { body: { ...rest, ...(operation.reason === 'body' ? said : {}) } } : {}),
      ...(operation.sends === 'query' || operation.reason === 'query'
        ? { query: { ...(operation.sends === 'query' ? rest : {}), ...said } }
        : {}),
    };
    // The same request again has the same key: if it was done and only the answer was lost, it is not done twice.
    const of = JSON.stringify(input);
    if (kept.current.of !== of) kept.current = { of, key: crypto.randomUUID() };
    const answer = await send({ ...input, ...(operation.keyed ? { idempotencyKey: kept.current.key } : {}) }, changes);
    kept.current = { of: '', key: '' };
    return answer;
  };
  const rehearse = async (): Promise<Item> =>
    (await callByName(operation.rehearsal?.name ?? '', { body: sent() })) as Item;
  const isTouched = Object.keys(typed).some((name) => typed[name] !== start[name]);
  return { members, typed, setTyped, shown, run, rehearse, isChange, isTouched };
}

const problemsOf = (error: unknown) => (path: string) => {
  if (!(error instanceof Refusal)) return undefined;
  const at = (place: string): string => place.slice(place.indexOf('/') + 1);
  return error.problems.find((each) => at(each.at) === path || at(each.at).startsWith(`${path}/`))?.why;
};

/** What a dialog asks before a write, as its contract says. */
function useAct(props: ActProps): Act {
  const { operation, params = {}, item, of = {}, name, blast = [], reach, first, onDone } = props;
  const language = useLanguage();
  const texts = useTexts(common);
  const { segment } = operation;
  const within = [operation.path.split('/').at(-1) ?? '', segment];
  const form = useForm(props);
  const { rehearsal } = operation;
  const [found, setFound] = useState<{ readonly of: TypedMembers; readonly answer: Item }>();
  const isFound = found?.of === form.typed;
  const isFirst = rehearsal !== undefined && !isFound;
  const [named = ''] = operation.says?.[language] ?? [];
  const [verb = '', lead = ''] = (isFirst ? rehearsal : operation).says?.[language] ?? [];
  const changes = form.shown();
  const isKnown = (name: string): boolean => of[name] !== undefined && item?.[name] != null;
  const affected = Object.fromEntries(blast.filter(isKnown).map((each) => [each, of[each] as Shape]));
  const counted = reach !== undefined && operation.ends ? <Reach of={reach} /> : null;
  const facts =
    item !== undefined && Object.keys(affected).length > 0 ? (
      <MemberFacts members={affected} item={item} segment={segment} />
    ) : null;
  const isNothing = form.isChange && (!form.isTouched || Object.keys(changes).length === 0);
  return {
    title: name === undefined ? named : `${named}: ${name}`,
    lead,
    verb,
    isHarmful: operation.ends === true,
    ...(isNothing
      ? { blast: texts.nothingYet }
      : counted === null && facts === null
        ? {}
        : {
            blast: (
              <>
                {counted}
                {facts}
              </>
            ),
          }),
    fields: (error) => (
      <>
        <Fields
          members={form.members}
          typed={form.typed}
          within={within}
          first={first ?? []}
          problemAt={problemsOf(error)}
          onChange={form.setTyped}
        />
        {isFound && rehearsal !== undefined ? (
          <Report label={texts.blast} members={rehearsal.members} item={found.answer} segment={segment} />
        ) : null}
      </>
    ),
    isReady: !isNothing && isFilled(form.members, changes),
    needsReason: operation.reason !== undefined && !isFirst,
    needsStepUp: operation.stepUp === true && !isFirst,
    ...(isFirst ? { rehearse: async () => setFound({ of: form.typed, answer: await form.rehearse() }) } : {}),
    command: (reason) => commandOf(operation, { ...params, ...changes }, reason),
    run: form.run,
    shows: (answer) => {
      const names = (operation.once ?? []).filter((each) => typeof (answer as Item | undefined)?.[each] === 'string');
      return names.length === 0 ? undefined : <Once names={names} answer={answer as Item} segment={segment} />;
    },
    ...(onDone === undefined ? {} : { onDone }),
  };
}

function Prepared({ onClose, ...props }: ActProps & { readonly onClose: () => void }) {
  return <ActDialog act={useAct(props)} onClose={onClose} />;
}

/** A button for a write: its dialog, its form and what it sends follow from the contract. Nothing without its permission. */
export function OperationAct(props: ActProps) {
  const can = useCan();
  const language = useLanguage();
  const [isOpen, setOpen] = useState(false);
  const { left_out: leftOut } = useSession();
  const { operation } = props;
  if (!can(operation.permission) || leftOut.includes(operation.wing ?? '')) return null;
  return (
    <>
      <button type="button" class={operation.ends ? 'danger-quiet' : undefined} onClick={() => setOpen(true)}>
        {operation.says?.[language]?.[0]}
      </button>
      {isOpen ? <Prepared {...props} onClose={() => setOpen(false)} /> : null}
    </>
  );
}
