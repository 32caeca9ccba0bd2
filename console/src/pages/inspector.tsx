import { useMutation } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { type Answer, call } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { useWords } from '../fold/words.ts';
import { ActButton } from '../parts/act.tsx';
import { Command, commandLine } from '../parts/copy.tsx';
import { Foreign, Id, Time } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Facts, PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Failed } from '../parts/states.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Paste a token: is it accepted now, what does it say, and if it ended, why',
    token: 'Access or refresh token',
    help: 'It is sent to this installation only, and neither stored nor logged.',
    inspect: 'Inspect',
    checking: 'Checking',
    active: 'Active: this installation accepts the token now',
    refresh: 'A refresh token that has not ended',
    inactive: 'Not accepted',
    why: 'Why it ended',
    rule: 'Rule',
    lost: 'A lost answer was repeated',
    claims: 'What it says',
    unverified: 'Read from the token itself, which is not accepted: do not rely on it.',
    issued: 'Issued',
    revoke: 'Revoke',
    revokeTitle: 'Revoke this token',
    revokeLead: 'Every service that follows the feed refuses it within a second. Its session goes on.',
  },
  de: {
    lead: 'Token einfügen: Gilt es jetzt, was steht darin, und wenn es beendet ist, warum',
    token: 'Access- oder Refresh-Token',
    help: 'Es wird nur an diese Installation gesendet und weder gespeichert noch protokolliert.',
    inspect: 'Prüfen',
    checking: 'Prüft',
    active: 'Gültig: Diese Installation nimmt das Token jetzt an',
    refresh: 'Ein Refresh-Token, das nicht beendet ist',
    inactive: 'Nicht angenommen',
    why: 'Warum es endete',
    rule: 'Regel',
    lost: 'Eine verlorene Antwort wurde wiederholt',
    claims: 'Was darin steht',
    unverified: 'Aus dem Token selbst gelesen, das nicht angenommen wird: Verlassen Sie sich nicht darauf.',
    issued: 'Ausgestellt',
    revoke: 'Widerrufen',
    revokeTitle: 'Dieses Token widerrufen',
    revokeLead: 'Jeder Dienst, der dem Feed folgt, lehnt es binnen einer Sekunde ab. Seine Sitzung läuft weiter.',
  },
});

type Verdict = {
  readonly token: string;
  readonly validation: Answer<'POST /v1/tokens/validate'>;
  readonly end: Answer<'POST /v1/tokens/why'>;
};

/** The claims of a token whose signature nothing has verified; undefined if it is none. */
function claimsIn(token: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const [, payload = ''] = token.split('.');
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (each) =>
      each.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return claims !== null && typeof claims === 'object' ? (claims as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

const inspect = async (token: string): Promise<Verdict> => {
  const [validation, end] = await Promise.all([
    call('POST /v1/tokens/validate', { body: { token } }),
    call('POST /v1/tokens/why', { body: { token } }),
  ]);
  return { token, validation, end };
};

const isRefreshToken = (token: string): boolean => token.startsWith('sp_rt_');
const timeOf = (seconds: unknown): string | null =>
  typeof seconds === 'number' ? new Date(seconds * 1_000).toISOString() : null;

function Claims({
  claims,
  isTrusted,
}: {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly isTrusted: boolean;
}) {
  const own = useTexts(texts);
  const words = useWords('inspector');
  const shown = { subject: 'sub', client: 'client_id', audience: 'aud', scope: 'scope', session_id: 'sid' };
  return (
    <Section title={own.claims}>
      <div class="verdict">
        {isTrusted ? null : <p class="note warn">{own.unverified}</p>}
        <Facts
          items={[
            ...Object.entries(shown).map(
              ([name, claim]) => [words.member(name), <Foreign>{String(claims[claim] ?? '–')}</Foreign>] as const,
            ),
            [own.issued, <Time at={timeOf(claims.iat)} />],
            [words.member('expires_at'), <Time at={timeOf(claims.exp)} />],
          ]}
        />
        <Json value={claims} />
      </div>
    </Section>
  );
}

function Shown({ token, validation, end }: Verdict) {
  const own = useTexts(texts);
  const words = useWords('inspector');
  const can = useCan();
  const isLive = validation.active || (isRefreshToken(token) && !end.ended);
  const claims = validation.active ? validation.claims : claimsIn(token);
  const tokenId = validation.active ? String(validation.claims.jti ?? '') : '';
  return (
    <>
      <div class={isLive ? 'note good' : 'note bad'} role="status">
        <strong>{validation.active ? own.active : isLive ? own.refresh : own.inactive}</strong>
        {validation.active || isRefreshToken(token) ? null : <p>{validation.reason.replaceAll('_', ' ')}</p>}
      </div>
      {tokenId !== '' && can('tokens:revoke') ? (
        <div class="acts">
          <ActButton
            act={{
              title: own.revokeTitle,
              lead: own.revokeLead,
              verb: own.revoke,
              isHarmful: true,
              command: () => 'sallyport token revoke - < token.txt',
              run: (reason) => call('POST /v1/tokens/revoke', { body: { token_id: tokenId, reason } }),
            }}
          >
            {own.revoke}
          </ActButton>
        </div>
      ) : null}
      {end.ended ? (
        <Section title={own.why}>
          <Facts
            items={[
              [words.member('reason'), end.reason.replaceAll('_', ' ')],
              [own.rule, end.rule.replaceAll('_', ' ')],
              ...(end.cause === null
                ? []
                : ([
                    [words.member('event'), <Id>{`${end.cause.event} (${end.cause.actor ?? '–'})`}</Id>],
                    [words.member('at'), <Time at={end.cause.at} />],
                  ] as const)),
              ...(end.lost_answer_at === undefined ? [] : ([[own.lost, <Time at={end.lost_answer_at} />]] as const)),
            ]}
          />
        </Section>
      ) : null}
      {claims === undefined ? null : <Claims claims={claims} isTrusted={validation.active} />}
    </>
  );
}

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const [typed, setTyped] = useState('');
  const { data, error, isPending, mutate } = useMutation({ mutationFn: inspect });
  const token = typed.trim();
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <form
        class="card act"
        onSubmit={(event) => {
          event.preventDefault();
          mutate(token);
        }}
      >
        <div class="field">
          <label htmlFor="token">{own.token}</label>
          <textarea
            id="token"
            class="code"
            value={typed}
            maxLength={16_384}
            required
            spellcheck={false}
            autoComplete="off"
            aria-describedby="token-help"
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
          <span id="token-help" class="dim small">
            {own.help}
          </span>
        </div>
        <div class="acts">
          <button type="submit" class="primary" disabled={isPending || token === ''}>
            {isPending ? own.checking : own.inspect}
          </button>
        </div>
        <Command text={commandLine('token', 'inspect', '-')} />
      </form>
      {error ? <Failed error={error} /> : null}
      {data === undefined ? null : <Shown {...data} />}
    </div>
  );
}
