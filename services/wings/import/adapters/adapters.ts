import { importKindUnknown } from '../errors.ts';
import type { LegacySystemAdapter } from './adapter.ts';
import { auth0Adapter } from './auth0.ts';
import { betterAuthAdapter } from './better-auth.ts';
import { clerkAdapter } from './clerk.ts';
import { cognitoAdapter } from './cognito.ts';
import { firebaseAdapter } from './firebase.ts';
import { csvAdapter, ndjsonAdapter } from './generic.ts';
import { keycloakAdapter } from './keycloak.ts';
import { mongoAdapter } from './mongo.ts';
import { supabaseAdapter } from './supabase.ts';
import { zitadelAdapter } from './zitadel.ts';

/** Every kind of system that users can come from. */
export const adapters: readonly LegacySystemAdapter[] = [
  auth0Adapter,
  betterAuthAdapter,
  clerkAdapter,
  cognitoAdapter,
  csvAdapter,
  firebaseAdapter,
  keycloakAdapter,
  mongoAdapter,
  ndjsonAdapter,
  supabaseAdapter,
  zitadelAdapter,
];

export const findAdapter = (kind: string): LegacySystemAdapter | undefined =>
  adapters.find((adapter) => adapter.kind === kind);

/** @throws importKindUnknown (400) */
export function adapterOf(kind: string): LegacySystemAdapter {
  const adapter = findAdapter(kind);
  if (adapter !== undefined) return adapter;
  throw importKindUnknown({ detail: `The kinds are ${adapters.map((each) => each.kind).join(', ')}.` });
}
