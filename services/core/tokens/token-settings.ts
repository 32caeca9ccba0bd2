import type { Config } from '#services/platform/config/load.ts';

/** The token settings with issuer and audience resolved. */
export type HasTokenSettings = {
  readonly tokenSettings: Omit<Config['tokens'], 'issuer' | 'audience'> & {
    readonly issuer: string;
    /** Default audience. */
    readonly audience: string;
    /** URLs of the MCP server, the only audiences at which own scopes mean something; the first is the API's `/mcp`. */
    readonly mcpAudiences: readonly string[];
    /** Idle limit of sessions with two factors and of their token families, seconds; 0: none. */
    readonly twoFactorIdleSeconds: number;
  };
};
