import type { Answer } from '../../data/api.ts';
import { exactTime, useNumber } from '../../parts/format.tsx';
import { fill, inLanguages, useLanguage, useTexts } from '../../texts/languages.ts';
import { SignIns } from './sign-ins.tsx';

const texts = inLanguages({
  en: {
    open: 'Open incidents',
    rate: 'Sign-in success in 24 hours',
    revocations: 'Revocations in 24 hours',
    locked: 'Locked accounts',
    active: 'Active token families',
    replays: 'Replays of tokens caught',
    stalePart: 'These figures are of {time}; newer ones are overdue.',
    missingPart: 'No worker has reported these figures yet.',
  },
  de: {
    open: 'Offene Vorfälle',
    rate: 'Gelungene Anmeldungen in 24 Stunden',
    revocations: 'Widerrufe in 24 Stunden',
    locked: 'Gesperrte Konten',
    active: 'Aktive Token-Familien',
    replays: 'Erkannte Wiederholungen von Tokens',
    stalePart: 'Diese Zahlen sind von {time}; neuere sind überfällig.',
    missingPart: 'Noch hat kein Worker diese Zahlen gemeldet.',
  },
});

export function Figures({ of: { security, tokens } }: { readonly of: Answer<'GET /v1/admin/dashboard'> }) {
  const own = useTexts(texts);
  const language = useLanguage();
  const number = useNumber();
  const { as_of: asOf, state } = security.state === 'fresh' ? tokens : security;
  const figures = {
    open: Object.values(security.open_incidents).reduce((sum, count) => sum + count, 0),
    rate: security.sign_ins.success_percent,
    revocations: security.hours.reduce((sum, hour) => sum + hour.revocations, 0),
    locked: security.locked_accounts,
    active: tokens.active,
    replays: tokens.replays,
  };
  return (
    <>
      {state === 'fresh' ? null : (
        <p class="note warn" role="status">
          {asOf === null ? own.missingPart : fill(own.stalePart, { time: exactTime(asOf, language) })}
        </p>
      )}
      <div class="card figures">
        {Object.entries(figures).map(([name, value]) => (
          <div key={name} class="figure">
            <span class="dim">{own[name as keyof typeof figures]}</span>
            <strong>{value === null ? '–' : `${number(value)}${name === 'rate' ? ' %' : ''}`}</strong>
          </div>
        ))}
      </div>
      <SignIns hours={security.hours} />
    </>
  );
}
