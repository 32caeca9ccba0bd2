import type { Answer } from '../data/api.ts';
import { isNamed } from '../data/refs.ts';
import { visibleText } from '../data/visible-text.ts';
import type { Item } from '../fold/operation.ts';
import type { Choices } from '../fold/resource.ts';
import { StateBadges } from '../fold/value.tsx';
import { useWords } from '../fold/words.ts';
import { Foreign, Time } from '../parts/format.tsx';
import { Row } from '../parts/page.tsx';
import type { Option } from '../parts/picker.tsx';
import { Name, Ref } from '../parts/ref.tsx';
import { eventSentences } from '../texts/generated/events.ts';
import { useLanguage } from '../texts/languages.ts';

export type AuditEvent = Answer<'GET /v1/audit/events'>['events'][number];

/** What happened, with people and things by their names. @param withLinks not within a link */
export function Sentence({ event, withLinks = false }: { readonly event: AuditEvent; readonly withLinks?: boolean }) {
  const { actor, target, client_id: client, detail, type } = event;
  const [en, de] = eventSentences[`${type} ${event.outcome}`] ?? eventSentences[type] ?? [];
  const sentence = (useLanguage() === 'de' ? de : en) ?? `{actor}: ${type}, {target}`;
  const Party = withLinks ? Ref : Name;
  /** What stands for `{target}`, for `{user:owner_id}` or for another member of the detail. */
  const said = (place: string) => {
    const [kind = '', member = kind] = place.split(':');
    const values = [detail[member]].flat();
    // Left out, or erased.
    const text = values.every((each) => ['string', 'number'].includes(typeof each)) ? values.join(', ') : '…';
    const parties: Readonly<Record<string, typeof actor | null>> = {
      actor,
      target,
      client: client === null ? null : { kind: 'client', id: client },
      user: text === '…' ? null : { kind: 'user', id: text },
    };
    const party = parties[kind];
    return party ? <Party {...party} /> : <Foreign>{visibleText(text)}</Foreign>;
  };
  const parts = sentence.split(/\{([\w:]+)\}/);
  return <>{parts.map((part, at) => (at % 2 === 0 ? part : <span key={part}>{said(part)}</span>))}</>;
}

/** One event as a row: a sentence, and below it those that it names, as links. */
export function AsRow({ item }: { readonly item: Item }) {
  const words = useWords('audit-events');
  const event = item as AuditEvent;
  const { actor, target, client_id: client } = event;
  const parties = [actor, target, { kind: 'client', id: client }].filter((party) => party !== null);
  return (
    <Row
      href={`/console/audit/${event.seq}`}
      title={<Sentence event={event} />}
      meta={
        <>
          {parties
            .filter(({ kind, id }, at, all) => isNamed(kind, id) && all.findIndex((each) => each.id === id) === at)
            .map((party) => (
              <Ref key={`${party.kind}:${party.id}`} {...party} />
            ))}
          <code>{event.type}</code>
          <Time at={event.occurred_at} />
          <span>{`${words.member('seq')} ${event.seq}`}</span>
        </>
      }
      side={
        <StateBadges
          special={{ list: 'GET /v1/audit/events' }}
          names={['altered', 'outcome']}
          members={{ altered: { kind: 'yes' } }}
          item={item}
          segment="audit-events"
        />
      }
    />
  );
}

/** `{actor} revoked {target}` → `Revoked … · token.revoked`: what a type of event is called, without its parties. */
function calledBy(type: string, sentence: string): string {
  const words = sentence.replaceAll(/\{[\w:]+\}/g, '…').replace(/^… /, '');
  return `${words.charAt(0).toUpperCase()}${words.slice(1)} · ${type}`;
}

/** The types of events, by what they say. */
export const choices: Choices = {
  type: (language) => {
    const at = language === 'de' ? 1 : 0;
    const sentences = Object.entries(eventSentences).map(
      ([key, texts]) => [key.replace(/ .*/, ''), texts[at] ?? ''] as const,
    );
    // Where outcomes have sentences, the first one stands for the type.
    return [...new Map(sentences.reverse())]
      .map(([type, said]): Option => [type, calledBy(type, said)])
      .sort(([, one], [, other]) => one.localeCompare(other, language));
  },
};
