import { cutText } from '#services/platform/define/cut-text.ts';
import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { flag, optionalOneOf, readText, UnfitError, wordsIn } from './shapes.ts';

/** Scopes (RFC 6749 §3.3) or audiences: printable ASCII without space, quote and backslash. */
const words = (fallback: string) =>
  readText(fallback, 4_096, (text) => {
    const items = wordsIn(text);
    const bad = items.find((item) => !/^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/.test(item));
    if (bad === undefined) return items;
    throw new UnfitError(`"${cutText(bad, 64)}" contains a character that is not allowed`);
  });

/** Settings of unvetted clients: clients that register themselves, and client metadata documents. */
export const clientSettings = defineSettings({
  registration: {
    env: 'CLIENT_REGISTRATION',
    schema: optionalOneOf(['off', 'token', 'open']),
    use: 'Who may register a client at /oauth2/register (RFC 7591). off: no caller. token: callers with the permission clients:register. open: every caller. Unset: open in development, off in every other profile.',
  },
  readsDocuments: {
    env: 'CLIENT_DOCUMENTS',
    schema: flag(false),
    use: 'Accept an https URL as client_id and fetch the metadata of the client from it when a user signs in to the client. When false, clients that were fetched earlier are rejected too.',
  },
  documentsPrivate: {
    env: 'CLIENT_DOCUMENTS_PRIVATE',
    schema: flag(false),
    use: 'Allow client metadata documents, and key sets at a jwks_uri, on private networks and over plain http; development only.',
  },
  logoutPrivate: {
    env: 'BACKCHANNEL_LOGOUT_PRIVATE',
    schema: flag(false),
    use: 'Send logout tokens to addresses on private networks and over plain http too, and pings to private networks, for clients that an administrator registered. For other clients such addresses are always refused.',
  },
  scopes: {
    env: 'UNVETTED_CLIENT_SCOPES',
    schema: words(
      'openid profile email offline_access own.sessions own.events own.signoffs own.applications own.api_keys',
    ),
    use: 'Scopes that unvetted clients may request from users, comma separated. A client is unvetted if it registered itself or is a metadata document. Existing clients are limited too, and a permission is never allowed.',
  },
  audiences: {
    env: 'UNVETTED_CLIENT_AUDIENCES',
    // In a client's audiences `*` means every audience, which an unvetted client must not have.
    schema: words('').refine((audiences) => !audiences.includes('*'), '"*" means every audience: list them'),
    use: 'Audiences that tokens of unvetted clients may have besides JWT_AUDIENCE, comma separated.',
  },
});

type Stated = SettingsOf<typeof clientSettings>;
export type Registration = NonNullable<Stated['registration']>;
/** The settings with the default of the profile. */
export type ClientSettings = Omit<Stated, 'registration'> & { readonly registration: Registration };

/** Refuses a start outside development that would let callers make this server fetch private addresses. */
export const clientProblems = (
  { documentsPrivate }: Pick<Stated, 'documentsPrivate'>,
  isDevelopment: boolean,
): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (documentsPrivate && !isDevelopment)
      refuse('CLIENT_DOCUMENTS_PRIVATE', 'is set outside development', 'unset it');
  });
