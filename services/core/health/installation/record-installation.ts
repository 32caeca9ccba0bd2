import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { installationRecorded } from '../audit-events.ts';
import { type InstallationFacts, readFacts, writeFacts } from './installation.store.ts';

/** Stores what an API says of its installation when it starts; audited if it says something else than the one before. */
export const recordInstallation = (
  { transact }: Pick<Ports, 'transact'>,
  facts: InstallationFacts,
  caller: Caller,
): Promise<void> =>
  transact(async (tx) => {
    const before = await readFacts(tx);
    if (!(await writeFacts(tx, facts))) return;
    const changed = Object.keys(facts).filter((name) => facts[name] !== (before?.[name] ?? null));
    await recordEvent(tx, caller, installationRecorded, { detail: { changed } });
  });
