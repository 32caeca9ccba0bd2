import type { ClientSettings } from '#services/platform/config/clients.ts';

/** How clients come that nobody here has looked at. */
export type HasClientSettings = { readonly clientSettings: ClientSettings };
