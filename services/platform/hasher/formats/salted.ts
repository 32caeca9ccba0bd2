import { hash, timingSafeEqual } from 'node:crypto';
import { type DigestKind, defineKind } from './define-kind.ts';

/** One hash of password and salt: a stolen table gives these passwords away, so the operator must name the format. */
type Salted = { readonly parts: (password: Buffer) => readonly Buffer[]; readonly key: Buffer };

const BYTES = { md5: 16, sha256: 32, sha512: 64 } as const;
type Algorithm = keyof typeof BYTES;

/** The names of RFC 2307's successors (OpenLDAP's pw-sha2): base64 of the hash and the salt behind it. */
const LDAP_NAME = { md5: 'SMD5', sha256: 'SSHA256', sha512: 'SSHA512' } as const satisfies Record<Algorithm, string>;
const SALT_BYTES_MAX = 64;

function salted(algorithm: Algorithm): DigestKind {
  const bytes = BYTES[algorithm];
  const ldapPrefix = `{${LDAP_NAME[algorithm]}}`;
  const ldapForm = /^[A-Za-z0-9+/]{22,172}={0,2}$/;
  const prefixedForm = new RegExp(`^${algorithm}\\$([!-#%-~]{1,${SALT_BYTES_MAX}})\\$([0-9a-f]{${2 * bytes}})$`);
  const fromLdap = (text: string): Salted | undefined => {
    if (!ldapForm.test(text)) return undefined;
    const all = Buffer.from(text, 'base64');
    const salt = all.subarray(bytes);
    if (salt.length === 0 || salt.length > SALT_BYTES_MAX) return undefined;
    return { parts: (password) => [password, salt], key: all.subarray(0, bytes) };
  };
  return defineKind<Salted>({
    format: `salted-${algorithm}`,
    isWeak: true,
    read: (digest) => {
      if (digest.startsWith(ldapPrefix)) return fromLdap(digest.slice(ldapPrefix.length));
      const found = prefixedForm.exec(digest);
      if (!found) return undefined;
      const [, salt = '', key = ''] = found;
      return { parts: (password) => [Buffer.from(salt), password], key: Buffer.from(key, 'hex') };
    },
    verify: (password, { parts, key }) =>
      timingSafeEqual(hash(algorithm, Buffer.concat(parts(Buffer.from(password, 'utf8'))), 'buffer'), key),
  });
}

/**
 * `{SSHA256}…`, `{SSHA512}…`, `{SMD5}…` with the salt behind the password, and `sha256$salt$hex` (Django's form of
 * unstretched hashes) with the salt before it.
 */
export const saltedKinds: readonly DigestKind[] = [salted('md5'), salted('sha256'), salted('sha512')];
