import type { ComponentChildren } from 'preact';
import type { Answer } from '../data/api.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { Badge, Id, type Tone, When } from './format.tsx';
import { Row } from './page.tsx';

const texts = inLanguages({
  en: {
    begins: 'begins to sign',
    began: 'began to sign',
    stops: 'stops signing',
    stopped: 'stopped signing',
    leaves: 'leaves the ring',
    left: 'left the ring',
    pending: 'Pending',
    active: 'Active',
    retiring: 'Retiring',
    retired: 'Retired',
    compromised: 'Compromised',
  },
  de: {
    begins: 'beginnt zu signieren',
    began: 'begann zu signieren',
    stops: 'signiert zuletzt',
    stopped: 'signierte zuletzt',
    leaves: 'verlässt den Ring',
    left: 'verließ den Ring',
    pending: 'Wartet',
    active: 'Aktiv',
    retiring: 'Läuft aus',
    retired: 'Ausgelaufen',
    compromised: 'Kompromittiert',
  },
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
          {key.signs_until === null ? (
            <When at={key.activates_at} coming={own.begins} past={own.began} />
          ) : (
            <When at={key.signs_until} coming={own.stops} past={own.stopped} />
          )}
          {key.leaves_at === null ? null : <When at={key.leaves_at} coming={own.leaves} past={own.left} />}
        </>
      }
      side={
        <>
          <Badge tone={keyTone[key.state]}>{own[key.state]}</Badge>
          {children}
        </>
      }
    />
  );
}
