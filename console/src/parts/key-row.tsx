import type { ComponentChildren } from 'preact';
import type { Answer } from '../data/api.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { Badge, Id, Time, type Tone } from './format.tsx';
import { Row } from './page.tsx';

const texts = inLanguages({
  en: { until: 'signs until', from: 'signs', leaves: 'leaves' },
  de: { until: 'signiert bis', from: 'signiert', leaves: 'verschwindet' },
});

export type Key = Answer<'GET /v1/keys'>['keys'][number];
const keyTone = {
  pending: 'accent',
  active: 'good',
  retiring: 'warn',
  retired: 'plain',
  compromised: 'bad',
} as const satisfies Record<Key['state'], Tone>;

/** A signing key in a list: what it signs, until when, and its state. */
export function KeyRow({ of: key, children }: { readonly of: Key; readonly children?: ComponentChildren }) {
  const own = useTexts(texts);
  return (
    <Row
      title={<Id>{key.kid}</Id>}
      meta={
        <>
          <span>{`${key.purpose} · ${key.alg}`}</span>
          <span>
            {key.signs_until === null ? own.from : own.until} <Time at={key.signs_until ?? key.activates_at} />
          </span>
          {key.leaves_at === null ? null : (
            <span>
              {own.leaves} <Time at={key.leaves_at} />
            </span>
          )}
        </>
      }
      side={
        <>
          <Badge tone={keyTone[key.state]}>{key.state}</Badge>
          {children}
        </>
      }
    />
  );
}
