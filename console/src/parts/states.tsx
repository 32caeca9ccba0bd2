import type { ComponentChildren } from 'preact';
import { Refusal, Told } from '../data/api.ts';
import { common } from '../texts/common.ts';
import { problems, type Words } from '../texts/generated/problems.ts';
import { fill, useLanguage, useTexts } from '../texts/languages.ts';
import { CommandLine } from './copy.tsx';
import { exactTime } from './format.tsx';

/** What is said about a refusal in the language of the reader; as the API says it only for a code that it never answers. */
function useWords(): (refusal: Refusal) => Words {
  const language = useLanguage();
  return ({ code, message, fix }) => problems[code]?.[language] ?? [message, fix];
}

/** What went wrong, in words for people. @param isRead what the console asks for again by itself */
export function useWhy(isRead = false): (error: unknown) => string {
  const texts = useTexts(common);
  const wordsOf = useWords();
  return (error) =>
    error instanceof Refusal
      ? [wordsOf(error)[0], error.detail].filter((text) => text !== '').join('. ')
      : error instanceof Told
        ? error.message
        : texts[isRead ? 'unreachable' : 'unanswered'];
}

/** Nothing is there yet, or nothing matches: what will be here, and the command that makes the first one if there is one. */
export const Empty = ({
  title,
  why,
  command,
  children,
}: {
  readonly title: string;
  readonly why?: string;
  readonly command?: string | undefined;
  readonly children?: ComponentChildren;
}) => (
  <div class="state">
    <p class="state-title">{title}</p>
    {why === undefined ? null : <p>{why}</p>}
    {children}
    {command === undefined ? null : <CommandLine text={command} />}
  </div>
);

const LINES = [1, 2, 3, 4, 5] as const;

/** Grey lines in the place of the content, so that nothing jumps when it comes. */
export function Loading({ lines = 3 }: { readonly lines?: 1 | 2 | 3 | 4 | 5 }) {
  const texts = useTexts(common);
  return (
    <div class="loading" role="status" aria-label={texts.loading}>
      {LINES.slice(0, lines).map((line) => (
        <div key={line} class="bone" />
      ))}
    </div>
  );
}

export function Failed({ error, onRetry }: { readonly error: unknown; readonly onRetry?: () => void }) {
  const texts = useTexts(common);
  const why = useWhy(true);
  const wordsOf = useWords();
  const advice = error instanceof Refusal ? wordsOf(error)[1] : undefined;
  return (
    <div class="state bad" role="alert">
      <p class="state-title">{texts.failed}</p>
      <p>{why(error)}</p>
      {advice ? <p class="dim">{advice}</p> : null}
      {error instanceof Refusal && error.traceId !== undefined ? (
        <p class="dim small">{fill(texts.traceId, { id: error.traceId })}</p>
      ) : null}
      {onRetry === undefined ? null : (
        <button type="button" onClick={onRetry}>
          {texts.tryAgain}
        </button>
      )}
    </div>
  );
}

type Query<T> = {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly isPending: boolean;
  readonly dataUpdatedAt: number;
  readonly refetch: () => unknown;
};

/** The four states of what is read: it loads, it failed, it is old because a refresh failed, it is there. */
export function Shown<T>({
  query,
  lines,
  children,
}: {
  readonly query: Query<T>;
  readonly lines?: 1 | 2 | 3 | 4 | 5;
  readonly children: (data: T) => ComponentChildren;
}) {
  const texts = useTexts(common);
  const language = useLanguage();
  const why = useWhy(true);
  const { data, error } = query;
  const retry = (): void => void query.refetch();
  if (data === undefined)
    return error ? <Failed error={error} onRetry={retry} /> : <Loading {...(lines === undefined ? {} : { lines })} />;
  const time = exactTime(query.dataUpdatedAt, language);
  return (
    <>
      {error ? (
        <div class="note warn" role="status">
          <span>{fill(texts.stale, { time, why: why(error) })}</span>{' '}
          <button type="button" class="quiet small" onClick={retry}>
            {texts.tryAgain}
          </button>
        </div>
      ) : null}
      {children(data)}
    </>
  );
}
