import { type Answer, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { visibleText } from '../data/visible-text.ts';
import type { PartProps } from '../fold/resource.ts';
import { useWords } from '../fold/words.ts';
import { Command, CopyId, commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Time } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Facts, Row, Section } from '../parts/page.tsx';
import { refTo } from '../parts/ref.tsx';
import { Shown } from '../parts/states.tsx';
import { fill, inLanguages, type LanguageTag, useLanguage, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    arguments: 'Arguments, exactly',
    digest: 'Digest that people approve (SHA-256)',
    who: 'Who approves',
    quorum: '{count} of {quorum} approvals; roles that may approve: {roles}',
    noPolicy: 'The act has no policy: the requester chose the roles.',
    waits: 'has not decided',
    notNeeded: 'did not decide',
    approve: 'approved',
    deny: 'denied',
    decide: 'Decide',
    decideWhy:
      'You decide on your own page, in your own session and with a recent sign-in. The console acts by a token, and no token decides a sign-off: a decision shows that a person read these arguments.',
    open: 'Open my page for this sign-off',
    noApprove:
      'You may read this sign-off. To decide, an account needs the permission signoffs:approve and one of the roles.',
    receipt: 'Receipt',
    receiptWhy:
      'The audit log states who approved which arguments and how the act ended. Open the event to verify in this browser that it is in the log.',
    receiptEvent: 'Event {seq}',
  },
  de: {
    arguments: 'Argumente, genau',
    digest: 'Hash, den Personen freigeben (SHA-256)',
    who: 'Wer freigibt',
    quorum: '{count} von {quorum} Freigaben; Rollen, die freigeben dürfen: {roles}',
    noPolicy: 'Die Handlung hat keine Richtlinie: wer darum bat, wählte die Rollen.',
    waits: 'hat nicht entschieden',
    notNeeded: 'entschied nicht',
    approve: 'gab frei',
    deny: 'lehnte ab',
    decide: 'Entscheiden',
    decideWhy:
      'Sie entscheiden auf Ihrer eigenen Seite, in Ihrer eigenen Sitzung und mit frischer Anmeldung. Die Konsole handelt mit einem Token, und kein Token entscheidet über eine Freigabe: eine Entscheidung zeigt, dass eine Person diese Argumente gelesen hat.',
    open: 'Meine Seite für diese Freigabe öffnen',
    noApprove:
      'Sie dürfen diese Freigabe lesen. Um zu entscheiden, braucht ein Konto die Berechtigung signoffs:approve und eine der Rollen.',
    receipt: 'Beleg',
    receiptWhy:
      'Das Audit-Protokoll sagt, wer welche Argumente freigab und wie die Handlung endete. Öffnen Sie das Ereignis, um in diesem Browser zu prüfen, dass es im Protokoll steht.',
    receiptEvent: 'Ereignis {seq}',
  },
});

type SignOff = Answer<'GET /v1/handoff/signoffs/{signoff_id}'>;

/** The value at a JSON pointer (RFC 6901); undefined if there is none. */
function valueAt(value: unknown, path: string): unknown {
  let found = value;
  for (const step of path.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[name];
  }
  return found;
}

/** The arguments that the policy of the act names, in its order. */
const labelled = ({ arguments: given, argument_labels: labels }: SignOff, language: LanguageTag) =>
  labels.flatMap(({ path, label }) => {
    const found = valueAt(given, path);
    if (found === undefined) return [];
    const text = typeof found === 'string' && !/[\t\r\n]/.test(found) ? found : JSON.stringify(found);
    return [[label[language] ?? label.en, <Foreign>{visibleText(text)}</Foreign>] as const];
  });

/** Leads to the person's own page: no token decides (ADR 51), and the console has only a token. */
function Decide({ signOff, id }: { readonly signOff: SignOff; readonly id: string }) {
  const own = useTexts(texts);
  const can = useCan();
  const [role = ''] = signOff.waiting_for;
  if (signOff.state !== 'pending') return null;
  if (!can('signoffs:approve')) return <p class="note">{own.noApprove}</p>;
  return (
    <Section title={own.decide}>
      <p class="why">{own.decideWhy}</p>
      <p>
        <a class="button" href={`/signoff/${id}`}>
          {own.open}
        </a>
      </p>
      <Command text={commandLine('signoff', 'approve', id, '--role', role)} />
    </Section>
  );
}

/** Where it is decided, and the arguments on which the decision rests. */
function Above({ item, id }: PartProps) {
  const signOff = item as SignOff;
  const own = useTexts(texts);
  const language = useLanguage();
  return (
    <>
      <Decide signOff={signOff} id={id} />
      <Section title={own.arguments}>
        <Facts items={labelled(signOff, language)} />
        <Json value={signOff.arguments} />
        <p class="dim small">
          {own.digest} <CopyId>{signOff.arguments_sha256}</CopyId>
        </p>
      </Section>
    </>
  );
}

function Receipt({ id }: { readonly id: string }) {
  const own = useTexts(texts);
  const query = useRead('GET /v1/handoff/signoffs/{signoff_id}/receipt', { path: { signoff_id: id } });
  return (
    <Section title={own.receipt}>
      <Shown query={query} lines={1}>
        {({ seq }) => (
          <p>
            {own.receiptWhy} <a href={`/console/audit/${seq}`}>{fill(own.receiptEvent, { seq })}</a>
          </p>
        )}
      </Shown>
    </Section>
  );
}

/** What each role decided, and the receipt of an act that ended. */
function Below({ item, id }: PartProps) {
  const { decisions, policy, quorum, required_roles: roles, state } = item as SignOff;
  const own = useTexts(texts);
  const words = useWords('handoff-signoffs');
  const count = decisions.filter(({ decision }) => decision === 'approve').length;
  return (
    <>
      <Section title={own.who}>
        <p class="dim">{fill(own.quorum, { count, quorum, roles: roles.map(words.value).join(', ') })}</p>
        {policy === null ? <p class="dim">{own.noPolicy}</p> : null}
        <ul class="rows" aria-label={own.who}>
          {roles.map((role) => {
            const made = decisions.find((decision) => decision.role === role);
            return made === undefined ? (
              <Row
                key={role}
                title={words.value(role)}
                side={<Badge>{state === 'pending' ? own.waits : own.notNeeded}</Badge>}
              />
            ) : (
              <Row
                key={role}
                title={words.value(role)}
                meta={
                  <>
                    {refTo('user_id', made.user_id)}
                    <Time at={made.at} />
                    {made.comment === null ? null : <Foreign>{`“${visibleText(made.comment)}”`}</Foreign>}
                  </>
                }
                side={<Badge tone={made.decision === 'approve' ? 'good' : 'bad'}>{own[made.decision]}</Badge>}
              />
            );
          })}
        </ul>
      </Section>
      {state === 'done' || state === 'failed' ? <Receipt id={id} /> : null}
    </>
  );
}

export const parts = { Above, Below };
