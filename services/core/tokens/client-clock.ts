/**
 * How far the clock of a client may be ahead of ours in what the client signs, seconds: FAPI 2.0 §5.3.2.1 requires that
 * 10 seconds are accepted and more than 60 are refused.
 */
export const CLIENT_AHEAD_SECONDS = 10;

/** The same where the operator has allowed more. */
export const aheadSeconds = ({ leewaySeconds }: { readonly leewaySeconds: number }): number =>
  Math.max(leewaySeconds, CLIENT_AHEAD_SECONDS);
