import { useState } from 'preact/hooks';
import { type Answer, call, useRead } from '../data/api.ts';
import { type Inclusion, verifyInclusion } from '../data/inclusion.ts';
import { fromBase64, ProofError } from '../data/notes.ts';
import { trustedKeys } from '../data/trusted-key.ts';
import { Command, CopyId, commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Time, useNumber } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Facts, PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Ref } from '../parts/ref.tsx';
import { Shown, useWhy } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { outcomeTone, Sentence } from './audit.tsx';

const texts = inLanguages({
  en: {
    all: 'Audit log',
    what: 'What happened',
    number: 'Number',
    actor: 'Actor',
    target: 'Target',
    client: 'Client',
    at: 'Occurred',
    sealed: 'Sealed',
    trace: 'Trace id',
    none: 'none',
    altered: 'The stored row was altered: the sealed bytes below are what was signed.',
    proof: 'Proof that it is in the log',
    proofLead:
      'Your browser computes the hash of the sealed bytes, follows the path to the root of the log, and checks the signature under the root. It does not take the server’s word for it.',
    verify: 'Verify inclusion',
    again: 'Verify again',
    running: 'Verifying',
    holds: 'Verified in this browser',
    holdsWhy: 'Entry {index} of {size} in the log {origin}.',
    root: 'Root',
    key: 'Key',
    firstKey: 'This browser saw that key for the first time. Compare it with what sallyport audit key prints.',
    knownKey: 'The same key as before, or one that it vouched for.',
    fails: 'The proof does not hold',
    proof_malformed: 'The proof cannot be read.',
    wrong_place: 'The proof is for another place in the log.',
    wrong_root: 'The sealed bytes do not lead to the signed root: the event or the log was changed.',
    wrong_log: 'The signed root is of another log.',
    not_signed: 'The key of the log has not signed this root.',
    key_replaced:
      'The log shows another key than this browser trusts, and no note of the old key names it. Ask the operator for the key.',
    leaf: 'Sealed bytes',
    personal: 'Personal values',
    personalWhy: 'Stored beside the log; the sealed bytes contain only a commitment to them.',
  },
  de: {
    all: 'Audit-Protokoll',
    what: 'Was geschah',
    number: 'Nummer',
    actor: 'Wer',
    target: 'Ziel',
    client: 'Client',
    at: 'Geschehen',
    sealed: 'Versiegelt',
    trace: 'Trace-ID',
    none: 'keines',
    altered: 'Die gespeicherte Zeile wurde verändert: signiert wurden die versiegelten Bytes unten.',
    proof: 'Beweis, dass es im Protokoll steht',
    proofLead:
      'Ihr Browser berechnet den Hash der versiegelten Bytes, folgt dem Pfad zur Wurzel des Protokolls und prüft die Signatur unter der Wurzel. Er glaubt dem Server nichts.',
    verify: 'Einschluss prüfen',
    again: 'Erneut prüfen',
    running: 'Prüft',
    holds: 'In diesem Browser geprüft',
    holdsWhy: 'Eintrag {index} von {size} im Protokoll {origin}.',
    root: 'Wurzel',
    key: 'Schlüssel',
    firstKey:
      'Diesen Schlüssel sieht dieser Browser zum ersten Mal. Vergleichen Sie ihn mit der Ausgabe von sallyport audit key.',
    knownKey: 'Derselbe Schlüssel wie zuvor, oder einer, für den er bürgt.',
    fails: 'Der Beweis hält nicht',
    proof_malformed: 'Der Beweis ist nicht lesbar.',
    wrong_place: 'Der Beweis gilt für eine andere Stelle im Protokoll.',
    wrong_root:
      'Die versiegelten Bytes führen nicht zur signierten Wurzel: das Ereignis oder das Protokoll wurde verändert.',
    wrong_log: 'Die signierte Wurzel gehört zu einem anderen Protokoll.',
    not_signed: 'Der Schlüssel des Protokolls hat diese Wurzel nicht signiert.',
    key_replaced:
      'Das Protokoll zeigt einen anderen Schlüssel, als dieser Browser ihm traut, und keine Notiz des alten nennt ihn. Fragen Sie den Betreiber nach dem Schlüssel.',
    leaf: 'Versiegelte Bytes',
    personal: 'Personenbezogene Werte',
    personalWhy: 'Neben dem Protokoll gespeichert; die versiegelten Bytes enthalten nur eine Festlegung auf sie.',
  },
});

