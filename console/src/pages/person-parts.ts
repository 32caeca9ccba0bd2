import { useRead } from '../data/api.ts';
import type { PartProps } from '../fold/resource.ts';
import { Foreign } from '../parts/format.tsx';
import { Section } from '../parts/page.tsx';
import { Shown } from '../parts/states.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
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
});

/** Whether the person can sign in, and what stops it. */
function Above({ id }: PartProps) {
  const own = useTexts(texts);
  const query = useRead('GET /v1/admin/users/{user_id}/why', { path: { user_id: id } });
  return (
    <Section title={own.why}>
      <Shown query={query} lines={2}>
        {(why) => (
          <div class={why.refuses ? 'note warn' : 'note good'}>
            <strong>{why.cause === 'nothing' ? own.canSignIn : why.sentence}</strong>
            {why.cause === 'nothing' ? null : (
              <p>
                {own.help}: <Foreign>{why.fix}</Foreign>
              </p>
            )}
            {why.also.length === 0 ? null : (
              <>
                <p>{own.alsoTrue}</p>
                <ul>
                  {why.also.map(({ cause, sentence }) => (
                    <li key={cause}>{sentence}</li>
                  ))}
                </ul>
              </>
            )}
          </div>
        )}
      </Shown>
    </Section>
  );
}

export const parts = { Above };
