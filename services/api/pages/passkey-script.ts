import { readFileSync } from 'node:fs';

/** The only script of our pages, as served to browsers. */
export const PASSKEY_SCRIPT = readFileSync(new URL('passkey-sign-in.js', import.meta.url), 'utf8');
