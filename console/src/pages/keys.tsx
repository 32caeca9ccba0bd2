import { call, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { ActButton } from '../parts/act.tsx';
import { commandLine } from '../parts/copy.tsx';
import { type Key, KeyRow } from '../parts/key-row.tsx';
import { PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { fill, inLanguages, useLanguage, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'A key is published before it signs, and stays published until its last token has expired',
    timeline: 'Timeline',
    waits: 'published, not signing yet',
    signs: 'signs',
    verifies: 'only verifies',
    now: 'now',
    ring: 'Keys',
    none: 'No key is in the ring',
    noneWhy: 'The API makes the first key when it starts. It appears here, and on its timeline.',
    rotate: 'Rotate',
    rotateTitle: 'Publish the next signing key',
    rotateLead: 'It is published now and signs after the hold period, when every verifier has it. No token is refused.',
    compromise: 'Report compromise',
    compromiseTitle: 'Revoke {kid}',
    compromiseLead:
      'Every token of this key is refused everywhere within a second, and another key signs at once. Applications refresh; people whose session is bound to it sign in again.',
    blast: 'All tokens that this key signed and that have not expired',
    row: '{kid}: {state}, from {from} to {to}',
    never: 'open end',
  },
  de: {
    lead: 'Ein Schlüssel wird veröffentlicht, bevor er signiert, und bleibt es, bis sein letztes Token abgelaufen ist',
    timeline: 'Zeitachse',
    waits: 'veröffentlicht, signiert noch nicht',
    signs: 'signiert',
    verifies: 'prüft nur noch',
    now: 'jetzt',
    ring: 'Schlüssel',
    none: 'Kein Schlüssel ist im Ring',
    noneWhy: 'Die API legt den ersten Schlüssel an, wenn sie startet. Er erscheint hier und auf der Zeitachse.',
    rotate: 'Wechseln',
    rotateTitle: 'Den nächsten Signaturschlüssel veröffentlichen',
    rotateLead:
      'Er wird jetzt veröffentlicht und signiert nach der Wartezeit, wenn jeder Prüfer ihn hat. Kein Token wird abgelehnt.',
    compromise: 'Kompromittierung melden',
    compromiseTitle: '{kid} widerrufen',
    compromiseLead:
      'Jedes Token dieses Schlüssels wird überall binnen einer Sekunde abgelehnt, und ein anderer signiert sofort. Anwendungen erneuern; wessen Sitzung an ihm hängt, meldet sich neu an.',
    blast: 'Alle Tokens, die dieser Schlüssel signiert hat und die nicht abgelaufen sind',
    row: '{kid}: {state}, von {from} bis {to}',
    never: 'offenes Ende',
  },
});

const DAY_MS = 86_400_000;
/** An open end is drawn this far beyond the last known date. */
const BEYOND_MS = 7 * DAY_MS;

type Span = { readonly kind: 'waits' | 'signs' | 'verifies'; readonly from: number; readonly to: number };

/** When a key is published, signs, and only verifies, in milliseconds; an open end goes to `end`. */
function spansOf(key: Key, end: number): Span[] {
  const published = Date.parse(key.published_at);
  const activates = Date.parse(key.activates_at);
  const compromised = key.compromised_at === null ? end : Date.parse(key.compromised_at);
  const until = Math.min(key.signs_until === null ? end : Date.parse(key.signs_until), compromised);
  const leaves = Math.min(key.leaves_at === null ? end : Date.parse(key.leaves_at), compromised);
  const spans: Span[] = [
    { kind: 'waits', from: published, to: Math.min(activates, compromised) },
    { kind: 'signs', from: activates, to: until },
    { kind: 'verifies', from: until, to: leaves },
  ];
  return spans.filter(({ from, to }) => to > from);
}

