import type { Config } from '../services/platform/config/load.ts';
import { findApi } from './api-client.ts';

type Mailer = { readonly publicUrl: string; readonly wake: () => void };

/** Links in mails use the public URL of the API; the worker finds the stored mail at its next poll. */
export const mailer = ({ server }: Pick<Config, 'server'>): { readonly mailer: Mailer } => ({
  mailer: { publicUrl: server.publicUrl ?? findApi(undefined), wake: () => {} },
});
