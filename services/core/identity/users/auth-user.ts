/** A user as Better Auth returns it. */
export type AuthUser = {
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly name: string | null;
  readonly image: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly roles: readonly string[];
  /** Incremented by every act that ends all sessions. */
  readonly tokenEpoch: number;
  readonly disabledAt: Date | null;
  /** Whether an authenticator app is confirmed; a trigger keeps it. Absent where it was not read. */
  readonly twoFactorEnabled?: boolean | null;
};
