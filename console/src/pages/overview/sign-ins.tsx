import type { Answer } from '../../data/api.ts';
import { useNumber } from '../../parts/format.tsx';
import { Section } from '../../parts/page.tsx';
import { fill, inLanguages, useLanguage, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    signIns: 'Sign-ins of the last 24 hours',
    succeeded: 'succeeded',
    failed: 'failed',
    signInsAt: '{hour}: {succeeded} succeeded, {failed} failed',
  },
  de: {
    signIns: 'Anmeldungen der letzten 24 Stunden',
    succeeded: 'gelungen',
    failed: 'gescheitert',
    signInsAt: '{hour}: {succeeded} gelungen, {failed} gescheitert',
  },
});

type Hour = Answer<'GET /v1/admin/dashboard'>['security']['hours'][number];

const BAR = 10;
const HEIGHT = 100;

/** A bar for each hour; the table of the same figures is its text for screen readers. */
export function SignIns({ hours }: { readonly hours: readonly Hour[] }) {
  const own = useTexts(texts);
  const language = useLanguage();
  const number = useNumber();
  const most = Math.max(1, ...hours.map((hour) => hour.sign_ins_succeeded + hour.sign_ins_failed));
  const hourOf = (at: string): string => new Intl.DateTimeFormat(language, { timeStyle: 'short' }).format(new Date(at));
  const said = hours.map(({ hour, sign_ins_succeeded: succeeded, sign_ins_failed: failed }) =>
    fill(own.signInsAt, { hour: hourOf(hour), succeeded, failed }),
  );
  return (
    <Section title={own.signIns}>
      <div class="bars">
        <div class="bars-scale dim small" aria-hidden="true">
          <span>{number(most)}</span>
          <span>0</span>
        </div>
        <svg
          viewBox={`0 0 ${hours.length * BAR} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={own.signIns}
        >
          {hours.map((hour, at) => {
            const good = (hour.sign_ins_succeeded / most) * HEIGHT;
            const bad = (hour.sign_ins_failed / most) * HEIGHT;
            return (
              <g key={hour.hour}>
                <title>{said[at]}</title>
                <rect x={at * BAR + 1} width={BAR - 2} y={HEIGHT - 1} height={1} class="base" />
                <rect x={at * BAR + 1} width={BAR - 2} y={HEIGHT - good} height={good} class="good" />
                <rect x={at * BAR + 1} width={BAR - 2} y={HEIGHT - good - bad} height={bad} class="bad" />
              </g>
            );
          })}
        </svg>
        <div class="bars-ends dim small" aria-hidden="true">
          {[hours[0], hours[Math.floor(hours.length / 2)], hours.at(-1)].map((hour) =>
            hour === undefined ? null : <span key={hour.hour}>{hourOf(hour.hour)}</span>,
          )}
        </div>
      </div>
      <ul class="hidden">
        {said.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <p class="legend dim small">
        <span class="good-dot" aria-hidden="true" /> {own.succeeded}
        <span class="bad-dot" aria-hidden="true" /> {own.failed}
      </p>
    </Section>
  );
}
