import { type CertificateIdentity, identityOfJwks, identityOfNames } from './certificates/certificate-identity.ts';
import { CERTIFICATE_NAME_MEMBERS, type GivenNames } from './certificates/certificate-shapes.ts';
import { chooseAddress, chooseKeys, type GivenKeys, NO_KEYS, type StoredKeys } from './client-keys.ts';
import { clientKeysInvalid } from './errors.ts';

/** Keys, certificates or a name in a certificate, as a client registers them. */
export type GivenAuthentication = GivenKeys & GivenNames;
export type StoredAuthentication = StoredKeys & { readonly certificate_identity: CertificateIdentity | null };
type AuthenticationProblem = { readonly at: keyof GivenNames | 'jwks' | 'jwks_uri'; readonly why: string };

const NOTHING: StoredAuthentication = { ...NO_KEYS, certificate_identity: null };

/** Of the set itself only the thumbprints of its certificates are stored. */
function chooseCertificates(given: GivenKeys, certificatesMax?: number): StoredAuthentication | AuthenticationProblem {
  const address = chooseAddress(given);
  if (address !== null) return 'why' in address ? address : { ...address, certificate_identity: null };
  const identity = identityOfJwks(given.jwks, certificatesMax);
  return typeof identity === 'string' ? { at: 'jwks', why: identity } : { ...NOTHING, certificate_identity: identity };
}

/**
 * What to store for this method of authentication, or which member is wrong and why. Members that the method does not
 * read are ignored.
 * @param keysMax keys or certificates that a set may have
 */
export function chooseAuthentication(
  authMethod: string,
  given: GivenAuthentication,
  keysMax?: number,
): StoredAuthentication | AuthenticationProblem {
  if (authMethod === 'self_signed_tls_client_auth') return chooseCertificates(given, keysMax);
  if (authMethod === 'tls_client_auth') {
    const identity = identityOfNames(given);
    return 'why' in identity ? identity : { ...NOTHING, certificate_identity: identity };
  }
  if (authMethod !== 'private_key_jwt') return NOTHING;
  const keys = chooseKeys(given, keysMax);
  return 'why' in keys ? keys : { ...keys, certificate_identity: null };
}

/** A member that another method reads. */
function strayMember(authMethod: string, given: GivenAuthentication): AuthenticationProblem | null {
  const name = CERTIFICATE_NAME_MEMBERS.find((member) => given[member] !== undefined);
  if (name !== undefined && authMethod !== 'tls_client_auth')
    return { at: name, why: 'is read only for tls_client_auth' };
  if (authMethod === 'private_key_jwt' || authMethod === 'self_signed_tls_client_auth') return null;
  const why = 'is read only for private_key_jwt and self_signed_tls_client_auth';
  if (given.jwks !== undefined) return { at: 'jwks', why };
  return given.jwks_uri === undefined ? null : { at: 'jwks_uri', why };
}

/**
 * What to store for this method of authentication. Throws `client_keys_invalid` (400) if something is missing, malformed,
 * or belongs to another method.
 */
export function storedAuthentication(authMethod: string, given: GivenAuthentication): StoredAuthentication {
  const chosen = strayMember(authMethod, given) ?? chooseAuthentication(authMethod, given);
  if ('why' in chosen) throw clientKeysInvalid({ problems: [{ at: `body/${chosen.at}`, why: chosen.why }] });
  return chosen;
}
