import type { ClientSettings } from '../../platform/config/clients.ts';

/** How clients come that nobody here has looked at. */
export type HasClientSettings = { readonly clientSettings: ClientSettings };
