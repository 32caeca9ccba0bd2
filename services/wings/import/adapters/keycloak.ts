import { newSecret, shownSecret } from '#services/core/identity/factors/totp.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { sniff } from '../reading/sniff.ts';
import type { LegacyPasskey, LegacySystemAdapter, LegacyUser, ReadOptions } from './adapter.ts';
import { withFormat, writeArgon2, writePbkdf2 } from './digests.ts';
import {
  accountOf,
  dateOf,
  idOf,
  isMembers,
  isTrue,
  legacyUser,
  listOf,
  type Members,
  memberOf,
  membersIn,
  present,
  type Refused,
  textOf,
  usersOf,
} from './members.ts';

/**
 * Keycloak: the realm that `kc.sh export --users same_file` writes, or one of the files of its users. The parameter
 * `rp_id` says for which domain its passkeys were made, as the file does not.
 */

/** Data of a credential are JSON in text. */
const dataOf = (credential: unknown, member: 'secretData' | 'credentialData'): Members =>
  membersIn(memberOf(credential, member));

/** Parameters are lists of text. */
const parameterOf = (data: Members, name: string): string | null =>
  textOf(listOf(memberOf(data, `additionalParameters.${name}`))[0]);

/** The digest in our notation; text that no scheme has where the algorithm is unknown. */
function digestOf(credential: unknown): string {
  const secret = dataOf(credential, 'secretData');
  const data = dataOf(credential, 'credentialData');
  const [key, salt] = [textOf(secret.value) ?? '', textOf(secret.salt) ?? ''];
  const algorithm = textOf(data.algorithm) ?? '';
  const rounds = Number(data.hashIterations);
  if (algorithm === 'argon2' && parameterOf(data, 'version') === '1.3')
    return writeArgon2({
      variant: `argon2${parameterOf(data, 'type')}`,
      memory: Number(parameterOf(data, 'memory')),
      passes: rounds,
      lanes: Number(parameterOf(data, 'parallelism')),
      salt,
      key,
    });
  const pbkdf2 = /^pbkdf2(?:-(sha256|sha512))?$/.exec(algorithm);
  if (pbkdf2 !== null) return writePbkdf2({ hash: pbkdf2[1] ?? 'sha1', rounds, salt, key });
  return algorithm === 'bcrypt' ? key : `keycloak:${algorithm}`;
}

/** The secret of an authenticator app as every app has it: SHA-1, six digits, 30 seconds. Null for another kind. */
function totpOf(credential: unknown): string | null {
  const data = dataOf(credential, 'credentialData');
  const secret = textOf(dataOf(credential, 'secretData').value);
  const isUsual = data.subType === 'totp' && data.digits === 6 && data.period === 30 && data.algorithm === 'HmacSHA1';
  if (!isUsual || secret === null) return null;
  return data.secretEncoding === 'BASE32' ? secret : shownSecret(newSecret(Buffer.from(secret, 'utf8')));
}

function passkeyOf(credential: unknown, rpId: string): readonly LegacyPasskey[] {
  const data = dataOf(credential, 'credentialData');
  const [id, key] = [textOf(data.credentialId), textOf(data.credentialPublicKey)];
  if (id === null || key === null) return [];
  const base64url = (text: string): string => Buffer.from(text, 'base64').toString('base64url');
  return [
    {
      rp_id: rpId,
      credential_id: base64url(id),
      public_key: base64url(key),
      counter: Number(data.counter ?? 0),
      transports: listOf(data.transports).flatMap((transport) => textOf(transport)?.toLowerCase() ?? []),
      device_type: 'singleDevice',
      backed_up: false,
      aaguid: textOf(data.aaguid),
      name: textOf(memberOf(credential, 'userLabel')),
    },
  ];
}

/** Every user of a realm has them; they grant nothing of an application. */
const isBuiltIn = (role: string): boolean =>
  role.startsWith('default-roles-') || role === 'offline_access' || role === 'uma_authorization';

const textsOf = (value: unknown): string[] => listOf(value).flatMap((item) => textOf(item) ?? []);

function userOf(user: Members, { parameters }: ReadOptions): LegacyUser | Refused {
  const email = textOf(user.email);
  const id = idOf(user.id, email);
  const { username, firstName, lastName, attributes, groups, requiredActions } = user;
  if (textOf(user.serviceAccountClientId) !== null) return { reason: 'service_account', value: id };
  if (email === null) return { reason: 'email_missing', value: id };
  const credentials = listOf(user.credentials);
  const ofType = (...types: readonly string[]): readonly unknown[] =>
    credentials.filter((credential) => types.includes(String(memberOf(credential, 'type'))));
  const [password] = ofType('password');
  const apps = ofType('otp');
  const totp = apps.map(totpOf).find((secret) => secret !== null) ?? null;
  const keys = ofType('webauthn', 'webauthn-passwordless');
  const realmRoles = textsOf(user.realmRoles);
  const clientRoles = isMembers(user.clientRoles)
    ? Object.entries(user.clientRoles).flatMap(([client, roles]) => textsOf(roles).map((role) => `${client}/${role}`))
    : [];
  const { rp_id: rpId } = parameters;
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: isTrue(user.emailVerified),
    name: [firstName, lastName].flatMap((part) => textOf(part) ?? []).join(' ') || null,
    created_at: dateOf(user.createdTimestamp),
    disabled: user.enabled === false,
    ...withFormat(password === undefined ? null : digestOf(password)),
    roles: [...realmRoles.filter((role) => !isBuiltIn(role)), ...clientRoles],
    accounts: listOf(user.federatedIdentities).flatMap((identity) => {
      return accountOf(textOf(memberOf(identity, 'identityProvider')), memberOf(identity, 'userId'), email);
    }),
    totp_secret: totp,
    passkeys: rpId === undefined ? [] : keys.flatMap((credential) => passkeyOf(credential, rpId)),
    // An app with other parameters than ours, one that Keycloak asks for at the next sign-in, and keys of another domain.
    factors_lost: [
      ...(apps.length > 0 || textsOf(requiredActions).includes('CONFIGURE_TOTP') ? ['totp' as const] : []),
      ...(keys.length > 0 ? ['passkey' as const] : []),
    ],
    metadata: present({
      username,
      firstName,
      lastName,
      attributes,
      groups: textsOf(groups).length > 0 ? groups : null,
      requiredActions: textsOf(requiredActions).length > 0 ? requiredActions : null,
      builtInRoles: realmRoles.some(isBuiltIn) ? realmRoles.filter(isBuiltIn) : null,
    }),
  });
}

export const keycloakAdapter: LegacySystemAdapter = {
  kind: 'keycloak',
  forms: ['json'],
  async *read(stream, options) {
    const { first, stream: whole } = await sniff(stream);
    const records = readJsonArray(whole, first === '[' ? null : 'users');
    yield* usersOf(records, (value) => userOf(value, options));
  },
};
