export type FamilyIdle = {
  readonly refreshTokenSeconds: number;
  /** What sessions of two factors rest at most; 0: as long as they live. */
  readonly twoFactorIdleSeconds: number;
};

/** How long a login may go without a refresh, seconds: of two factors no longer than its session may rest. */
export const idleSecondsOf = (
  { refreshTokenSeconds, twoFactorIdleSeconds }: FamilyIdle,
  acr: string | null | undefined,
): number =>
  acr === 'aal2' && twoFactorIdleSeconds > 0
    ? Math.min(refreshTokenSeconds, twoFactorIdleSeconds)
    : refreshTokenSeconds;
