import { common } from '../texts/common.ts';
import { type LanguageTag, useLanguage, useTexts } from '../texts/languages.ts';

const STEPS = [
  ['second', 60],
  ['minute', 60],
  ['hour', 24],
  ['day', 30],
  ['month', 12],
  ['year', Number.POSITIVE_INFINITY],
] as const;

/** One formatter a language: making one takes a thousand times longer than using it, and a list has hundreds of times. */
function perLanguage<T>(make: (language: LanguageTag) => T): (language: LanguageTag) => T {
  const made = new Map<LanguageTag, T>();
  return (language) => {
    const known = made.get(language) ?? make(language);
    made.set(language, known);
    return known;
  };
}

const ages = perLanguage((language) => new Intl.RelativeTimeFormat(language, { numeric: 'auto' }));
const times = perLanguage((language) => new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'long' }));
const numbers = perLanguage((language) => new Intl.NumberFormat(language));

/** `3 minutes ago`, in the language of the page. */
function ago(at: string, language: LanguageTag, nowMs = Date.now()): string {
  let value = (Date.parse(at) - nowMs) / 1_000;
  const words = ages(language);
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return words.format(Math.round(value), unit);
    value /= size;
  }
  return at;
}

/** In the time zone of the browser, which it names. */
export const exactTime = (at: string | number, language: LanguageTag): string => times(language).format(new Date(at));

/** How long ago, with the exact time on hover and for screen readers. */
export function Time({ at }: { readonly at: string | null | undefined }) {
  const language = useLanguage();
  const texts = useTexts(common);
  if (at == null) return <span class="dim">{texts.never}</span>;
  return (
    <time dateTime={at} title={exactTime(at, language)}>
      {ago(at, language)}
    </time>
  );
}

export const useNumber = (): ((value: number) => string) => {
  const language = useLanguage();
  return (value) => numbers(language).format(value);
};

/** `5 minutes`, of seconds, in the largest unit that has at least one of it. */
export const useDuration = (): ((seconds: number) => string) => {
  const language = useLanguage();
  return (seconds) => {
    let value = seconds;
    for (const [unit, size] of STEPS) {
      if (value < size)
        return new Intl.NumberFormat(language, {
          style: 'unit',
          unit,
          unitDisplay: 'long',
          maximumFractionDigits: unit === 'second' ? 0 : 1,
        }).format(value);
      value /= size;
    }
    return '';
  };
};

export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'accent';
export const Badge = ({ tone = 'plain', children }: { readonly tone?: Tone; readonly children: string }) => (
  <span class={`badge ${tone}`}>{children}</span>
);

/** Text of users, clients and requests: its direction does not change the text around it. */
export const Foreign = ({ lang, children }: { readonly lang?: 'en'; readonly children: string }) => (
  <bdi lang={lang}>{children}</bdi>
);

/** An id, whole for the clipboard. */
export const Id = ({ children }: { readonly children: string }) => <code class="id">{children}</code>;
