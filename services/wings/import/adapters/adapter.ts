import type { ExternalId } from '#services/core/shared/external-id.ts';
import type { FileForm } from '../reading/open-file.ts';

/** A social account of the other system: whose account it is at which provider. */
export type LegacyAccount = {
  /** In the words of our providers where we have one: `google`, `github`, `apple`, … */
  readonly provider: string;
  /** The user's id at that provider. */
  readonly subject: ExternalId;
};

/** A WebAuthn credential; it works here only under the RP ID for which it was made. */
export type LegacyPasskey = {
  readonly rp_id: string;
  /** base64url. */
  readonly credential_id: string;
  /** The COSE key, base64url. */
  readonly public_key: string;
  readonly counter: number;
  readonly transports: readonly string[];
  readonly device_type: 'singleDevice' | 'multiDevice';
  readonly backed_up: boolean;
  readonly aaguid: string | null;
  readonly name: string | null;
};

/** Kinds of second factors; `unknown` where the source does not say which. */
const FACTOR_KINDS = ['email', 'passkey', 'phone', 'push', 'totp', 'unknown'] as const;
export type FactorKind = (typeof FACTOR_KINDS)[number];

/** One user as an export of another system has it. What it does not have is null, or empty. */
export type LegacyUser = {
  readonly legacy_id: ExternalId;
  readonly email: string;
  readonly email_verified: boolean;
  readonly name: string | null;
  readonly image: string | null;
  readonly created_at: Date | null;
  readonly disabled: boolean;
  /** In a notation that the hasher verifies (`services/platform/hasher/schemes.ts`). */
  readonly password_hash: string | null;
  /** Name of the format for reports: `bcrypt`, `scrypt`, `firebase-scrypt`, … Null without a hash. */
  readonly password_format: string | null;
  /** Roles by their names there; only those that the mapping names are granted here. */
  readonly roles: readonly string[];
  /** What no other member holds, as JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly accounts: readonly LegacyAccount[];
  /** Base32, without padding. */
  readonly totp_secret: string | null;
  readonly recovery_codes: readonly string[];
  readonly passkeys: readonly LegacyPasskey[];
  /**
   * Second factors that the user had there and that no other member brings. A user without any factor left enrols one
   * before the first session here, or is rejected, as the import says.
   */
  readonly factors_lost: readonly FactorKind[];
};

/** A record of the source; `line` is the line on which it begins, from 1. */
export type LegacyRecord =
  | { readonly line: number; readonly user: LegacyUser }
  | {
      readonly line: number;
      /** A stable code, as `email_invalid`. */
      readonly reason: string;
      /** Address or id of the record, so that an operator finds it; never a secret. */
      readonly value: string;
    };

export type ReadOptions = {
  /** Which column or member holds what, by the members of `LegacyUser`; paths are dotted. For `csv`, `ndjson` and `mongo`. */
  readonly columns: Readonly<Record<string, string>>;
  /** What an adapter needs beside the file: parameters of hashes, or the text of a second file. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Weak formats of hashes that the operator allows by name. */
  readonly allowedHashes: readonly string[];
  /** A secret key that digests of the file name, in a file that has it; false if there are too many of them. */
  keyFound?(key: Uint8Array): boolean;
};

/** Reads the users of one kind of system. */
export type LegacySystemAdapter = {
  /** The name in `sallyport import <kind>`, and the provider in `legacy_users`. */
  readonly kind: string;
  /** What its files are; another file is refused whole. */
  readonly forms: readonly FileForm[];
  /** Secret keys without which the hashes of the source cannot be verified: stored sealed before the users. */
  hashKeys?(options: ReadOptions): readonly Uint8Array[];
  /** Never throws for one bad record: it is rejected, and the rest is read. Holds one record at a time. */
  read(stream: AsyncIterable<Uint8Array>, options: ReadOptions): AsyncIterable<LegacyRecord>;
};
