import type { Config } from '#services/platform/config/load.ts';

/** The token settings with issuer and audience resolved. */
export type HasTokenSettings = {
  readonly tokenSettings: Omit<Config['tokens'], 'issuer' | 'audience'> & {
    readonly issuer: string;
    /** Default audience. */
    readonly audience: string;
    /** URL of the MCP server, the only audience at which own scopes mean something; undefined: none is set. */
    readonly mcpAudience?: string | undefined;
    /** Idle limit of sessions with two factors and of their token families, seconds; 0: none. */
    readonly twoFactorIdleSeconds: number;
  };
};
