import { useEffect, useRef, useState } from 'preact/hooks';
import { followEvents, type StreamState } from '../data/event-stream.ts';
import { useOutage } from '../data/outage.ts';
import { Badge } from '../parts/format.tsx';
import { PageHead, type PageProps } from '../parts/page.tsx';
import { Empty, useWhy } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { AsRow, type AuditEvent } from './audit.tsx';

const texts = inLanguages({
  en: {
    lead: 'Events as they are sealed. After a break the stream goes on where it stopped.',
    connecting: 'connecting',
    open: 'live',
    waiting: 'reconnecting',
    held: 'held up',
    pause: 'Pause',
    resume: 'Resume ({count} new)',
    clear: 'Clear',
    filter: 'Show only types that begin with',
    none: 'Waiting for the next event',
    noneWhy: 'Each sign-in, token, act and change appears here about a second after it happens.',
    broken: 'The stream broke off and is being opened again: {why}',
  },
  de: {
    lead: 'Ereignisse, sobald sie versiegelt sind. Nach einer Unterbrechung geht es weiter, wo es aufhörte.',
    connecting: 'verbindet',
    open: 'live',
    waiting: 'verbindet erneut',
    held: 'aufgehalten',
    pause: 'Anhalten',
    resume: 'Fortsetzen ({count} neue)',
    clear: 'Leeren',
    filter: 'Nur Arten, die beginnen mit',
    none: 'Wartet auf das nächste Ereignis',
    noneWhy: 'Jede Anmeldung, jedes Token, jede Handlung und Änderung erscheint hier etwa eine Sekunde danach.',
    broken: 'Die Verbindung brach ab und wird neu geöffnet: {why}',
  },
});

const tones = { connecting: 'plain', open: 'good', waiting: 'warn', held: 'warn' } as const;
/** Older ones are in the audit log. */
const KEPT = 200;
/** What arrives within this time is drawn at once: hundreds of events a second would leave a browser no time for anything else. */
const DRAW_MS = 100;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const why = useWhy(true);
  const [state, setState] = useState<StreamState>('connecting');
  const [error, setError] = useState<unknown>(undefined);
  const [events, setEvents] = useState<readonly AuditEvent[]>([]);
  const [held, setHeld] = useState<readonly AuditEvent[]>([]);
  const [isPaused, setPaused] = useState(false);
  const [prefix, setPrefix] = useState('');
  const paused = useRef(false);
  useEffect(() => {
    const ending = new AbortController();
    const arrived: AuditEvent[] = [];
    let timer: number | undefined;
    const draw = (): void => {
      timer = undefined;
      const newest = arrived.splice(0).reverse();
      (paused.current ? setHeld : setEvents)((before) => [...newest, ...before].slice(0, KEPT));
    };
    void followEvents(
      {
        onEvent: (event) => {
          arrived.push(event);
          if (arrived.length > KEPT) arrived.shift();
          timer ??= window.setTimeout(draw, DRAW_MS);
        },
        onState: (next, cause) => {
          setState(next);
          if (next !== 'connecting') setError(cause);
        },
      },
      ending.signal,
    );
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, []);
  const toggle = (): void => {
    paused.current = !isPaused;
    setPaused(!isPaused);
    if (!isPaused) return;
    setEvents((before) => [...held, ...before].slice(0, KEPT));
    setHeld([]);
  };
  // Without Redis no event is sealed: an open stream has nothing to say.
  const outage = useOutage();
  const badge = outage !== null && state === 'open' ? 'held' : state;
  const shown = events.filter(({ type }) => type.startsWith(prefix));
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} badges={<Badge tone={tones[badge]}>{own[badge]}</Badge>}>
        <button type="button" onClick={toggle}>
          {isPaused ? fill(own.resume, { count: held.length }) : own.pause}
        </button>
        <button type="button" onClick={() => setEvents([])}>
          {own.clear}
        </button>
      </PageHead>
      <search class="toolbar">
        <input
          type="search"
          aria-label={own.filter}
          placeholder={own.filter}
          value={prefix}
          maxLength={64}
          spellcheck={false}
          onInput={(event) => setPrefix(event.currentTarget.value)}
        />
      </search>
      {error === undefined || outage !== null ? null : (
        <p class="note warn" role="status">
          {fill(own.broken, { why: why(error) })}
        </p>
      )}
      {shown.length === 0 ? (
        <Empty title={own.none} why={own.noneWhy} />
      ) : (
        <ul class="rows" aria-label={title}>
          {shown.map((event) => (
            <AsRow key={event.seq} item={event} />
          ))}
        </ul>
      )}
    </div>
  );
}
