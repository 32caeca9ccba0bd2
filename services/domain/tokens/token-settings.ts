import type { Config } from '../../platform/config/load.ts';

/** The settings of tokens with issuer and audience resolved. */
export type HasTokenSettings = {
  readonly tokenSettings: Omit<Config['tokens'], 'issuer' | 'audience'> & {
    readonly issuer: string;
    /** Of tokens that name no other. */
    readonly audience: string;
  };
};
