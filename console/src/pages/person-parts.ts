import type { Answer } from '../data/api.ts';
import { asked, partsOf, type Section } from '../fold/sections.ts';
import { exactTime } from '../parts/format.tsx';
import { fill } from '../texts/languages.ts';

type Cause = Answer<'GET /v1/admin/users/{user_id}/why'>['also'][number];

/** Whether a person can sign in, and what stops it, without the account's name: the page is about one account. */
export const parts = partsOf<Answer<'GET /v1/admin/users/{user_id}'>>()(
  {
    en: {
      why: 'Can this person sign in?',
      alsoTrue: 'Also true',
      since: 'Since',
      by: 'By',
      reason: 'Reason',
      disabled: 'Disabled',
      invited: 'Invited, and has not accepted yet',
      invitationOver: 'Invited, and the invitation has expired',
      email_unverified: 'The address is not confirmed, and this installation requires it',
      password_closed: 'Passwords from unknown devices are refused after {failures} wrong ones',
      closedByIncident: 'An incident closed the account to devices that have not signed in before',
      password_locked: 'Locked until {time} after wrong passwords ({failures})',
      no_sign_in_method: 'No password, no passkey and no linked provider',
      second_factor_spent: 'The authenticator app is refused after too many wrong codes',
      second_factor_locked: 'Codes of the authenticator app are refused until {time}. Recovery codes left: {codes}',
      no_password: 'No password: signs in with {methods}',
      second_factor_missing: 'Without a second factor these roles have no effect: {roles}',
      second_factor_owed:
        'The second factor from before the import could not be moved; the person connects an app at the next sign-in',
      session_limit: 'The limit of sessions is reached ({sessions}): a sign-in ends the one used least recently',
      nothing: 'Nothing stops a sign-in',
    },
    de: {
      why: 'Kann sich diese Person anmelden?',
      alsoTrue: 'Außerdem gilt',
      since: 'Seit',
      by: 'Durch',
      reason: 'Grund',
      disabled: 'Gesperrt',
      invited: 'Eingeladen und noch nicht angenommen',
      invitationOver: 'Eingeladen, und die Einladung ist abgelaufen',
      email_unverified: 'Die Adresse ist nicht bestätigt, und diese Installation verlangt es',
      password_closed: 'Passwörter von unbekannten Geräten werden nach {failures} falschen abgelehnt',
      closedByIncident: 'Ein Vorfall hat das Konto für Geräte geschlossen, die noch nicht angemeldet waren',
      password_locked: 'Gesperrt bis {time} nach falschen Passwörtern ({failures})',
      no_sign_in_method: 'Kein Passwort, kein Passkey und kein verknüpfter Anbieter',
      second_factor_spent: 'Die Authenticator-App wird nach zu vielen falschen Codes abgelehnt',
      second_factor_locked:
        'Codes der Authenticator-App werden bis {time} abgelehnt. Übrige Wiederherstellungscodes: {codes}',
      no_password: 'Kein Passwort: meldet sich an mit {methods}',
      second_factor_missing: 'Ohne zweiten Faktor wirken diese Rollen nicht: {roles}',
      second_factor_owed:
        'Der zweite Faktor von vor dem Import ließ sich nicht übernehmen; die Person verbindet bei der nächsten Anmeldung eine App',
      session_limit:
        'Die Grenze der Sitzungen ist erreicht ({sessions}): Eine Anmeldung beendet die am längsten unbenutzte',
      nothing: 'Nichts hindert eine Anmeldung',
    },
  },
  {
    above: ({ id, email: name }, { texts, language }) => {
      const sectionOf = ({ cause, refuses, act, until, since, by, reason, ...values }: Cause): Section => {
        const { failures = 0, codes_left: codes = 0, sessions = 0, methods = [], roles = [] } = values;
        const places = { failures, codes, sessions, methods: methods.join(', '), roles: roles.join(', ') };
        const words = values.by_incident ? 'closedByIncident' : values.is_expired ? 'invitationOver' : cause;
        const isDisabled = cause === 'disabled';
        return {
          tone: refuses ? 'warn' : cause === 'nothing' ? 'good' : 'plain',
          strong: fill(texts[words], { ...places, time: until ? exactTime(until, language) : '' }),
          ...(act !== null && {
            act: {
              does: `POST /v1/admin/users/{user_id}/${act}`,
              params: { user_id: id },
              name,
              reach: { user_id: id },
            },
          }),
          facts: [
            ...(isDisabled && since ? [[texts.since, exactTime(since, language)] as const] : []),
            ...(by === undefined ? [] : [[texts.by, by] as const]),
            ...(reason === undefined ? [] : [[texts.reason, reason] as const]),
          ],
        };
      };
      return [
        asked(texts.why, 'GET /v1/admin/users/{user_id}/why', { user_id: id }, ({ also, ...first }) => [
          sectionOf(first),
          ...(also.length === 0 ? [] : [{ says: [texts.alsoTrue] }]),
          ...also.map(sectionOf),
        ]),
      ];
    },
  },
);
