import { z } from 'zod';
import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { flag, oneOf } from './shapes.ts';

/** Words of RFC 6749 §3.3 scopes or of audiences: printable ASCII without space, quote and backslash. */
const words = (fallback: string) =>
  z
    .string()
    .max(4_096)
    .default(fallback)
    .transform((text, context) => {
      const items = text.split(/[\s,]+/).filter((item) => item !== '');
      const bad = items.find((item) => !/^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/.test(item));
      if (bad === undefined) return [...new Set(items)];
      context.addIssue({ code: 'custom', message: `"${bad.slice(0, 64)}" has a character that does not belong there` });
      return z.NEVER;
    });

/** Clients that nobody here has looked at: those that register themselves, and those that are documents. */
export const clientSettings = defineSettings({
  registration: {
    env: 'CLIENT_REGISTRATION',
    schema: oneOf(['off', 'token', 'open'], 'off'),
    use: 'Who may register a client at /oauth2/register (RFC 7591): nobody, whoever has the permission clients:register, or anybody.',
  },
  readsDocuments: {
    env: 'CLIENT_DOCUMENTS',
    schema: flag(false),
    use: 'A client_id that is an https URL is a client: its metadata are read from there when somebody signs in to it. Where false, those read before are unknown.',
  },
  documentsPrivate: {
    env: 'CLIENT_DOCUMENTS_PRIVATE',
    schema: flag(false),
    use: 'Such documents may lie on a private network, over plain http too; development alone.',
  },
  scopes: {
    env: 'UNVETTED_CLIENT_SCOPES',
    schema: words('openid profile email offline_access'),
    use: 'What such clients may ask people for, at most, those that are here among them; never a permission; separated by commas.',
  },
  audiences: {
    env: 'UNVETTED_CLIENT_AUDIENCES',
    // For a client `*` is anybody, which is for nobody to take who was not looked at.
    schema: words('').refine((audiences) => !audiences.includes('*'), '"*" is everybody: name them'),
    use: 'Whom their tokens may be for beside JWT_AUDIENCE; separated by commas.',
  },
});

export type ClientSettings = SettingsOf<typeof clientSettings>;

/** What must not start: addresses of the inside asked for by whoever names them. */
export const clientProblems = (
  { documentsPrivate }: ClientSettings,
  isDevelopment: boolean,
): { readonly env: string; readonly problem: string; readonly fix: string }[] =>
  documentsPrivate && !isDevelopment
    ? [{ env: 'CLIENT_DOCUMENTS_PRIVATE', problem: 'is set outside development', fix: 'unset it' }]
    : [];
