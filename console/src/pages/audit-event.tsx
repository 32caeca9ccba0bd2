import type { ComponentChildren } from 'preact';
import { type Answer, call } from '../data/api.ts';
import { verifyInclusion } from '../data/inclusion.ts';
import { fromBase64, ProofError } from '../data/notes.ts';
import { trustedKeys } from '../data/trusted-key.ts';
import type { Item } from '../fold/operation.ts';
import { useWords } from '../fold/words.ts';
import { BrowserCheck } from '../parts/browser-check.tsx';
import { CopyId, commandLine } from '../parts/copy.tsx';
import { Foreign, useNumber } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Facts, Section } from '../parts/page.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { Sentence } from './audit.tsx';

const texts = inLanguages({
  en: {
    altered: 'The stored row was altered: the sealed bytes below are what was signed.',
    proof: 'Proof that it is in the log',
    proofLead:
      'Your browser computes the hash of the sealed bytes, follows the path to the root of the log, and checks the signature under the root. It does not take the server’s word for it.',
    verify: 'Verify inclusion',
    holds: 'Verified in this browser',
    holdsWhy: 'Entry {index} of {size} in the log {origin}.',
    root: 'Root',
    key: 'Key',
    firstKey: 'This browser saw that key for the first time. Compare it with what sallyport audit key prints.',
    knownKey: 'The same key as before, or one that it vouched for.',
    fails: 'The proof does not hold',
  },
  de: {
    altered: 'Die gespeicherte Zeile wurde verändert: signiert wurden die versiegelten Bytes unten.',
    proof: 'Beweis, dass es im Protokoll steht',
    proofLead:
      'Ihr Browser berechnet den Hash der versiegelten Bytes, folgt dem Pfad zur Wurzel des Protokolls und prüft die Signatur unter der Wurzel. Er glaubt dem Server nichts.',
    verify: 'Einschluss prüfen',
    holds: 'In diesem Browser geprüft',
    holdsWhy: 'Eintrag {index} von {size} im Protokoll {origin}.',
    root: 'Wurzel',
    key: 'Schlüssel',
    firstKey:
      'Diesen Schlüssel sieht dieser Browser zum ersten Mal. Vergleichen Sie ihn mit der Ausgabe von sallyport audit key.',
    knownKey: 'Derselbe Schlüssel wie zuvor, oder einer, für den er bürgt.',
    fails: 'Der Beweis hält nicht',
  },
});

type Detail = Answer<'GET /v1/audit/events/{seq}'>;
async function prove(event: Detail) {
  const keys = await trustedKeys(event.origin);
  if (keys === undefined) throw new ProofError('wrong_log');
  const proof = await call('GET /v1/audit/events/{seq}/proof', { path: { seq: event.seq } });
  return { ...(await verifyInclusion(fromBase64(event.leaf), event, proof, keys.vkeys)), isKnown: keys.isKnown };
}

function Proof({ event }: { readonly event: Detail }) {
  const own = useTexts(texts);
  const number = useNumber();
  return (
    <BrowserCheck
      title={own.proof}
      lead={own.proofLead}
      verb={own.verify}
      fails={own.fails}
      command={commandLine('audit', 'prove', String(event.seq), '--out', '.')}
      run={() => prove(event)}
    >
      {({ index, size, origin, root, vkey, isKnown }) => (
        <div class="note good" role="status">
          <strong>{own.holds}</strong>
          <p>{fill(own.holdsWhy, { index: number(index + 1), size: number(size), origin })}</p>
          <Facts
            items={[
              [own.root, <CopyId>{root}</CopyId>],
              [own.key, <CopyId>{vkey}</CopyId>],
            ]}
          />
          <p>{isKnown ? own.knownKey : own.firstKey}</p>
        </div>
      )}
    </BrowserCheck>
  );
}

const leafOf = (event: Detail): unknown => {
  const text = new TextDecoder().decode(fromBase64(event.leaf));
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** What happened, with its proof, and what was sealed. */
export function Around({ item, children }: { readonly item: Item; readonly children: ComponentChildren }) {
  const own = useTexts(texts);
  const words = useWords('audit-events');
  const event = item as Detail;
  return (
    <>
      {event.altered === true ? <p class="note bad">{own.altered}</p> : null}
      <p>
        <Sentence event={event} withLinks />
      </p>
      {children}
      <Proof key={event.seq} event={event} />
      <Section title={words.member('leaf')}>
        <Json value={leafOf(event)} />
      </Section>
      {event.personal.length === 0 ? null : (
        <Section title={words.member('personal')}>
          <p class="dim">{words.help('personal')}</p>
          <Facts items={event.personal.map(({ field, value }) => [field, <Foreign>{value}</Foreign>])} />
        </Section>
      )}
    </>
  );
}
