import type { Ports } from '#services/core/ports.ts';
import { countLegacyUsers } from './imports.store.ts';
import { countBridged, countWithoutCredential, readImportsOfKinds } from './move.store.ts';
import {
  BRIDGE_DAYS,
  type BridgeSettings,
  type MoveChecklist,
  type MoveFacts,
  moveChecklist,
} from './move-checklist.ts';

export type Move = MoveFacts & MoveChecklist;

/**
 * How far the move from each system is, and what is left to do.
 * @param bridge its `provider` is the system whose sessions come by it; null: there is only one
 */
export async function readMoves(
  { sql, clock }: Pick<Ports, 'sql' | 'clock'>,
  { provider, ...bridge }: BridgeSettings & { readonly provider: string | null },
): Promise<readonly Move[]> {
  const since = new Date(clock.now() - BRIDGE_DAYS * 86_400_000);
  const bridged = await countBridged(sql, since, provider);
  const without = await countWithoutCredential(sql);
  const imports = await readImportsOfKinds(sql);
  const systems = await countLegacyUsers(sql);
  // A first import of a system that has imported no user yet.
  const begun = imports.filter(({ kind, open }) => open > 0 && systems.every((each) => each.provider !== kind));
  const all = [...systems, ...begun.map(({ kind }) => ({ provider: kind, users: 0, lazy: 0, deleted: 0 }))];
  return all.map(({ provider: kind, ...counts }) => {
    const { open = 0, last = null } = imports.find((each) => each.kind === kind) ?? {};
    const { sessions = 0, last_at: lastAt = null } = bridged.find((each) => each.provider === kind) ?? {};
    const facts: MoveFacts = {
      kind,
      ...counts,
      without_credential: without.find((each) => each.provider === kind)?.users ?? 0,
      open_imports: open,
      last_import: last,
      bridge: { sessions, last_at: lastAt },
    };
    return { ...facts, ...moveChecklist(facts, bridge) };
  });
}
