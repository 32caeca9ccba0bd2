export type AuthUser = {
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly name: string | null;
  readonly image: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly roles: readonly string[];
  readonly tokenEpoch: number;
  readonly disabledAt: Date | null;
};

export type AuthSession = {
  readonly id: string;
  readonly token: string;
  readonly userId: string;
  readonly expiresAt: Date;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  /** How its login was proved (RFC 8176), and the assurance of that. */
  readonly amr: readonly string[];
  readonly acr: string;
};

/** Who is signed in, as Better Auth answers it. */
export type LiveSession = { readonly user: AuthUser; readonly session: AuthSession };

/** A session just made, with the cookies that carry it. */
export type OpenedSession = LiveSession & { readonly setCookie: readonly string[] };
