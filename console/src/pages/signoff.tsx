import { type Answer, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { visibleText } from '../data/visible-text.ts';
import { Command, CopyId, commandLine } from '../parts/copy.tsx';
import { Events } from '../parts/events.tsx';
import { Badge, Foreign, Id, Time } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Facts, PageHead, type PageProps, Row, Section } from '../parts/page.tsx';
import { Shown } from '../parts/states.tsx';
import { fill, inLanguages, type LanguageTag, useLanguage, useTexts } from '../texts/languages.ts';
import { signOffs } from './signoffs.tsx';

const texts = inLanguages({
  en: {
    all: 'Sign-offs',
    asked: 'What it asks for',
    act: 'Act',
    by: 'Asked by',
    through: 'Through',
    requested: 'Requested',
    expires: 'Expires',
    decided: 'Decided',
    started: 'Started',
    finished: 'Ended',
    failure: 'Failure',
    policy: 'Policy',
    policyOf: '{act}, version {version}',
    noPolicy: 'none: the requester chose the roles',
    conditions: 'Before it starts',
    score: 'at least {score} % of the checked controls pass',
    incident: 'no incident of severity high or critical is open',
    arguments: 'Arguments, exactly',
    digest: 'Digest that people approve (SHA-256)',
    who: 'Who approves',
    quorum: '{count} of {quorum} approvals; roles that may approve: {roles}',
    waits: 'has not decided',
    notNeeded: 'did not decide',
    approve: 'approved',
    deny: 'denied',
    person: 'by',
    decide: 'Decide',
    decideWhy:
      'You decide on your own page, in your own session and with a recent sign-in. The console acts by a token, and no token decides a sign-off: a decision shows that a person read these arguments.',
    open: 'Open my page for this sign-off',
    noApprove:
      'You may read this sign-off. To decide, an account needs the permission signoffs:approve and one of the roles.',
    history: 'History',
    receipt: 'Receipt',
    receiptWhy:
      'The audit log states who approved which arguments and how the act ended. Open the event to verify in this browser that it is in the log.',
    receiptEvent: 'Event {seq}',
    noAudit: 'The history is in the audit log, which needs the permission audit:read.',
  },
  de: {
    all: 'Freigaben',
    asked: 'Worum gebeten wird',
    act: 'Handlung',
    by: 'Erbeten von',
    through: 'Durch',
    requested: 'Erbeten',
    expires: 'Läuft ab',
    decided: 'Entschieden',
    started: 'Begonnen',
    finished: 'Beendet',
    failure: 'Fehler',
    policy: 'Richtlinie',
    policyOf: '{act}, Fassung {version}',
    noPolicy: 'keine: wer darum bat, wählte die Rollen',
    conditions: 'Bevor sie beginnt',
    score: 'mindestens {score} % der geprüften Kontrollen sind bestanden',
    incident: 'kein Vorfall der Schwere high oder critical ist offen',
    arguments: 'Argumente, genau',
    digest: 'Hash, den Personen freigeben (SHA-256)',
    who: 'Wer freigibt',
    quorum: '{count} von {quorum} Freigaben; Rollen, die freigeben dürfen: {roles}',
    waits: 'hat nicht entschieden',
    notNeeded: 'entschied nicht',
    approve: 'gab frei',
    deny: 'lehnte ab',
    person: 'durch',
    decide: 'Entscheiden',
    decideWhy:
      'Sie entscheiden auf Ihrer eigenen Seite, in Ihrer eigenen Sitzung und mit frischer Anmeldung. Die Konsole handelt mit einem Token, und kein Token entscheidet über eine Freigabe: eine Entscheidung zeigt, dass eine Person diese Argumente gelesen hat.',
    open: 'Meine Seite für diese Freigabe öffnen',
    noApprove:
      'Sie dürfen diese Freigabe lesen. Um zu entscheiden, braucht ein Konto die Berechtigung signoffs:approve und eine der Rollen.',
    history: 'Verlauf',
    receipt: 'Beleg',
    receiptWhy:
      'Das Audit-Protokoll sagt, wer welche Argumente freigab und wie die Handlung endete. Öffnen Sie das Ereignis, um in diesem Browser zu prüfen, dass es im Protokoll steht.',
    receiptEvent: 'Ereignis {seq}',
    noAudit: 'Der Verlauf steht im Audit-Protokoll; das braucht die Berechtigung audit:read.',
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

function Party({ kind, id }: { readonly kind: string; readonly id: string }) {
  const can = useCan();
  const page =
    kind === 'user' && can('users:read') ? 'people' : kind === 'client' && can('agents:read') ? 'agents' : undefined;
  return (
    <>
      {kind}{' '}
      {page === undefined ? (
        <Id>{id}</Id>
      ) : (
        <a href={`/console/${page}/${encodeURIComponent(id)}`}>
          <Id>{id}</Id>
        </a>
      )}
    </>
  );
}

function Asked({ signOff }: { readonly signOff: SignOff }) {
  const own = useTexts(texts);
  const language = useLanguage();
  const { conditions, policy, requested_by: by } = signOff;
  const met = [
    ...(conditions.min_security_score === null ? [] : [fill(own.score, { score: conditions.min_security_score })]),
    ...(conditions.no_open_incident ? [own.incident] : []),
  ];
  const times = [
    [own.requested, signOff.requested_at],
    [own.expires, signOff.expires_at],
    [own.decided, signOff.decided_at],
    [own.started, signOff.started_at],
    [own.finished, signOff.finished_at],
  ] as const;
  return (
    <Section title={own.asked}>
      <Facts
        items={[
          [own.act, <Id>{signOff.act}</Id>],
          ...labelled(signOff, language),
          [own.by, <Party kind={by.kind} id={by.id} />],
          ...(signOff.client_id === null || signOff.client_id === by.id
            ? []
            : [[own.through, <Id>{signOff.client_id}</Id>] as const]),
          ...times.flatMap(([name, at]) => (at === null ? [] : [[name, <Time at={at} />] as const])),
          ...(signOff.failure === null ? [] : [[own.failure, <Id>{signOff.failure}</Id>] as const]),
          [own.policy, policy === null ? own.noPolicy : fill(own.policyOf, policy)],
          ...(met.length === 0 ? [] : [[own.conditions, met.join('; ')] as const]),
        ]}
      />
      <h3>{own.arguments}</h3>
      <Json value={signOff.arguments} />
      <p class="dim small">
        {own.digest} <CopyId>{signOff.arguments_sha256}</CopyId>
      </p>
    </Section>
  );
}

function Who({ signOff }: { readonly signOff: SignOff }) {
  const own = useTexts(texts);
  const shared = useTexts(signOffs.texts);
  const { decisions, quorum, required_roles: roles, state } = signOff;
  return (
    <Section title={own.who}>
      <p class="dim">
        {fill(own.quorum, {
          count: signOffs.approvalsOf(signOff),
          quorum,
          roles: roles.map((role) => shared[role]).join(', '),
        })}
      </p>
      <ul class="rows" aria-label={own.who}>
        {roles.map((role) => {
          const made = decisions.find((decision) => decision.role === role);
          return (
            <Row
              key={role}
              title={shared[role]}
              {...(made === undefined
                ? {}
                : {
                    meta: (
                      <>
                        <span>
                          {own.person} <Party kind="user" id={made.user_id} />
                        </span>
                        <Time at={made.at} />
                        {made.comment === null ? null : <Foreign>{`“${visibleText(made.comment)}”`}</Foreign>}
                      </>
                    ),
                  })}
              side={
                made === undefined ? (
                  <Badge>{state === 'pending' ? own.waits : own.notNeeded}</Badge>
                ) : (
                  <Badge tone={made.decision === 'approve' ? 'good' : 'bad'}>{own[made.decision]}</Badge>
                )
              }
            />
          );
        })}
      </ul>
    </Section>
  );
}

/** Leads to the person's own page: no token decides (ADR 51), and the console has only a token. */
function Decide({ signOff }: { readonly signOff: SignOff }) {
  const own = useTexts(texts);
  const can = useCan();
  const [role = ''] = signOff.waiting_for;
  if (signOff.state !== 'pending') return null;
  if (!can('signoffs:approve')) return <p class="note">{own.noApprove}</p>;
  return (
    <Section title={own.decide}>
      <p class="why">{own.decideWhy}</p>
      <p>
        <a class="button" href={`/signoff/${signOff.signoff_id}`}>
          {own.open}
        </a>
      </p>
      <Command text={commandLine('signoff', 'approve', signOff.signoff_id, '--role', role)} />
    </Section>
  );
}

function Receipt({ id }: { readonly id: string }) {
  const own = useTexts(texts);
  const query = useRead('GET /v1/handoff/signoffs/{signoff_id}/receipt', { path: { signoff_id: id } });
  return (
    <Section title={own.receipt}>
      <Shown query={query} lines={1}>
        {(receipt) => (
          <p>
            {own.receiptWhy}{' '}
            <a href={`/console/audit/${receipt.seq}`}>{fill(own.receiptEvent, { seq: receipt.seq })}</a>
          </p>
        )}
      </Shown>
    </Section>
  );
}

export function Page({ params, title }: PageProps) {
  const id = params.id ?? '';
  const own = useTexts(texts);
  const shared = useTexts(signOffs.texts);
  const can = useCan();
  const query = useRead('GET /v1/handoff/signoffs/{signoff_id}', { path: { signoff_id: id } });
  const { data } = query;
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/signoffs">{own.all}</a>
      </p>
      <PageHead
        title={data === undefined ? title : visibleText(data.title)}
        badges={data === undefined ? undefined : <Badge tone={signOffs.tones[data.state]}>{shared[data.state]}</Badge>}
      />
      <Shown query={query} lines={5}>
        {(signOff) => (
          <>
            <Decide signOff={signOff} />
            <Asked signOff={signOff} />
            <Who signOff={signOff} />
            {signOff.state === 'done' || signOff.state === 'failed' ? <Receipt id={id} /> : null}
            {can('audit:read') ? (
              <Events title={own.history} of={{ target: `signoff:${id}` }} />
            ) : (
              <p class="dim">{own.noAudit}</p>
            )}
          </>
        )}
      </Shown>
    </div>
  );
}
