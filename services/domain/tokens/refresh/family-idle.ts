export type FamilyIdle = {
  readonly refreshTokenSeconds: number;
  /** Idle limit of sessions with two factors, seconds; 0: none. */
  readonly twoFactorIdleSeconds: number;
};

/** How long a family lives without a refresh, in seconds. With two factors it is at most the idle limit of the session. */
export const idleSecondsOf = (
  { refreshTokenSeconds, twoFactorIdleSeconds }: FamilyIdle,
  acr: string | null | undefined,
): number =>
  acr === 'aal2' && twoFactorIdleSeconds > 0
    ? Math.min(refreshTokenSeconds, twoFactorIdleSeconds)
    : refreshTokenSeconds;
