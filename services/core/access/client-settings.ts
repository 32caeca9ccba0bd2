import type { ClientSettings } from '#services/platform/config/clients.ts';

/** Settings for unvetted clients: those that register themselves or come from a document. */
export type HasClientSettings = { readonly clientSettings: ClientSettings };
