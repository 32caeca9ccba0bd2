import type { Answer } from '../data/api.ts';
import type { Item } from '../fold/operation.ts';
import { Section } from '../parts/page.tsx';
import { inLanguages, useLanguage, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    timeline: 'Timeline',
    waits: 'published, not signing yet',
    signs: 'signs',
    verifies: 'only verifies',
    now: 'now',
    never: 'open end',
  },
  de: {
    timeline: 'Zeitachse',
    waits: 'veröffentlicht, signiert noch nicht',
    signs: 'signiert',
    verifies: 'prüft nur noch',
    now: 'jetzt',
    never: 'offenes Ende',
  },
});

const DAY_MS = 86_400_000;
/** An open end is drawn this far beyond the last known date. */
const BEYOND_MS = 7 * DAY_MS;

const KINDS = ['waits', 'signs', 'verifies'] as const;

/** When a key is published, signs, and only verifies, in milliseconds; an open end goes to `end`. */
function spansOf(key: Answer<'GET /v1/keys'>['keys'][number], end: number) {
  const at = (time: string | null): number => (time === null ? end : Date.parse(time));
  const times = [key.published_at, key.activates_at, key.signs_until, key.leaves_at].map(at);
  return KINDS.map((kind, n) => ({ kind, from: times[n] ?? end, to: times[n + 1] ?? end })).filter(
    ({ from, to }) => to > from,
  );
}

/** When each key signs and verifies, drawn over one axis of time. */
export function Above({ answer }: { readonly answer: Item }) {
  const own = useTexts(texts);
  const language = useLanguage();
  const { keys } = answer as Answer<'GET /v1/keys'>;
  if (keys.length === 0) return null;
  const date = (ms: number): string => new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(ms);
  const now = Date.now();
  const known = keys
    .flatMap((key) => [key.published_at, key.signs_until, key.leaves_at])
    .flatMap((at) => (at === null ? [] : [Date.parse(at)]));
  const begin = Math.min(now - DAY_MS, ...known);
  const end = Math.max(now, ...known) + BEYOND_MS;
  const percent = (ms: number): string => `${(((ms - begin) / (end - begin)) * 100).toFixed(2)}%`;
  return (
    <Section title={own.timeline}>
      <figure class="timeline" aria-label={own.timeline}>
        <ul>
          {keys.map((key) => (
            <li key={key.kid}>
              <span class="timeline-name">
                <code>{key.kid.slice(0, 12)}</code>
                <span class="dim small">{key.alg}</span>
              </span>
              <span class="timeline-track">
                {spansOf(key, end).map(({ kind, from, to }) => (
                  <span
                    key={kind}
                    role="img"
                    class={`timeline-span ${kind} ${key.state}`}
                    title={`${own[kind]}: ${date(from)} – ${to >= end ? own.never : date(to)}`}
                    style={{ left: percent(from), width: `calc(${percent(to)} - ${percent(from)})` }}
                  />
                ))}
                <span class="timeline-now" style={{ left: percent(now) }} />
              </span>
            </li>
          ))}
        </ul>
        <figcaption class="dim small">
          {([...KINDS, 'now'] as const).map((kind) => (
            <span key={kind} class="timeline-kind">
              <span class={`swatch ${kind}`} /> {own[kind]}
            </span>
          ))}
          <span class="timeline-ends">
            {date(begin)} – {date(end)}
          </span>
        </figcaption>
      </figure>
    </Section>
  );
}