type Detail = Answer<'GET /v1/audit/events/{seq}'>;
type Verdict =
  | { readonly state: 'asked' | 'running' }
  | { readonly state: 'holds'; readonly inclusion: Inclusion; readonly isKnown: boolean }
  | { readonly state: 'fails'; readonly error: unknown };

async function prove(event: Detail): Promise<Verdict> {
  try {
    const keys = await trustedKeys(event.origin);
    if (keys === undefined) throw new ProofError('wrong_log');
    const proof = await call('GET /v1/audit/events/{seq}/proof', { path: { seq: event.seq } });
    const inclusion = await verifyInclusion(fromBase64(event.leaf), event, proof, keys.vkeys);
    return { state: 'holds', inclusion, isKnown: keys.isKnown };
  } catch (error) {
    return { state: 'fails', error };
  }
}

function Proof({ event }: { readonly event: Detail }) {
  const own = useTexts(texts);
  const number = useNumber();
  const why = useWhy();
  const [verdict, setVerdict] = useState<Verdict>({ state: 'asked' });
  const run = async (): Promise<void> => {
    setVerdict({ state: 'running' });
    setVerdict(await prove(event));
  };
  const isRunning = verdict.state === 'running';
  return (
    <Section
      title={own.proof}
      acts={
        <button type="button" class="primary" disabled={isRunning} onClick={() => void run()}>
          {isRunning ? own.running : verdict.state === 'asked' ? own.verify : own.again}
        </button>
      }
    >
      <p class="dim">{own.proofLead}</p>
      {verdict.state === 'holds' ? (
        <div class="note good" role="status">
          <strong>{own.holds}</strong>
          <p>
            {fill(own.holdsWhy, {
              index: number(verdict.inclusion.index + 1),
              size: number(verdict.inclusion.size),
              origin: verdict.inclusion.origin,
            })}
          </p>
          <Facts
            items={[
              [own.root, <CopyId>{verdict.inclusion.root}</CopyId>],
              [own.key, <CopyId>{verdict.inclusion.vkey}</CopyId>],
            ]}
          />
          <p>{verdict.isKnown ? own.knownKey : own.firstKey}</p>
        </div>
      ) : null}
      {verdict.state === 'fails' ? (
        <div class="note bad" role="alert">
          <strong>{own.fails}</strong>
          <p>{verdict.error instanceof ProofError ? own[verdict.error.fault] : why(verdict.error)}</p>
        </div>
      ) : null}
      <Command text={commandLine('audit', 'prove', String(event.seq), '--out', '.')} />
    </Section>
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

const named = ({ kind, id }: { readonly kind: string; readonly id: string | null }) => (
  <>
    <Ref kind={kind} id={id} />
    {id === null ? null : <CopyId>{id}</CopyId>}
  </>
);

export function Page({ params, title }: PageProps) {
  const own = useTexts(texts);
  const query = useRead('GET /v1/audit/events/{seq}', { path: { seq: params.id ?? '' } });
  const { data } = query;
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/audit">{own.all}</a>
      </p>
      <PageHead
        title={data?.type ?? title}
        badges={data === undefined ? undefined : <Badge tone={outcomeTone(data.outcome)}>{data.outcome}</Badge>}
      />
      <Shown query={query} lines={5}>
        {(event) => (
          <>
            {event.altered === true ? <p class="note bad">{own.altered}</p> : null}
            <Section title={own.what}>
              <p>
                <Sentence event={event} withLinks />
              </p>
              <Facts
                items={[
                  [own.number, String(event.seq)],
                  [own.actor, named(event.actor)],
                  [own.target, event.target === null ? own.none : named(event.target)],
                  [own.client, event.client_id === null ? own.none : <Ref kind="client" id={event.client_id} />],
                  [own.at, <Time at={event.occurred_at} />],
                  [own.sealed, <Time at={event.sealed_at} />],
                  [own.trace, event.trace_id === null ? own.none : <CopyId>{event.trace_id}</CopyId>],
                ]}
              />
            </Section>
            <Proof key={event.seq} event={event} />
            <Section title={own.leaf}>
              <Json value={leafOf(event)} />
            </Section>
            {event.personal.length === 0 ? null : (
              <Section title={own.personal}>
                <p class="dim">{own.personalWhy}</p>
                <Facts items={event.personal.map(({ field, value }) => [field, <Foreign>{value}</Foreign>])} />
              </Section>
            )}
          </>
        )}
      </Shown>
    </div>
  );
}
