import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { type CopyName, now, type Rewind, type TokenFamily } from './ledger.ts';
import { type Clients, REASON } from './load/clients.ts';
import type { Load } from './load/load.ts';
import { compromise, issue, present, revokeFamily, signInAdmin, tryToIssue } from './load/tokens.ts';
import type { System } from './system.ts';

/** What a whole run is made of. */
export type Scene = { readonly system: System; readonly clients: Clients; readonly load: Load };

/** How a database that is behind takes the place of the newer one. */
export type RewindKind = 'older-database' | 'lagging-standby' | 'lagging-standby-and-compromise';

/** Lets the product acknowledge what the older database does not have. */
async function acknowledgeWhatIsLost({ clients, load, system }: Scene, compromises: boolean): Promise<TokenFamily[]> {
  const families: TokenFamily[] = [];
  for (let at = 0; at < 8; at += 1) {
    const family = load.liveFamilies().find((each) => !each.isBusy && !families.includes(each));
    if (!family) break;
    families.push(family);
    await revokeFamily(clients, family);
  }
  if (compromises && (await signInAdmin(clients))) await compromise(clients);
  await sleep(2_000);
  system.relink();
  return families;
}

/** Faster rounds would be a storm of the suite's own, which its gate over requests to stores would find. */
const ROUND_MS = 400;

/** Clients present what was ended and what was not, all at once: nothing may be given. */
async function tryEverything({ clients, load }: Scene, ended: readonly TokenFamily[], isOver: () => boolean) {
  const live = load.liveFamilies().slice(0, 8);
  // They are presented at both copies at once, again and again, as no honest client would.
  for (const family of live) family.isAbandoned = true;
  const tryAt = async (copy: CopyName): Promise<void> => {
    while (!isOver()) {
      await Promise.all(
        [...ended, ...live].map((family) => present(clients, family, family.refreshToken, copy, { timeoutMs: 2_000 })),
      );
      await tryToIssue(clients, load.users[0]!.id, copy);
      await sleep(ROUND_MS);
    }
  };
  await Promise.all([tryAt('A'), tryAt('B')]);
}

/**
 * An older database takes the place of the newer one under running copies and clients; an operator then accepts the
 * loss, and everything goes on with new tokens.
 */
export async function rewindDatabase(scene: Scene, kind: RewindKind): Promise<void> {
  const { system, clients, load } = scene;
  const { ledger } = clients;
  let startedAtMs: number | undefined;
  const onEnded = (): void => {
    startedAtMs = now();
    ledger.rewinds.push({ backupAtMs, startedAtMs });
  };
  let backupAtMs = now();
  let ended: TokenFamily[];
  let replace: () => Promise<void>;
  if (kind === 'older-database') {
    const backup = join(system.folder, `backup-${ledger.rewinds.length}`);
    await system.stores.backup(backup);
    ended = await acknowledgeWhatIsLost(scene, false);
    replace = () => system.stores.restoreFrom(backup, onEnded);
  } else {
    const link = await startTcpProxy(system.stores.url('postgres'));
    const standby = await system.stores.startStandby(link.url);
    backupAtMs = now();
    await standby.caughtUp();
    await link.cut();
    ended = await acknowledgeWhatIsLost(scene, kind === 'lagging-standby-and-compromise');
    replace = () => standby.promote(onEnded);
  }
  load.pause();
  let isReplaced = false;
  const trying = tryEverything(scene, ended, () => isReplaced);
  await replace();
  system.relink();
  await sleep(3_000);
  isReplaced = true;
  await trying;
  await acceptLoss(scene);
}

async function acceptLoss({ system, clients, load }: Scene): Promise<void> {
  const { ledger } = clients;
  const rewind = ledger.rewinds.at(-1) as Rewind;
  const revocation = { cause: 'accepted loss', sentAtMs: now() };
  rewind.acceptingAtMs = revocation.sentAtMs;
  ledger.globalRevocations.push(revocation);
  const run = await system.sallyport(['restore', '--accept-loss', '--yes']);
  if (run.code !== 0) throw new Error(`restore --accept-loss ended with ${run.code}: ${run.err || run.out}`);
  rewind.acceptedAtMs = now();
  Object.assign(revocation, { ackedAtMs: rewind.acceptedAtMs });
  const log = await system.sallyport(['audit', 'continue', '--reason', REASON, '--yes']);
  if (log.code !== 0 && !/nothing|not behind|no loss/i.test(log.err + log.out))
    throw new Error(`audit continue ended with ${log.code}: ${log.err || log.out}`);
  for (const copy of Object.values(system.copies))
    await eventually(`${copy.name} ready after the loss was accepted`, () =>
      fetch(`${copy.url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
  // Nothing old lives: clients begin anew.
  await Promise.all(load.users.flatMap(({ id }) => [issue(clients, id), issue(clients, id)]));
  load.resume();
}
