import type { ValidateRequest } from '../contract.ts';

/** Answers for access tokens of the old provider until the bridge ends. */
export type LegacyBridge = {
  /** Whether a token says that the old provider issued it, while the bridge lasts; verifies nothing. */
  isFor(token: string): boolean;
  /** The validate response as JSON text, with `issuer_kind`. Throws 503 if nothing can be decided. */
  answer(request: Pick<ValidateRequest, 'token' | 'audience' | 'required_scope'>): Promise<string>;
  /** The introspection response as JSON text, with `issuer_kind`. Throws 503 if nothing can be decided. */
  introspect(token: string): Promise<string>;
};

export type HasLegacyBridge = { readonly legacyBridge: LegacyBridge | null };
