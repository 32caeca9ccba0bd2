import { hash } from 'node:crypto';
import {
  type AuthenticationResponseJSON,
  type AuthenticatorTransport,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import type { Ports, Sql, Tx } from '#services/core/ports.ts';
import { passkeyRefused } from '../contracts/factors-errors.ts';
import { findAccount } from '../users/accounts.store.ts';
import { type FactorProof, factorVerified } from '../users/factor-proof.ts';
import { findPasskey, insertPasskey, readPasskeys, storeCounter } from '../users/passkeys.store.ts';
import { isUsableKey, OFFERED_ALGORITHMS } from './cose-key.ts';
import { required } from './handover.ts';
import { relyingParty } from './relying-party.ts';

/** Options for navigator.credentials (WebAuthn §5.4, §5.5), and the challenge to send back with its response. */
export type PasskeyOptions = { readonly options: Readonly<Record<string, unknown>>; readonly challenge: string };

/** The credential that the browser returned, as JSON (WebAuthn §5.1), with the challenge of its options. */
export type PasskeyResponse = { readonly challenge: string; readonly response: Readonly<Record<string, unknown>> };

/** Single-use values with a lifetime. */
export type ChallengeStore = {
  keep(identifier: string, value: string, expiresAt: Date): Promise<void>;
  /** Removes and returns the value; null if there is none, or if it has expired. */
  take(identifier: string): Promise<string | null>;
};

type Ceremony = 'registration' | 'authentication';
type Kept = { readonly expected: string; readonly userId: string | null };

type Deps = Pick<Ports, 'clock' | 'random'> & {
  readonly sql: Sql;
  readonly challenges: ChallengeStore;
  /** The transaction of the call. */
  currentTx(): Tx;
  readonly baseUrl: string;
  readonly origins: ReadonlySet<string>;
};

const CHALLENGE_MS = 300_000;
const TOKEN_BYTES = 32;

/** The user handle that an authenticator stores and returns with a passkey (WebAuthn §5.4.3): at most 64 bytes. */
export const userHandleOf = (userId: string): string => Buffer.from(userId).toString('base64url');

/**
 * The proof of a verified ceremony. RFC 8176: a device-bound key (`hwk`) or one synchronised between devices (`swk`), with
 * user verification.
 */
const proofOf = (deviceType: string): FactorProof =>
  factorVerified([deviceType === 'singleDevice' ? 'hwk' : 'swk', 'user']);

/** A challenge is kept for one ceremony, under the hash of what the browser sends back. */
const identifierOf = (ceremony: Ceremony, token: string): string =>
  `passkey-${ceremony}:${hash('sha256', token, 'base64url')}`;

type FromPage = { readonly response: { readonly clientDataJSON: string } };

/** The origin of the page (WebAuthn §5.8.1). Refuses a frame inside another page: §7.1 steps 10 and 11, §7.2 steps 13 and 14. */
function originOf({ response }: FromPage): string {
  try {
    const page = JSON.parse(Buffer.from(response.clientDataJSON, 'base64url').toString());
    const { origin, crossOrigin = false, topOrigin } = page;
    if (crossOrigin === false && topOrigin === undefined) return String(origin);
  } catch (cause) {
    refuse(cause);
  }
  throw passkeyRefused();
}

const transportsOf = (text: string | null): { transports?: AuthenticatorTransport[] } =>
  text ? { transports: text.split(',') as AuthenticatorTransport[] } : {};

/**
 * Passkeys as two factors: every ceremony requires user verification (WebAuthn §6.1), one of our origins, no frame, and
 * a challenge that we made for this ceremony, which is used once.
 */
export type Passkeys = ReturnType<typeof createPasskeyCeremonies>;

export function createPasskeyCeremonies({ clock, random, sql, challenges, currentTx, baseUrl, origins }: Deps) {
  const { rpID } = relyingParty(baseUrl);
  /** The library compares with a list: the origin of the page, if we trust that one. */
  const expectedOf = (sent: FromPage) => ({
    expectedOrigin: [originOf(sent)].filter((origin) => origins.has(origin)),
    expectedRPID: rpID,
    requireUserVerification: true,
  });

  async function withChallenge(
    ceremony: Ceremony,
    options: { readonly challenge: string },
    userId: string | null,
  ): Promise<PasskeyOptions> {
    const token = random.bytes(TOKEN_BYTES).toString('base64url');
    const kept: Kept = { expected: options.challenge, userId };
    const expiresAt = new Date(clock.now() + CHALLENGE_MS);
    await challenges.keep(identifierOf(ceremony, token), JSON.stringify(kept), expiresAt);
    return { options: { ...options }, challenge: token };
  }

  async function take(ceremony: Ceremony, token: string): Promise<Kept> {
    const value = await challenges.take(identifierOf(ceremony, token));
    if (value === null) throw passkeyRefused();
    return JSON.parse(value) as Kept;
  }

  return {
    /** Options to create a passkey for the user; they exclude the ones that exist. The browser shows the address. */
    async registrationOptions(userId: string): Promise<PasskeyOptions> {
      const [account, existing] = await Promise.all([findAccount(sql, userId), readPasskeys(sql, userId)]);
      const name = required(account).email;
      const options = await generateRegistrationOptions({
        rpName: 'Sallyport',
        rpID,
        userID: new Uint8Array(Buffer.from(userId)),
        userName: name,
        userDisplayName: name,
        attestationType: 'none',
        supportedAlgorithmIDs: [...OFFERED_ALGORITHMS],
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        excludeCredentials: existing.map(({ credentialID, transports }) => ({
          id: credentialID,
          ...transportsOf(transports),
        })),
      });
      return withChallenge('registration', options, userId);
    },

    /**
     * Verifies and stores a new passkey. Call inside the transaction. Returns its id and the proof of its ceremony. Throws
     * `passkey_refused`.
     */
    async register({ userId, challenge, response, name }: PasskeyResponse & { userId: string; name: string }) {
      const kept = await take('registration', challenge);
      const created = response as unknown as RegistrationResponseJSON;
      if (kept.userId !== userId) throw passkeyRefused();
      const { registrationInfo } = await verifyRegistrationResponse({
        ...expectedOf(created),
        response: created,
        expectedChallenge: kept.expected,
        supportedAlgorithmIDs: [...OFFERED_ALGORITHMS],
      }).catch(refuse);
      if (registrationInfo === undefined || !isUsableKey(registrationInfo.credential.publicKey)) throw passkeyRefused();
      const { aaguid, credentialDeviceType, credentialBackedUp, credential } = registrationInfo;
      const id = random.uuid();
      await insertPasskey(currentTx(), {
        id,
        userId,
        name,
        publicKey: Buffer.from(credential.publicKey).toString('base64'),
        credentialID: credential.id,
        counter: credential.counter,
        deviceType: credentialDeviceType,
        backedUp: credentialBackedUp,
        transports: created.response.transports?.join(',') ?? '',
        aaguid,
        createdAt: new Date(clock.now()),
      });
      return { id, proof: proofOf(credentialDeviceType) };
    },

    /** Options to ask for any passkey of this origin: the same for every user. */
    async authenticationOptions(): Promise<PasskeyOptions> {
      const options = await generateAuthenticationOptions({ rpID, userVerification: 'required' });
      return withChallenge('authentication', options, null);
    },

    /**
     * Verifies the response of a passkey and stores its counter. Call inside the transaction. Returns its owner and
     * the proof of the ceremony. Throws `passkey_refused`.
     */
    async authenticate({ challenge, response }: PasskeyResponse) {
      const kept = await take('authentication', challenge);
      const asserted = response as unknown as AuthenticationResponseJSON;
      const passkey = await findPasskey(currentTx(), asserted.id);
      // WebAuthn §7.2 step 6: no user was identified before the ceremony, so the user handle must name the owner.
      if (passkey === undefined || asserted.response.userHandle !== userHandleOf(passkey.userId))
        throw passkeyRefused();
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        ...expectedOf(asserted),
        response: asserted,
        expectedChallenge: kept.expected,
        credential: {
          id: passkey.credentialID,
          publicKey: new Uint8Array(Buffer.from(passkey.publicKey, 'base64')),
          counter: passkey.counter,
          ...transportsOf(passkey.transports),
        },
      }).catch(refuse);
      if (!verified) throw passkeyRefused();
      await storeCounter(currentTx(), passkey.id, authenticationInfo.newCounter);
      return { userId: passkey.userId, proof: proofOf(authenticationInfo.credentialDeviceType) };
    },
  };
}

/** The library throws plain errors for everything that a response can have wrong. */
function refuse(cause: unknown): never {
  throw passkeyRefused({ cause });
}
