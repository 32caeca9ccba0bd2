import type { Answer } from '../data/api.ts';
import { asked, partsOf } from '../fold/sections.ts';
import { fill, type LanguageTag } from '../texts/languages.ts';

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
    return [[label[language] ?? label.en, text] as const];
  });

/** A sign-off: where it is decided, the arguments on which the decision rests, and the receipt of the act. */
export const parts = partsOf<SignOff>()(
  {
    en: {
      arguments: 'Arguments, exactly',
      digest: 'Digest that people approve (SHA-256)',
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
  },
  {
    above: (signOff, { texts, language, can }) => {
      const { signoff_id: id, state, waiting_for: waitingFor } = signOff;
      const exact = {
        title: texts.arguments,
        facts: labelled(signOff, language),
        json: signOff.arguments,
        copy: [texts.digest, signOff.arguments_sha256] as const,
      };
      if (state !== 'pending') return [exact];
      if (!can('signoffs:approve')) return [{ tone: 'plain', says: [texts.noApprove] }, exact];
      // No token decides (ADR 51), and the console has only a token: it leads to the person's own page.
      const decide = {
        title: texts.decide,
        says: [texts.decideWhy],
        link: { text: texts.open, href: `/signoff/${id}`, isButton: true as const },
        command: ['signoff', 'approve', id, '--role', waitingFor[0] ?? ''],
      };
      return [decide, exact];
    },
    below: ({ signoff_id: id, state }, { texts }) =>
      state === 'done' || state === 'failed'
        ? [
            asked(texts.receipt, 'GET /v1/handoff/signoffs/{signoff_id}/receipt', { signoff_id: id }, ({ seq }) => ({
              says: [texts.receiptWhy],
              link: { text: fill(texts.receiptEvent, { seq }), href: `/console/audit/${seq}` },
            })),
          ]
        : [],
  },
);
