import { canonicalJson, type Json } from '../log/canonical-json.ts';
import { commitmentOf, leafOf } from '../log/leaf.ts';
import type { PersonalValueRow, SealedEventRow } from './trail.store.ts';

/**
 * Whether the columns of a row equal its sealed bytes, and its personal values match their commitments. Erased values
 * are not an error.
 */
export function rowMatchesLeaf(row: SealedEventRow, personal: readonly PersonalValueRow[]): boolean {
  const columns = { ...row, detail: row.detail as Json };
  if (leafOf({ ...columns, personal }).equals(row.leaf)) return true;
  const sealed = parsed(row.leaf);
  if (sealed === null || canonicalJson(sealed) !== row.leaf.toString()) return false;
  const { personal: commitments = {}, ...rest } = sealed as { readonly [member: string]: Json };
  const isCommitted = (value: PersonalValueRow): boolean =>
    (commitments as Record<string, Json>)[value.field] === commitmentOf(value).toString('base64');
  return leafOf({ ...columns, personal: [] }).toString() === canonicalJson(rest) && personal.every(isCommitted);
}

function parsed(leaf: Buffer): { readonly [member: string]: Json } | null {
  try {
    const value = JSON.parse(leaf.toString()) as Json;
    return value === null || typeof value !== 'object' || Array.isArray(value)
      ? null
      : (value as { readonly [member: string]: Json });
  } catch {
    return null;
  }
}
