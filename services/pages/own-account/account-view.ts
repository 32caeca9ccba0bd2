import type { ApiKeyView } from '#services/core/api-keys/contract.ts';
import type { FactorsView } from '#services/core/identity/contracts/factors-contract.ts';
import type { PasskeyView } from '#services/core/identity/contracts/passkeys-contract.ts';
import type { LinkedAccountView } from '#services/core/identity/contracts/social-contract.ts';
import type { OwnedClient } from '#services/core/module.ts';
import type { GrantedConsentView } from '#services/core/oauth/consents/consent-contract.ts';
import type { AccountAct, AccountForm, AccountSection } from '#services/core/oauth/own-account-page-contract.ts';
import type { Said } from '../fields.ts';
import type { ShownDetail } from '../shown-details.ts';

export type SessionItem = {
  readonly id: string;
  readonly current: boolean;
  readonly created_at: string;
  readonly ip_address: string | null;
  readonly user_agent: string | null;
};

/** A list that the page may show in part. */
type Listed<T> = { readonly items: readonly T[]; readonly isLonger: boolean };

/** What each section shows, besides who is signed in. */
type SectionViews = {
  readonly profile: object;
  readonly security: {
    readonly factors: FactorsView;
    readonly passkeys: readonly PasskeyView[];
    /** What the script tells the browser: the passkeys of this user that still sign in. */
    readonly accepted: { readonly user: string; readonly ids: readonly string[] };
    readonly linked: readonly LinkedAccountView[];
  };
  readonly sessions: Listed<SessionItem>;
  readonly applications: Listed<GrantedConsentView & { readonly details: readonly ShownDetail[] }> & {
    readonly owned: readonly OwnedClient[];
  };
  readonly keys: Listed<ApiKeyView> & {
    /** The permissions that a new key may have. */
    readonly carriable: readonly string[];
  };
  readonly data: object;
};

export type SectionView = { [S in AccountSection]: { readonly section: S } & SectionViews[S] }[AccountSection];
export type ViewOf<S extends AccountSection> = Extract<SectionView, { readonly section: S }>;

export type AccountOwner = {
  readonly email: string;
  readonly isVerified: boolean;
  readonly name: string;
  /** Whether the console has a page for this user. */
  readonly usesConsole: boolean;
};

export type Act = AccountAct | AccountForm['act'];

/** What the last form did, or why it did nothing. */
export type Outcome = { readonly act: Act; readonly problem?: Said | undefined };

export type AccountPage<V extends SectionView = SectionView> = {
  readonly formToken: string;
  readonly owner: AccountOwner;
  readonly view: V;
  readonly outcome?: Outcome | undefined;
};

/** Where the page shows what an act did: next to its form. `top` is above all parts. */
export const PART_OF = {
  profile: 'name',
  email: 'email',
  password: 'password',
  enable_totp: 'authenticator',
  confirm_totp: 'authenticator',
  disable_totp: 'authenticator',
  add_passkey: 'passkeys',
  rename_passkey: 'passkeys',
  remove_passkey: 'passkeys',
  renew_codes: 'codes',
  unlink: 'linked',
  end_session: 'sessions',
  end_other_sessions: 'sessions',
  withdraw: 'applications',
  revoke_key: 'keys',
  create_key: 'keys',
  delete: 'delete',
  step_up: 'top',
} as const satisfies Record<Act, string>;
export type PartName = (typeof PART_OF)[Act] | 'export' | 'owned';

const SECTION_OF_PART: Readonly<Record<PartName, AccountSection>> = {
  top: 'profile',
  name: 'profile',
  email: 'profile',
  password: 'security',
  authenticator: 'security',
  passkeys: 'security',
  codes: 'security',
  linked: 'security',
  sessions: 'sessions',
  applications: 'applications',
  owned: 'applications',
  keys: 'keys',
  export: 'data',
  delete: 'data',
};

export const sectionOf = (act: Act): AccountSection => SECTION_OF_PART[PART_OF[act]];
