import type { Config } from '#services/platform/config/load.ts';

/** The settings of tokens with issuer and audience resolved. */
export type HasTokenSettings = {
  readonly tokenSettings: Omit<Config['tokens'], 'issuer' | 'audience'> & {
    readonly issuer: string;
    /** Of tokens that name no other. */
    readonly audience: string;
    /** What sessions of two factors, and logins of them, rest at most; 0: as long as they live. */
    readonly twoFactorIdleSeconds: number;
  };
};
