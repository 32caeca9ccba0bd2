import { readFileSync } from 'node:fs';

/** The only script of our pages, as browsers get it. */
export const PASSKEY_SCRIPT = readFileSync(new URL('passkey-sign-in.js', import.meta.url), 'utf8');
