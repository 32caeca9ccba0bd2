import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The script of the login page, as browsers get it. */
export const PASSKEY_SCRIPT = readFileSync(new URL('passkey-sign-in.js', import.meta.url), 'utf8');

const version = createHash('sha256').update(PASSKEY_SCRIPT).digest('base64url').slice(0, 12);

/** Its address: another one for another text, so that browsers may keep it. */
export const PASSKEY_SCRIPT_PATH = `/login/passkey.js?v=${version}`;
