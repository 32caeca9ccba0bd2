import type { Answer } from '../data/api.ts';
import { asked, partsOf } from '../fold/sections.ts';

/** Whether a person can sign in, and what stops it. */
export const parts = partsOf<Answer<'GET /v1/admin/users/{user_id}'>>()(
  {
    en: {
      why: 'Can this person sign in?',
      canSignIn: 'Nothing stops a sign-in',
      alsoTrue: 'Also true',
      help: 'What helps',
    },
    de: {
      why: 'Kann sich diese Person anmelden?',
      canSignIn: 'Nichts hindert eine Anmeldung',
      alsoTrue: 'Außerdem gilt',
      help: 'Was hilft',
    },
  },
  {
    above: ({ id }, { texts }) => [
      asked(
        texts.why,
        'GET /v1/admin/users/{user_id}/why',
        { user_id: id },
        ({ refuses, cause, sentence, fix, also }) => ({
          tone: refuses ? 'warn' : 'good',
          strong: cause === 'nothing' ? texts.canSignIn : sentence,
          says: [
            ...(cause === 'nothing' ? [] : [`${texts.help}: ${fix}`]),
            ...(also.length === 0 ? [] : [`${texts.alsoTrue}: ${also.map((each) => each.sentence).join(' ')}`]),
          ],
        }),
      ),
    ],
  },
);