function Timeline({ keys }: { readonly keys: readonly Key[] }) {
  const own = useTexts(texts);
  const language = useLanguage();
  const date = (ms: number): string => new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(ms);
  const now = Date.now();
  const known = keys.flatMap((key) =>
    [key.published_at, key.signs_until, key.leaves_at].flatMap((at) => (at === null ? [] : [Date.parse(at)])),
  );
  const begin = Math.min(now - DAY_MS, ...known);
  const end = Math.max(now, ...known) + BEYOND_MS;
  const percent = (ms: number): string => `${(((ms - begin) / (end - begin)) * 100).toFixed(2)}%`;
  return (
    <figure class="timeline" aria-label={own.timeline}>
      <ul>
        {keys.map((key) => {
          const spans = spansOf(key, end);
          const last = spans.at(-1)?.to ?? end;
          return (
            <li key={key.kid}>
              <span class="timeline-name">
                <code>{key.kid.slice(0, 12)}</code>
                <span class="dim small">{key.alg}</span>
              </span>
              <span class="timeline-track">
                <span class="hidden">
                  {fill(own.row, {
                    kid: key.kid,
                    state: key.state,
                    from: date(Date.parse(key.published_at)),
                    to: last >= end ? own.never : date(last),
                  })}
                </span>
                {spans.map(({ kind, from, to }) => (
                  <span
                    key={kind}
                    class={`timeline-span ${kind} ${key.state}`}
                    title={`${own[kind]}: ${date(from)} – ${to >= end ? own.never : date(to)}`}
                    style={{ left: percent(from), width: `calc(${percent(to)} - ${percent(from)})` }}
                  />
                ))}
                <span class="timeline-now" style={{ left: percent(now) }} />
              </span>
            </li>
          );
        })}
      </ul>
      <figcaption class="dim small">
        {(['waits', 'signs', 'verifies', 'now'] as const).map((kind) => (
          <span key={kind} class="timeline-kind">
            <span class={`swatch ${kind}`} /> {own[kind]}
          </span>
        ))}
        <span class="timeline-ends">
          {date(begin)} – {date(end)}
        </span>
      </figcaption>
    </figure>
  );
}

function Compromise({ of }: { readonly of: Key }) {
  const own = useTexts(texts);
  return (
    <ActButton
      act={{
        title: fill(own.compromiseTitle, { kid: of.kid }),
        lead: own.compromiseLead,
        verb: own.compromise,
        isHarmful: true,
        blast: own.blast,
        command: (reason) => commandLine('keys', 'compromise', of.kid, '--reason', reason),
        run: (reason) => call('POST /v1/keys/{kid}/compromise', { path: { kid: of.kid }, body: { reason } }),
      }}
    >
      {own.compromise}
    </ActButton>
  );
}

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const query = useRead('GET /v1/keys', {});
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead}>
        {can('keys:manage') ? (
          <ActButton
            act={{
              title: own.rotateTitle,
              lead: own.rotateLead,
              verb: own.rotate,
              needsReason: false,
              command: () => commandLine('keys', 'rotate'),
              run: () => call('POST /v1/keys/rotate', { body: {} }),
            }}
          >
            {own.rotate}
          </ActButton>
        ) : undefined}
      </PageHead>
      <Shown query={query} lines={5}>
        {({ keys }) =>
          keys.length === 0 ? (
            <Empty title={own.none}>
              <p>{own.noneWhy}</p>
            </Empty>
          ) : (
            <>
              <Section title={own.timeline}>
                <Timeline keys={keys} />
              </Section>
              <Section title={own.ring}>
                <ul class="rows" aria-label={own.ring}>
                  {keys.map((key) => (
                    <KeyRow key={key.kid} of={key}>
                      {can('keys:manage') && !['retired', 'compromised'].includes(key.state) ? (
                        <Compromise of={key} />
                      ) : null}
                    </KeyRow>
                  ))}
                </ul>
              </Section>
            </>
          )
        }
      </Shown>
    </div>
  );
}
