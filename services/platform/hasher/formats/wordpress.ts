import { createHmac } from 'node:crypto';
import { bcrypt } from './bcrypt.ts';
import { wrapKind } from './define-kind.ts';

const PREFIX = '$wp';
const KEY = 'wp-sha384';

/** WordPress since 6.8: `$wp$2y$…`, bcrypt of a hash in base64. PHP trims ASCII white space and NUL. */
export const wordpressBcrypt = wrapKind(
  'wordpress-bcrypt',
  bcrypt,
  (digest) => (digest.startsWith(`${PREFIX}$2y$`) ? digest.slice(PREFIX.length) : undefined),
  (password) => {
    const trimmed = password.replaceAll(/^[ \t\n\r\0\v]+|[ \t\n\r\0\v]+$/g, '');
    return createHmac('sha384', KEY).update(trimmed, 'utf8').digest('base64');
  },
);
